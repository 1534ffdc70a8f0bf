"""Pain 6, P3: whatever statement or commit of a tick fails, the loop lives, nothing is lost, nothing runs twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.db import InterfaceError, connection
from pytest import MonkeyPatch

from scheduling.engine.scheduler import LONGEST_PAUSE_SECONDS
from scheduling.models import Execution, Task
from scheduling.services import tasks
from tests.conftest import TESTER
from tests.scheduling.engine.conftest import Database, HandNode, make_due, stored

Fault = Callable[[], AbstractContextManager[Database]]


class Work:
    """A tick's worth of everything: results to store, some due, some queued, some waiting for room."""

    def __init__(self, node: HandNode) -> None:
        self.node = node
        self.ran, self.single, self.free, *self.due = [
            stored(key, max_concurrent=limit)
            for key, limit in (("ran", 0), ("single", 1), ("free", 0), ("due-1", 1), ("due-2", 1))
        ]

    def lay_out(self) -> None:
        self._ask(self.ran, self.ran, self.single)
        self.node.tick()
        self.node.await_results(3)
        self._ask(self.single, self.free)  # the first waits for what has ended, but is not stored yet
        make_due(*self.due)

    def _ask(self, *wanted: Task) -> None:
        for task in wanted:
            tasks.run_now(task.pk, actor=TESTER)

    def assert_done(self, started: Counter[int]) -> None:
        rows = list(Execution.objects.values_list("pk", "task_key", "state", "attempt", "result"))
        assert Counter(key for _pk, key, *_ in rows) == {
            "ran": 2, "single": 2, "free": 1, "due-1": 1, "due-2": 1,
        }  # fmt: skip
        assert {(state, attempt, result == key) for _pk, key, state, attempt, result in rows} == {
            ("succeeded", 1, True)
        }
        assert started == Counter(pk for pk, *_ in rows), "a run was begun twice, or never"


def go_through(fault: Fault, node: HandNode, work: Work, started: Counter[int]) -> Database:
    """One tick with the fault, then healthy ones; all must be as if nothing had been."""
    Execution.objects.all().delete()
    started.clear()
    work.lay_out()
    node.new_keepers()
    with fault() as database:
        assert node.tick() <= LONGEST_PAUSE_SECONDS
    node.settle()
    work.assert_done(started)
    return database


def test_every_statement_of_a_tick_may_fail(
    node: HandNode, database: Database, started: Counter[int]
) -> None:
    work = Work(node)
    number = len(go_through(database.failing_at, node, work, started).statements)
    assert number > 15, "the tick does less than this test wants to break"
    for at in range(1, number + 1):
        go_through(lambda at=at: database.failing_at(at), node, work, started)  # type: ignore[misc]


@pytest.mark.parametrize("stored", [False, True], ids=["before it is stored", "after it is stored"])
def test_every_commit_of_a_tick_may_fail(
    node: HandNode, database: Database, started: Counter[int], stored: bool
) -> None:
    """Pain 27, and the lost answer to a commit: what the database has done is found out, not done again."""
    work = Work(node)
    number = go_through(lambda: database.failing_commit(None, stored=stored), node, work, started).commits
    assert number >= 3, "admission, exchange and sweep each commit"
    for at in range(1, number + 1):
        go_through(lambda at=at: database.failing_commit(at, stored=stored), node, work, started)  # type: ignore[misc]


def test_an_interface_error_of_the_driver_is_survived(node: HandNode, monkeypatch: MonkeyPatch) -> None:
    """Django's InterfaceError is no DatabaseError; drivers raise it for connections that are closed already."""

    def refuse() -> None:
        raise InterfaceError("connection already closed")

    with monkeypatch.context() as patch:
        patch.setattr(node.scheduler, "_tick", refuse)
        patch.setattr(connection, "close", refuse)
        assert node.tick() <= LONGEST_PAUSE_SECONDS
        assert node.state.trouble == "connection already closed"
    node.tick()
    assert node.state.trouble == ""


def test_a_fault_in_another_job_store_is_survived(node: HandNode, monkeypatch: MonkeyPatch) -> None:
    """Jobs that a project adds itself must not stop the tasks."""
    from apscheduler.schedulers.base import BaseScheduler

    def break_down(_self: BaseScheduler) -> float:
        raise RuntimeError("their store is broken")

    monkeypatch.setattr(BaseScheduler, "_process_jobs", break_down)
    assert node.tick() <= LONGEST_PAUSE_SECONDS
    execution = tasks.run_now(stored("task").pk, actor=TESTER)
    node.settle()
    assert Execution.objects.get(pk=execution.pk).state == "succeeded"
