"""A node that is ticked by hand, on a real database, whose statements and commits can be made to fail."""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from pytest import MonkeyPatch

from scheduling import clock
from scheduling.engine import runs as runs_module
from scheduling.engine.keepers import keepers
from scheduling.engine.recorder import Recorder
from scheduling.engine.runs import Runs
from scheduling.engine.scheduler import TaskScheduler
from scheduling.engine.state import NodeState
from scheduling.executors import Outcome, RunOrder
from scheduling.models import ACTIVE, Execution, Node, Task
from scheduling.services import liverows, nodes, tasks
from tests.conftest import TESTER, await_, new_task

#: A schedule that never comes due within a test.
YEARLY = {"trigger": "cron", "trigger_params": {"expression": "0 0 1 1 *"}}


class HandNode:
    """One node without threads of its own but those of its runs: ``tick()`` is one tick, here and now."""

    def __init__(self, seats: int = 16) -> None:
        now = clock.refresh()
        self.id: uuid.UUID = nodes.register(
            now, queues=["default"], functions=[], seats={"thread": seats}, lease_seconds=15
        ).pk
        nodes.set_state(self.id, Node.State.ACTIVE, now)
        self.recorder = Recorder()
        self.runs = Runs(self.id, seats, self.recorder, ended=lambda: None)
        self.state = NodeState(self.id, ["default"], 0.25, self.runs, self.recorder)
        self.deaths = 0
        self.scheduler = TaskScheduler(self.state, died=self._died)

    def _died(self) -> None:
        self.deaths += 1

    def tick(self) -> float:
        """One tick in which every housekeeper has its turn."""
        self.scheduler._keepers = [(keeper, 0.0) for keeper, _due in self.scheduler._keepers]
        return self.scheduler._process_jobs()

    def await_results(self, number: int) -> None:
        """Until that many runs have ended and their results wait to be stored."""
        await_(lambda: len(self.recorder) >= number and not self.runs.running(), what=f"{number} results")

    def tick_until(self, done: Callable[[], Any], what: str = "") -> None:
        def step() -> Any:
            self.tick()
            return done()

        await_(step, 30, what)

    def settle(self) -> None:
        """Ticks until nothing waits, is queued or runs, and no result is left to store."""
        self.tick_until(
            lambda: not len(self.recorder) and not Execution.objects.filter(state__in=ACTIVE).exists(),
            "everything ends",
        )

    def new_keepers(self) -> None:
        """As after a restart: the housekeepers remember nothing."""
        self.scheduler._keepers = [(keeper, 0.0) for keeper in keepers()]


@pytest.fixture
def node(transactional_db: None) -> Iterator[HandNode]:
    made = HandNode()
    yield made
    for key in made.runs.running():
        made.runs.cancel(key, "lost")
    made.runs.shutdown(5)


@pytest.fixture
def started(monkeypatch: MonkeyPatch) -> Counter[int]:
    """How often each execution's function was begun, by any node ticked by hand."""
    counts: Counter[int] = Counter()
    run = runs_module.run

    def counting(order: RunOrder) -> Outcome:
        counts[order.execution_id] += 1
        return run(order)

    monkeypatch.setattr(runs_module, "run", counting)
    return counts


def stored(key: str, function: str = "echo", **values: Any) -> Task:
    """A task that comes due only when it is told to."""
    if function == "echo":
        values.setdefault("parameters", {"values": key})
    return tasks.create(new_task(key, function=function, **YEARLY | values), actor=TESTER)


def make_due(*made: Task) -> None:
    """Their next time is now."""
    liverows.move(dict.fromkeys([task.pk for task in made], clock.refresh()))


class Database:
    """The tests' own connection, and ways to lose it. PostgreSQL and MariaDB: the server really ends the session."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.commits = 0

    def lose(self) -> None:
        """Ends the connection's session, as a restart of the server would."""
        raw = connection.connection
        if connection.vendor == "sqlite" or raw is None:
            return
        other = connection.copy()
        with contextlib.closing(other), other.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT pg_terminate_backend(%s)", [raw.get_backend_pid()])
            else:
                cursor.execute(f"KILL {raw.thread_id()}")

    @contextlib.contextmanager
    def failing_at(self, number: int | None = None) -> Iterator[Database]:
        """Within the block the statement of that number (from 1) fails, once; all are noted in ``statements``."""
        from django.db import OperationalError

        self.statements.clear()

        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            self.statements.append(sql)
            if len(self.statements) == number:
                if connection.vendor == "sqlite":
                    raise OperationalError("disk I/O error")
                self.lose()
            return execute(sql, params, many, context)

        with connection.execute_wrapper(wrapper):
            yield self

    @contextlib.contextmanager
    def failing_commit(self, number: int | None, *, stored: bool) -> Iterator[Database]:
        """Within the block the commit of that number (from 1) fails, once.

        ``stored``: the database has carried it out, only its answer is lost.
        """
        from django.db import OperationalError

        self.commits = 0
        commit = connection._commit

        def failing() -> None:
            self.commits += 1
            if self.commits != number:
                commit()
                return
            if stored:
                commit()
            elif connection.vendor == "sqlite":
                connection._rollback()
            self.lose()
            raise OperationalError(*_gone())

        connection._commit = failing
        try:
            yield self
        finally:
            del connection._commit


def _gone() -> tuple[Any, ...]:
    """What the driver says when the server has gone in the midst of a statement."""
    words = {"sqlite": ("disk I/O error",), "mysql": (2013, "Lost connection to server during query")}
    return words.get(connection.vendor, ("server closed the connection unexpectedly",))


@pytest.fixture
def database() -> Database:
    return Database()
