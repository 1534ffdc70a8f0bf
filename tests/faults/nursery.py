"""Scheduler processes by the dozen: forked from one that has Django loaded, so that a death costs no start.

Each is a ``runapscheduler`` of its own, on the tests' database. A node may be told at which step it dies, or to
record its steps (failpoints.py).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.faults.failpoints import Point

ROOT = Path(__file__).resolve().parents[2]
#: A dead node is found out within little more than this.
LEASE_SECONDS = 1
PACE = {
    "JOBSITE_LEASE_SECONDS": f"{LEASE_SECONDS}",
    "JOBSITE_BEAT_SECONDS": "0.2",
    "JOBSITE_POLL_SECONDS": "0.1",
}


@dataclass
class Node:
    """One scheduler process. Exit codes as Process has them: -9 after kill -9."""

    process: ForkServerProcess
    log: Path
    asked: bool = False

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        return self.process.exitcode

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None if it has not ended by then."""
        self.process.join(seconds)
        return self.process.exitcode

    def ask_to_stop(self) -> None:
        """Once: a second signal would end it at once."""
        if not self.asked and self.exit_code is None:
            self.asked = True
            self.process.terminate()

    def stop(self, seconds: float = 60) -> int | None:
        self.ask_to_stop()
        return self.wait(seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.join(30)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Nothing, if it has been killed meanwhile."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Nursery:
    """``environment`` is what all of its nodes have; one nursery a process, for its whole life."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.scratch = folder / "scratch"
        self.var = folder / "var"
        self.scratch.mkdir(parents=True)
        self.nodes: list[Node] = []
        self._context = multiprocessing.get_context("forkserver")
        own = {
            "JOBSITE_VAR": str(self.var),
            "JOBSITE_SCRATCH": str(self.scratch),
            "JOBSITE_LOG_LEVEL": "INFO",
            "DJANGO_SETTINGS_MODULE": "jobsite.settings",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        self._context.set_forkserver_preload(["tests.faults.forked"])
        with environ(PACE | own | environment):
            forkserver.ensure_running()

    def start(self, *arguments: str, dies_at: Point | None = None, records_to: Path | None = None) -> Node:
        from tests.faults import forked

        log = self.folder / f"node{len(self.nodes)}.log"
        log.touch()
        options = (str(log), arguments, dies_at, records_to)
        process = self._context.Process(target=forked.run, args=options, daemon=True)
        process.start()
        node = Node(process, log)
        self.nodes.append(node)
        return node

    def alive(self) -> list[Node]:
        return [node for node in self.nodes if node.exit_code is None]

    def kill_all(self) -> None:
        for node in self.alive():
            node.kill()


@contextmanager
def environ(values: dict[str, str]) -> Iterator[None]:
    """Those variables, within the block."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
