"""Where the engine meets the database, step by step, and a way for its process to die at any of these steps.

Production code knows nothing of it: a test's own launcher (nursery.py) puts it into the scheduler processes that it
starts. A *step* is a statement or a commit, named by thread, by the functions that led to it, by the line, and by
what it does. Which steps there are is read from a run that records them, so a new statement is covered without
anybody having thought of it; a statement that goes past the hook fails test_every_statement_is_seen.py.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

#: As a shell reports a process that kill -9 has ended.
EXIT_CODE = 137
BEFORE, AFTER = "before", "after"

ENGINE = str(Path(__file__).resolve().parents[2] / "scheduling") + os.sep
#: Functions through which every statement goes: they tell nothing of where it comes from.
PASSED_BY = {
    "execute", "query", "in_transaction", "<lambda>", "work", "_main_loop", "_process_jobs", "_tick", "_keep",
    "run", "outcome", "_call", "_work", "_try", "handle", "main", "move", "insert_executions", "move_live_rows",
    "claim_executions", "finish_executions", "_serve", "_outcome", "_live", "_step",
}  # fmt: skip
THREADS = {
    "MainThread": "main",
    "APScheduler": "tick",
    "heart": "heart",
    "notices": "notices",
    "rush": "rush",
}
TABLE = re.compile(r"\b((?:scheduling|django_apscheduler|instances|auth|django)_\w+)")
VERB = re.compile(r":\d+ ([A-Z]+)")
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "WITH")


@dataclass(frozen=True, order=True)
class Point:
    """Before or after a step; the ``turn``-th time (from 1) that the process comes there.

    An empty step stands for any: then the process dies at its ``turn``-th one, whichever it is.
    """

    step: str = ""
    moment: str = BEFORE
    turn: int = 1

    @property
    def verb(self) -> str:
        """What the step does: SELECT, COMMIT, …"""
        return VERB.search(self.step).group(1)  # type: ignore[union-attr]

    def __str__(self) -> str:
        times = f", time {self.turn}" if self.turn > 1 else ""
        return f"{self.moment} {self.step or 'some step'}{times}"


Notice = Callable[[str, str], None]


def install(notice: Notice) -> None:
    """From now on ``notice`` is called, in its own thread, before and after each step of this process."""

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        step = name_of(sql)
        notice(step, BEFORE)
        result = execute(sql, params, many, context)
        # Within a transaction the next step's "before" is this one's "after".
        if not context["connection"].in_atomic_block and sql.lstrip().upper().startswith(WRITES):
            notice(step, AFTER)
        return result

    def watch(connection: BaseDatabaseWrapper, **_more: Any) -> None:
        if connection.alias == DEFAULT_DB_ALIAS and wrapper not in connection.execute_wrappers:
            connection.execute_wrappers.append(wrapper)

    commit = BaseDatabaseWrapper._commit

    def committing(connection: BaseDatabaseWrapper) -> None:
        if connection.alias != DEFAULT_DB_ALIAS:
            commit(connection)
            return
        step = name_of("COMMIT")
        notice(step, BEFORE)
        commit(connection)
        notice(step, AFTER)

    BaseDatabaseWrapper._commit = committing  # type: ignore[method-assign]
    connection_created.connect(watch, weak=False)


def record_to(file: Path) -> None:
    """Writes each step that this process comes by into the file, one a line.

    And, into another, what the database's driver is given, where the driver tells it (SQLite).
    """
    steps, sent = (_appending(path) for path in (file, _driver_file(file)))

    def notice(step: str, moment: str) -> None:
        os.write(steps, f"{moment} {step}\n".encode())

    def listen(connection: BaseDatabaseWrapper, **_more: Any) -> None:
        if connection.vendor == "sqlite":
            connection.connection.set_trace_callback(
                lambda sql: os.write(sent, f"{sql.split(None, 1)[0].upper()}\n".encode())
            )

    install(notice)
    connection_created.connect(listen, weak=False)


def _appending(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _driver_file(file: Path) -> Path:
    return file.with_suffix(".driver")


def die_at(point: Point) -> None:
    """Ends this process at that point, without a word to anybody: nothing is flushed, closed or rolled back."""
    lock = threading.Lock()
    came = 0

    def notice(step: str, moment: str) -> None:
        nonlocal came
        if point.step and (step, moment) != (point.step, point.moment):
            return
        with lock:
            came += 1
            if came == point.turn:
                os._exit(EXIT_CODE)

    install(notice)


def read_steps(file: Path) -> Counter[Point]:
    """What a recording process came by: each point (of turn 1), and how often."""
    lines = file.read_text().splitlines()
    return Counter(Point(step, moment) for moment, _, step in (line.partition(" ") for line in lines))


def read_driver(file: Path) -> Counter[str]:
    """How many statements of each kind the driver of that process was given."""
    return Counter(_driver_file(file).read_text().split())


def name_of(sql: str) -> str:
    """The name of the step that the caller is at."""
    words = sql.split(None, 1)
    table = TABLE.search(sql)
    what = words[0].upper() + (f" {table.group(1)}" if table else "")
    return f"{_thread()}: {_way()} {what}"


def _thread() -> str:
    return THREADS.get(threading.current_thread().name, "run")


def _way() -> str:
    """The engine's functions on the stack, the outermost first, and the line of the innermost."""
    names: list[str] = []
    line = 0
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(ENGINE) and code.co_name not in PASSED_BY:
            line = line or frame.f_lineno
            name = code.co_qualname.replace(".<locals>", "")
            if not names or names[-1] != name:
                names.append(name)
        frame = frame.f_back
    return " > ".join(reversed(names)) + f":{line}"
