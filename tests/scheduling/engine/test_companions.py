"""What is done beside the tick, on threads and connections of its own: admission in a rush, and the storing of results.

A database with one writer at a time (SQLite) has neither: the tick does both, which its own tests show.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest import MonkeyPatch

from scheduling.context import current_run
from scheduling.engine import rush as rush_module
from scheduling.engine import scheduler as scheduler_module
from scheduling.models import Execution, ExecutionLog, Task
from scheduling.registry import task
from scheduling.services import admission, results, tasks
from tests.conftest import TESTER, await_, new_task
from tests.scheduling.engine.conftest import YEARLY, HandNode, make_due, stored

#: Rows that the tick takes, those of a batch of the rush, and what is due: more than both.
FIRST, BATCH, DUE = 2, 3, 6


@pytest.fixture
def _server(transactional_db: None) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite takes one writer at a time")


@pytest.fixture
def node(node: HandNode, monkeypatch: MonkeyPatch) -> Iterator[HandNode]:
    """No thread of it outlives the test: it would keep the database from being removed."""
    monkeypatch.setattr(scheduler_module, "FIRST_ROWS", FIRST)
    monkeypatch.setattr(admission, "BATCH", BATCH)
    yield node
    node.scheduler._rush.stop()
    node.scheduler._recording.stop()


@pytest.fixture
def beside(_server: None, node: HandNode) -> HandNode:
    """A node whose results are stored beside the tick, as in a process of its own."""
    node.scheduler._recording.start()
    return node


@task("Say a word")
def say_a_word(word: str) -> str:
    current_run().log(word)
    return word


def many_due() -> None:
    made = [new_task(f"due-{number}", function="noop", **YEARLY) for number in range(DUE)]
    with transaction.atomic():
        make_due(*[tasks.create(each, actor=TESTER) for each in made])


def go_on(node: HandNode) -> None:
    """Ticks until each of those that were due has ended, and every result is stored."""
    node.tick_until(
        lambda: Execution.objects.filter(finished_at__isnull=False).count() >= DUE, "all have ended"
    )
    node.settle()


class Trouble:
    """Statements and commits of the thread of that name, counted; the ``at``-th, from 1, fails once.

    ``after``: commits alone, and only the answer is lost.
    """

    def __init__(self, thread: str, at: int | None = None, *, after: bool = False) -> None:
        self._thread, self._at, self._after = thread, at, after
        self.steps = 0

    def __enter__(self) -> Trouble:
        self._execute, self._commit = BaseDatabaseWrapper.make_cursor, BaseDatabaseWrapper._commit
        trouble = self

        def commit(wrapper: BaseDatabaseWrapper) -> None:
            fails = trouble._comes()
            if not fails or trouble._after:
                trouble._commit(wrapper)
            if fails:
                trouble._lose(wrapper)

        def cursor(wrapper: BaseDatabaseWrapper, cursor: Any) -> Any:
            if not trouble._after and trouble._comes():
                trouble._lose(wrapper)
            return trouble._execute(wrapper, cursor)

        BaseDatabaseWrapper._commit = commit  # type: ignore[method-assign]
        BaseDatabaseWrapper.make_cursor = cursor  # type: ignore[method-assign]
        return self

    def __exit__(self, *_error: object) -> None:
        BaseDatabaseWrapper._commit = self._commit  # type: ignore[method-assign]
        BaseDatabaseWrapper.make_cursor = self._execute  # type: ignore[method-assign]

    def _comes(self) -> bool:
        if threading.current_thread().name != self._thread:
            return False
        self.steps += 1
        return self.steps == self._at

    def _lose(self, wrapper: BaseDatabaseWrapper) -> None:
        """As a server that goes: the connection is of no use any more, and the driver says so."""
        with contextlib.suppress(Exception):
            wrapper.connection.close()
        number = (2013,) if connection.vendor == "mysql" else ()
        raise OperationalError(*number, "server closed the connection unexpectedly")


@pytest.mark.usefixtures("_server")
def test_a_rush_is_admitted_beside_the_tick(node: HandNode) -> None:
    """P1: the tick takes the first, and each of the others becomes one row without it."""
    many_due()
    node.tick()
    await_(lambda: Execution.objects.count() == DUE, what="all are admitted without another tick")
    node.settle()
    assert set(Execution.objects.values_list("state", "attempt")) == {("succeeded", 1)}
    assert Execution.objects.values("task_id").distinct().count() == DUE


@pytest.mark.usefixtures("_server")
def test_a_rush_does_not_run_away_from_a_tick_that_stands_still(
    node: HandNode, monkeypatch: MonkeyPatch
) -> None:
    """What it has done is kept until the tick asks for it: so it is over after so many batches, and begins again."""
    monkeypatch.setattr(rush_module, "MOST_UNTOLD", 1)
    many_due()
    node.tick()
    await_(lambda: not node.scheduler._rush.at_work, what="it is over")
    assert Execution.objects.count() == FIRST + BATCH
    go_on(node)
    assert Execution.objects.filter(state="succeeded").count() == DUE


@pytest.mark.usefixtures("_server")
@pytest.mark.parametrize("after", [False, True], ids=["lost before", "its answer lost"])
def test_every_step_of_a_rush_may_fail(node: HandNode, started: Counter[int], after: bool) -> None:
    """P1, P3: the tick says so and goes on by itself; nothing is lost, nothing is admitted twice."""
    many_due()
    with Trouble("rush", after=after) as undisturbed:
        go_on(node)
    assert undisturbed.steps >= (2 if after else 10)
    for at in range(1, undisturbed.steps + 1):
        Execution.objects.all().delete()
        started.clear()
        make_due(*Task.objects.all())
        with Trouble("rush", at, after=after):
            go_on(node)
        assert Execution.objects.count() == DUE, f"step {at}"
        assert set(Execution.objects.values_list("state", "attempt")) == {("succeeded", 1)}
        assert set(started.values()) == {1}


@pytest.mark.usefixtures("_server")
def test_what_goes_wrong_in_a_rush_is_the_nodes_trouble(node: HandNode, monkeypatch: MonkeyPatch) -> None:
    """Whatever it is: the tick tells it, and admits again."""
    many_due()
    admit_due = admission.admit_due

    def admit(*args: Any, **values: Any) -> admission.Admitted:
        if threading.current_thread().name == "rush":
            raise RuntimeError("the rush broke down")
        return admit_due(*args, **values)

    with monkeypatch.context() as patch:
        patch.setattr(admission, "admit_due", admit)
        node.tick_until(lambda: node.state.trouble == "the rush broke down", "it is told")
    go_on(node)
    assert node.state.trouble == ""
    assert Execution.objects.filter(state="succeeded").count() == DUE


def test_results_are_stored_without_a_tick(beside: HandNode) -> None:
    """And what the run has said with them."""
    said = stored("says", function="say_a_word", parameters={"word": "hello"})
    execution = tasks.run_now(said.pk, actor=TESTER)
    beside.tick()
    await_(lambda: Execution.objects.get(pk=execution.pk).state == "succeeded", what="it is stored")
    assert "hello" in "".join(ExecutionLog.objects.values_list("text", flat=True))
    assert not len(beside.recorder)


@pytest.fixture
def storing(monkeypatch: MonkeyPatch) -> Iterator[threading.Event]:
    """Results are not stored before it is set."""
    allowed = threading.Event()
    record = results.record

    def held_up(*args: Any) -> results.Recorded:
        allowed.wait(30)
        return record(*args)

    monkeypatch.setattr(results, "record", held_up)
    yield allowed
    allowed.set()


def test_claims_do_not_wait_for_results(beside: HandNode, storing: threading.Event) -> None:
    first = tasks.run_now(stored("first").pk, actor=TESTER)
    beside.tick()
    beside.await_results(1)
    other = tasks.run_now(stored("other").pk, actor=TESTER)
    beside.tick()
    beside.await_results(2)
    assert set(Execution.objects.values_list("pk", "state")) == {(first.pk, "running"), (other.pk, "running")}
    storing.set()
    beside.settle()
    assert set(Execution.objects.values_list("state", "attempt")) == {("succeeded", 1)}


def test_no_more_is_begun_than_can_be_stored(beside: HandNode, storing: threading.Event) -> None:
    """What a crash leaves in doubt stays bounded: with as many unstored results as seats nothing more is claimed."""
    seats = beside.runs.seats_of("thread")
    busy = stored("busy", function="noop", max_concurrent=0)
    for _ in range(seats * 4):
        tasks.run_now(busy.pk, actor=TESTER)
    beside.tick_until(lambda: len(beside.recorder) >= seats and not beside.runs.running(), "seats are taken")
    for _ in range(5):
        beside.tick()
    begun = Execution.objects.exclude(state="queued").count()
    assert seats <= begun <= 2 * seats
    storing.set()
    beside.settle()
    assert Execution.objects.filter(state="succeeded").count() == seats * 4


@pytest.mark.parametrize("after", [False, True], ids=["lost before", "its answer lost"])
def test_every_step_of_storing_may_fail(beside: HandNode, started: Counter[int], after: bool) -> None:
    """P2, P4: a result waits until the database has taken it, however often; none is stored twice or lost."""
    says = stored("says", function="say_a_word", parameters={"word": "once"}, max_concurrent=0)

    def go(at: int | None) -> int:
        Execution.objects.all().delete()
        ExecutionLog.objects.all().delete()
        started.clear()
        with Trouble("recording", at, after=after) as trouble:
            for _ in range(3):
                tasks.run_now(says.pk, actor=TESTER)
            beside.settle()
        rows = set(Execution.objects.values_list("state", "attempt", "result"))
        assert rows == {("succeeded", 1, "once")}, f"step {at}"
        assert sorted(started.values()) == [1, 1, 1]
        texts = list(ExecutionLog.objects.values_list("text", flat=True))
        assert sum(text.count("once") for text in texts) == 3, f"step {at}"
        return trouble.steps

    number = go(None)
    assert number >= (1 if after else 5)
    for at in range(1, number + 1):
        go(at)
