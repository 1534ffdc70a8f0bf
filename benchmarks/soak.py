"""A bounded soak: two nodes with a mix of work, and whether memory, descriptors, threads or connections keep growing.

    python benchmarks/soak.py --minutes 5 --database postgres://postgres@127.0.0.1/jobsite_bench

Runs in threads and in processes, that fail, are tried again, run late, are cancelled, and tasks that are edited all
the while. Every few seconds each node is looked at from outside. After the warm-up (the first half, at least a
minute: imports, pools and caches fill) a line is laid, by least squares, through the
least of each five readings (what comes and goes with runs is no leak); a figure is bad when it
rises by more than its tolerance, per hour, and by more within the readings than chance moves it. At the end
``manage.py doctor`` examines the database. Exit code 1 when a slope, the doctor or a node's end is bad.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import contest

NODES = 2
THREADS, PROCESSES = 16, 4
SAMPLE_SECONDS = 3.0
GROUP = 5
LEAST_WARM_UP_SECONDS = 60.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

#: What is read of a node → (unit, most it may rise an hour, most it may rise within the readings by chance).
#: Two MiB are the page cache of one connection to SQLite, which fills as the file grows.
TOLERANCES = {
    "memory": ("MiB", 12.0, 2.0),
    "helpers": ("MiB", 12.0, 2.0),
    "descriptors": ("", 12.0, 2.0),
    "threads": ("", 12.0, 2.0),
    "connections": ("", 12.0, 2.0),
}


@dataclass
class Readings:
    """One figure over time, of one node or of the database."""

    name: str
    of: str
    at: list[float] = field(default_factory=list)  # seconds since the beginning
    values: list[float] = field(default_factory=list)

    def add(self, at: float, value: float) -> None:
        self.at.append(at)
        self.values.append(value)

    def slope(self, since: float) -> float:
        """Per hour, by least squares over the least of each few readings: what comes and goes with runs is no leak."""
        read = [(at, value) for at, value in zip(self.at, self.values, strict=True) if at >= since]
        groups = [read[first : first + GROUP] for first in range(0, len(read) - GROUP + 1, GROUP)]
        pairs = [(group[0][0], min(value for _at, value in group)) for group in groups]
        middle = sum(at for at, _ in pairs) / len(pairs)
        mean = sum(value for _, value in pairs) / len(pairs)
        spread = sum((at - middle) ** 2 for at, _ in pairs)
        return 3_600 * sum((at - middle) * (value - mean) for at, value in pairs) / spread

    def is_bad(self, since: float) -> bool:
        _unit, an_hour, by_chance = TOLERANCES[self.name]
        slope = self.slope(since)
        return slope > an_hour and slope * (self.at[-1] - since) / 3_600 > by_chance

    def line(self, since: float) -> str:
        unit, an_hour, _by_chance = TOLERANCES[self.name]
        later = [value for at, value in zip(self.at, self.values, strict=True) if at >= since]
        return (
            f"  {self.of:<10} {self.name:<12} {later[0]:>8.1f} → {later[-1]:>7.1f} (most {max(later):.1f})"
            f" {unit:<4} {self.slope(since):>+8.2f} an hour (tolerance {an_hour:g})"
            f"  {'BAD' if self.is_bad(since) else 'good'}"
        )


# --- what is read


def resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 2**20


def children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def read_node(pid: int) -> dict[str, float]:
    """Memory is that of the scheduler itself; its helpers are the fork server and the warden, not the runs."""
    return {
        "memory": resident(pid),
        "helpers": sum(resident(child) for child in children(pid)),
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "threads": len(list(Path(f"/proc/{pid}/task").iterdir())),
    }


def connections() -> int | None:
    """The sessions of the database, but this one; None where there is no server (descriptors tell)."""
    from django.db import connection

    statements = {
        "postgresql": "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()",
        "mysql": "SELECT COUNT(*) - 1 FROM information_schema.processlist WHERE db = DATABASE()",
    }
    if connection.vendor not in statements:
        return None
    with connection.cursor() as cursor:
        cursor.execute(statements[connection.vendor])
        return int(cursor.fetchone()[0])


# --- the work


def make_tasks(scratch: Path) -> list[Any]:
    """About a dozen runs a second. The last ones are those that are edited all the while."""
    from scheduling.models import Pool, Task
    from scheduling.services import dependencies, tasks
    from scheduling.services.actor import Actor

    actor = Actor(source="command", reason="soak")
    pool = Pool.objects.create(key="soak", capacity=3)

    def make(key: str, seconds: int, function: str, parameters: dict[str, Any], **more: Any) -> Task:
        values = {"trigger": "interval", "trigger_params": {"seconds": seconds}, "time_zone": "UTC"}
        task = Task(key=key, name=key, function=function, parameters=parameters, **values | more)
        return tasks.create(task, actor=actor)

    line = {"path": str(scratch / "lines"), "text": "{execution_id} {attempt}"}
    first = [make(f"line-{number}", 1, "append_line", line) for number in range(5)]
    make("echo", 1, "echo", {"values": {"text": "ä" * 500}})
    make("sleeps", 2, "sleep", {"seconds": 1.5}, max_concurrent=3)
    make("pooled", 1, "sleep", {"seconds": 0.2}, pool=pool, weight=2, max_concurrent=4)
    make("process", 1, "echo", {"values": list(range(50))}, executor="process")
    make("process-fails", 5, "fail", {"message": "in a process"}, executor="process")
    make("fails", 2, "fail", {"message": "on purpose"})
    make("tried-again", 4, "fail", {"message": "again"}, retries=2, retry_delay_seconds=1)
    make("late", 5, "sleep", {"seconds": 60}, timeout_seconds=1)
    make("overlaps", 1, "sleep", {"seconds": 3}, overlap_policy="replace")
    after = make("after", 3_600, "noop", {})
    dependencies.save(after.pk, {first[0].pk: "success"}, actor=actor)
    return [make(f"edited-{number}", 2, "noop", {}) for number in range(4)]


def disturb(edited: list[Any]) -> Iterator[None]:
    """One edit, one run that is asked for, and one that is cancelled, each time it is asked."""
    from scheduling.exceptions import Refused
    from scheduling.models import Execution, Task
    from scheduling.services import executions, tasks
    from scheduling.services.actor import Actor

    actor = Actor(source="command", reason="soak")
    long = Task(key="cancelled", name="cancelled", function="sleep", parameters={"seconds": 600}, max_concurrent=0,
                trigger="cron", trigger_params={"expression": "0 0 1 1 *"}, time_zone="UTC")  # fmt: skip
    long = tasks.create(long, actor=actor)
    for _ in range(
        NODES * (THREADS + 4)
    ):  # so that every seat's thread is there before the first reading counts
        tasks.run_now(long.pk, actor=actor)
    time.sleep(SAMPLE_SECONDS)
    while True:
        task = Task.objects.get(pk=random.choice(edited).pk)
        task.trigger_params = {"seconds": random.randint(1, 4)}
        tasks.edit(task, actor=actor)
        for id in Execution.objects.filter(task=long, state="running", cancel_requested_at=None).values_list(
            "pk", flat=True
        ):
            with contextlib.suppress(Refused):  # it has ended meanwhile
                executions.cancel(id, actor=actor)
        tasks.run_now(long.pk, actor=actor)
        yield


# --- the soak


@dataclass
class Soak:
    minutes: float
    folder: Path
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    readings: dict[tuple[str, str], Readings] = field(default_factory=dict)

    def start(self) -> None:
        environment = os.environ | {
            "JOBSITE_SCRATCH": str(self.folder),
            "JOBSITE_VAR": str(self.folder / "var"),
        }
        arguments = ("manage.py", "runapscheduler", "--threads", str(THREADS),
                     "--processes", str(PROCESSES), "--drain-seconds", "5")  # fmt: skip
        for number in range(NODES):
            self.nodes.append(
                subprocess.Popen(
                    [sys.executable, *arguments], cwd=contest.ROOT, env=environment, stdout=subprocess.DEVNULL,
                    stderr=(self.folder / f"node{number}.log").open("wb"),
                )
            )  # fmt: skip

    def run(self, edited: list[Any]) -> float:
        """Reads until the time is over; returns when the warm-up ended, in seconds since the beginning."""
        began = time.monotonic()
        work = disturb(edited)
        warm = max(LEAST_WARM_UP_SECONDS, self.minutes * 30)
        while (at := time.monotonic() - began) < self.minutes * 60:
            next(work)
            self._read(at)
            time.sleep(max(0.0, SAMPLE_SECONDS - (time.monotonic() - began - at)))
        return warm

    def _read(self, at: float) -> None:
        for number, node in enumerate(self.nodes):
            if node.poll() is not None:
                sys.exit(f"node {number} has ended with {node.returncode}:\n{self.said(number)[-4_000:]}")
            for name, value in read_node(node.pid).items():
                self._note(name, f"node {number}", at, value)
        count = connections()
        if count is not None:
            self._note("connections", "database", at, count)

    def _note(self, name: str, of: str, at: float, value: float) -> None:
        self.readings.setdefault((of, name), Readings(name, of)).add(at, value)

    def said(self, number: int) -> str:
        return (self.folder / f"node{number}.log").read_text(errors="replace")

    def stop(self) -> list[int]:
        for node in self.nodes:
            if node.poll() is None:
                node.send_signal(signal.SIGTERM)
        return [node.wait(60) for node in self.nodes]


def doctor(folder: Path) -> bool:
    """What ``manage.py doctor`` says, printed; whether it is content."""
    environment = os.environ | {"JOBSITE_VAR": str(folder / "var")}
    found = subprocess.run(
        [sys.executable, "manage.py", "doctor"], cwd=contest.ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    print(found.stdout + found.stderr, end="")
    return found.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5, help="how long, at least 2 (default 5)")
    parser.add_argument("--database", help="a database to wipe, as in DATABASE_URL, which is the default")
    options = parser.parse_args()
    if options.minutes < 2:
        parser.error("--minutes: at least 2, of which one is the warm-up")
    if options.database:
        os.environ["DATABASE_URL"] = options.database
    contest.set_up()
    from django.core.management import call_command
    from django.db import connection

    from scheduling.models import Execution

    call_command("flush", interactive=False, verbosity=0)
    print(f"{connection.vendor}: {NODES} nodes, {options.minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(options.minutes, Path(folder))
        try:
            edited = make_tasks(soak.folder)
            soak.start()
            warm = soak.run(edited)
            content = doctor(soak.folder)
        finally:
            codes = soak.stop()
        ended = Counter(Execution.objects.order_by().values_list("state", flat=True))
        lines = (soak.folder / "lines").read_text().splitlines()
        errors = [
            line for number in range(NODES) for line in soak.said(number).splitlines() if " ERROR " in line
        ]
    bad = [readings for readings in soak.readings.values() if readings.is_bad(warm)]
    for readings in soak.readings.values():
        print(readings.line(warm))
    print(f"  executions {dict(ended)}; exit codes {codes}; errors in the log: {len(errors)}")
    for line in errors[:10]:
        print(f"    {line[:300]}")
    twice = len(lines) - len(set(lines))
    if twice:
        print(f"BAD: {twice} runs happened twice")
    return int(bool(bad) or not content or any(codes) or bool(twice))


if __name__ == "__main__":
    sys.exit(main())
