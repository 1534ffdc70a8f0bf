"""The tick, called by hand: it never raises, loses nothing, and begins what a lost answer has claimed (pains 6, 27)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

from scheduling import clock
from scheduling.engine import scheduler
from scheduling.engine.jobstore import TaskJobStore
from scheduling.executors import RunOrder
from scheduling.executors.thread import ThreadExecutor
from scheduling.models import Execution, Node, Task
from scheduling.services import admission, claims, executions, liverows, nodes, tasks
from tests.conftest import TESTER, await_, new_task
from tests.scheduling.tick.conftest import HandTicked


def ended() -> bool:
    return not Execution.objects.exclude(state__in=("succeeded", "failed", "missed")).exists()


def ask(
    function: str = "noop", parameters: dict[str, Any] | None = None, key: str = "task", **values: Any
) -> Execution:
    far = {"trigger": "cron", "trigger_params": {"expression": "0 0 1 1 *"}}
    task = tasks.create(
        new_task(key, function=function, parameters=parameters or {}, **far | values), actor=TESTER
    )
    return tasks.run_now(task.pk, actor=TESTER)


def due(key: str, **values: Any) -> Task:
    """A task that has been due for a moment."""
    from django_apscheduler.models import DjangoJob

    task = tasks.create(
        new_task(key, trigger="interval", trigger_params={"hours": 1}, **values), actor=TESTER
    )
    DjangoJob.objects.filter(pk=str(task.pk)).update(next_run_time=clock.refresh())
    return task


def test_due_becomes_run_becomes_row(node: HandTicked) -> None:
    task = due("due")
    node.tick_until(lambda: Execution.objects.filter(task=task, state="succeeded").exists())
    assert Execution.objects.count() == 1


def test_nothing_is_claimed_before_it_was_queued(node: HandTicked, monkeypatch: pytest.MonkeyPatch) -> None:
    task = due("due")
    admit = admission.admit_due
    with clock.use(clock.SettableClock(clock.refresh())) as stands:

        def a_second_later(_now: datetime, **more: Any) -> Any:
            return admit(stands.move(seconds=1), **more)

        monkeypatch.setattr(admission, "admit_due", a_second_later)
        node.tick()
        row = Execution.objects.get(task=task)
        assert (row.queued_at, row.started_at) == (stands.at, stands.at)
        node.tick_until(ended)


class Counting(ThreadExecutor):
    """A third party's: its runs take place in threads of its own, and it counts them."""

    counted = 0

    def submit(self, order: RunOrder) -> None:
        type(self).counted += 1
        super().submit(order)


def test_a_third_partys_executor_runs_by_the_same_rules(node: HandTicked, settings: Any) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"executors": {"counting": f"{__name__}.Counting"}}
    good = ask("echo", {"values": [1]}, "good", executor="counting")
    bad = ask("fail", {"message": "no"}, "bad", executor="counting", retries=1, retry_delay_seconds=0)
    node.tick_until(lambda: _ended(good) and _ended(bad))
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.state, good.result, good.executor) == ("succeeded", [1], "counting")
    assert (bad.state, bad.attempt) == ("failed", 2)
    assert Counting.counted == 3


@pytest.fixture
def one_seat(transactional_db: None) -> Iterator[HandTicked]:
    made = HandTicked(seats=1)
    yield made
    made.close()


def ask_often(number: int, **values: Any) -> QuerySet[Execution]:
    """So many runs of one task, queued."""
    first = ask(key="many", max_concurrent=0, **values)
    for _another in range(number - 1):
        tasks.run_now(first.task_id, actor=TESTER)
    return Execution.objects.filter(task_id=first.task_id)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """What each look for what is queued was asked for: one is believed for ever, as long as claims are filled."""
    asked: list[dict[str, int]] = []
    look = claims.queued_for

    def counting(queues: Any, free: Any, **more: Any) -> dict[str, int]:
        asked.append(dict(free))
        return look(queues, free, **more)

    monkeypatch.setattr(claims, "queued_for", counting)
    monkeypatch.setattr(scheduler, "LOOK_SECONDS", 3600.0)
    return asked


def test_while_claims_are_filled_nobody_asks_what_is_queued(
    one_seat: HandTicked, looks: list[dict[str, int]]
) -> None:
    many = ask_often(40)
    one_seat.tick_until(lambda: many.filter(state="succeeded").count() >= 10)
    assert len([free for free in looks if free.get("thread")]) == 1, looks


def test_while_claims_are_filled_nobody_asks_what_comes_due(
    one_seat: HandTicked, looks: list[dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = ask_often(40)
    asked: list[datetime | None] = []
    earliest = liverows.earliest

    def counting(strangers: Any) -> datetime | None:
        asked.append(earliest(strangers))
        return asked[-1]

    monkeypatch.setattr(liverows, "earliest", counting)
    one_seat.tick_until(lambda: many.filter(state="succeeded").count() >= 10)
    assert 0 < len(asked) < 5


def test_what_was_known_to_come_due_is_admitted_while_claims_are_filled(
    one_seat: HandTicked, looks: list[dict[str, int]]
) -> None:
    many = ask_often(200)
    soon = tasks.create(new_task("soon", trigger="interval", trigger_params={"hours": 1}), actor=TESTER)
    liverows.move({soon.pk: clock.refresh() + timedelta(seconds=0.1)})
    one_seat.tick_until(lambda: Execution.objects.filter(task=soon).exists())
    assert many.filter(state="queued").exists()


def test_a_node_without_seats_admits_what_comes_due(one_seat: HandTicked) -> None:
    """A seat that is not free is no answer to whether something comes due (P7)."""
    many = ask_often(3, function="sleep", parameters={"seconds": 600})
    one_seat.tick_until(lambda: many.filter(state="running").exists())
    for key in ("first", "second"):
        task = due(key)
        one_seat.tick_until(lambda task=task: Execution.objects.filter(task=task).exists(), 5)  # type: ignore[misc]
    assert many.filter(state="queued").count() == 2


def test_what_comes_back_to_its_place_is_claimed_while_claims_are_filled(
    one_seat: HandTicked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There (MariaDB) a claim goes on from where the last one ended; a look begins anew."""
    monkeypatch.setattr(scheduler, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr("scheduling.sql.steps_over_claimed", lambda: True)
    seen: list[bool] = []
    claim = claims.claim

    def noting(*values: Any) -> Any:
        seen.append(bool(values[-1]))
        return claim(*values)

    monkeypatch.setattr(claims, "claim", noting)
    many = ask_often(300)
    one_seat.tick_until(lambda: many.filter(state="succeeded").count() >= 5)
    first = many.order_by("id")[0].pk
    Execution.objects.filter(pk=first).update(state="queued", finished_at=None)
    one_seat.tick_until(lambda: Execution.objects.filter(pk=first, state="succeeded").exists())
    assert many.filter(state="queued").exists()
    assert set(seen) == {False, True}


class Freeing(ThreadExecutor):
    """One more of its seats is free at each look."""

    seats = 8

    @property
    def free_seats(self) -> int:
        self.seats = min(self.seats + 1, 8)
        return self.seats

    def submit(self, order: RunOrder) -> None:
        self.seats -= 1
        super().submit(order)


def test_a_claim_waits_a_moment_for_more_seats(
    node: HandTicked, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"executors": {"freeing": f"{__name__}.Freeing"}}
    monkeypatch.setattr(scheduler, "LOOK_SECONDS", 3600.0)
    monkeypatch.setattr(scheduler, "GATHER_SECONDS", 3600.0)
    many = ask_often(40, executor="freeing")
    taken: list[int] = []
    claim = claims.claim

    def noting(*values: Any) -> Any:
        found = claim(*values)
        taken.append(len(found))
        return found

    monkeypatch.setattr(claims, "claim", noting)
    node.tick_until(lambda: not many.exclude(state="succeeded").exists())
    full = [number for number in taken if number][:-1]  # the last one takes what is left
    assert min(full) >= 4, taken


def test_a_claim_that_was_not_filled_is_followed_by_a_look(
    node: HandTicked, looks: list[dict[str, int]], settings: Any
) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"executors": {"counting": f"{__name__}.Counting"}}
    ask_often(3)
    node.tick_until(ended)
    late = ask(key="late", executor="counting")
    node.tick_until(lambda: _ended(late))
    assert looks


class AtOnce(ThreadExecutor):
    """Its seats are always free: a run has ended when it has been handed over."""

    def submit(self, order: RunOrder) -> None:
        super().submit(order)
        await_(lambda: order not in self.running())


def test_what_is_plenty_for_one_executor_keeps_no_other_waiting(one_seat: HandTicked, settings: Any) -> None:
    more = {"at_once": f"{__name__}.AtOnce", "counting": f"{__name__}.Counting"}
    settings.SCHEDULER = settings.SCHEDULER | {"executors": more}
    many = ask_often(200, executor="at_once")
    one_seat.tick_until(lambda: many.filter(state="succeeded").count() >= 2)
    other = ask("echo", {"values": [1]}, "other", executor="counting")
    one_seat.tick_until(lambda: _ended(other))
    assert many.filter(state="queued").exists()


def _ended(execution: Execution) -> bool:
    return Execution.objects.filter(pk=execution.pk, finished_at__isnull=False).exists()


@contextmanager
def lost_answer() -> Any:
    """The next commit happens, but its answer does not arrive."""
    commit = connection._commit

    def lost() -> None:
        commit()
        connection._commit = commit  # type: ignore[method-assign]
        raise OperationalError(2013, "Lost connection to server during query")

    connection._commit = lost  # type: ignore[method-assign]
    try:
        yield
    finally:
        connection._commit = commit  # type: ignore[method-assign]


def test_a_claim_whose_answer_was_lost_is_read_back_and_runs_once(node: HandTicked) -> None:
    ask()
    with lost_answer():
        node.tick()
    assert Execution.objects.get().state == "running"
    node.tick_until(ended)
    row = Execution.objects.get()
    assert (row.state, row.attempt) == ("succeeded", 1)


def test_results_whose_answer_was_lost_are_not_stored_twice(node: HandTicked) -> None:
    first = ask()
    node.tick_until(lambda: len(node.state.recorder))
    with lost_answer():
        node.tick()
    assert Execution.objects.get(pk=first.pk).state == "succeeded"
    node.tick_until(lambda: not len(node.state.recorder))
    assert not Execution.objects.exclude(state="succeeded").exists()


def test_a_result_the_database_refuses_does_not_take_the_others_with_it(
    node: HandTicked, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scheduling import sql

    executed = sql.finish_executions
    bad = ask("echo", {"values": "poison"}, key="bad")
    good = [ask("echo", {"values": "fine"}, key=f"good-{index}") for index in range(5)]

    def finish(rows: list[Any]) -> set[int]:
        if any(row["result"] and "poison" in row["result"] for row in rows):
            raise connection.Database.DataError("refused")  # type: ignore[attr-defined]
        return executed(rows)

    from django.db import DataError

    def wrapped(rows: list[Any]) -> set[int]:
        try:
            return finish(rows)
        except connection.Database.DataError as error:  # type: ignore[attr-defined]
            raise DataError(*error.args) from error

    monkeypatch.setattr(sql, "finish_executions", wrapped)
    node.tick_until(lambda: node.state.runs.running() == {} and len(node.state.recorder) == 0 and _ended(bad))
    node.tick_until(ended)
    assert set(Execution.objects.filter(pk__in=[row.pk for row in good]).values_list("state", flat=True)) == {
        "succeeded"
    }
    row = Execution.objects.get(pk=bad.pk)
    assert (row.state, row.reason) == ("failed", "result_unstorable")


def test_a_busy_database_is_not_a_bad_value(node: HandTicked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that outlasts the repetitions: the results wait, none becomes unstorable."""
    from scheduling import sql
    from scheduling.sql import transactions

    busy = {"sqlite": "database is locked", "postgresql": "x", "mysql": "x"}[connection.vendor]
    monkeypatch.setattr(transactions, "TRIES", 1)
    monkeypatch.setattr("scheduling.engine.scheduler.classify", lambda error: transactions.Fault.REPEAT)
    monkeypatch.setattr("scheduling.engine.recorder.classify", lambda error: transactions.Fault.REPEAT)
    ask()
    node.tick_until(lambda: len(node.state.recorder))
    finish = sql.finish_executions

    def refuse(rows: list[Any]) -> set[int]:
        raise OperationalError(busy)

    monkeypatch.setattr(sql, "finish_executions", refuse)
    node.tick()
    node.tick()
    assert len(node.state.recorder) == 1
    monkeypatch.setattr(sql, "finish_executions", finish)
    node.tick_until(ended)
    assert Execution.objects.get().state == "succeeded"


def test_a_dead_node_stops(node: HandTicked) -> None:
    nodes.declare_dead(node.node_id, 0, clock.now())
    ask()
    node.tick()
    assert node.died
    assert Execution.objects.get().state == "queued"


def test_a_row_that_was_never_begun_is_queued_again(node: HandTicked) -> None:
    """Only after two looks, so that nothing that is on its way is taken for it."""
    execution = ask()
    Execution.objects.filter(pk=execution.pk).update(
        state="running", node=Node.objects.get(), started_at=clock.now(), attempt=1
    )
    node.tick_until(ended)
    row = Execution.objects.get()
    assert (row.state, row.attempt) == ("succeeded", 2)


def test_a_run_without_its_row_is_told_that_it_is_lost(node: HandTicked) -> None:
    """P2: somebody else has taken the execution away."""
    execution = ask("sleep", {"seconds": 600})
    node.tick_until(lambda: node.state.runs.running())
    Execution.objects.filter(pk=execution.pk).update(
        state="lost", reason="node_died", finished_at=clock.now()
    )
    node.tick_until(lambda: not node.state.runs.running())
    assert Execution.objects.get().state == "lost"


def test_cancel_progress_and_overdue(node: HandTicked) -> None:
    cancelled = ask("sleep", {"seconds": 600}, key="cancelled")
    late = ask("sleep", {"seconds": 600}, key="late", timeout_seconds=1)
    node.tick_until(lambda: len(node.state.runs.running()) == 2)
    executions.cancel(cancelled.pk, actor=TESTER)
    node.tick_until(lambda: not node.state.runs.running() and not len(node.state.recorder))
    rows = dict(Execution.objects.values_list("task_key", "state"))
    assert rows == {"cancelled": "cancelled", "late": "timed_out"}
    assert late.pk


def test_listeners_hear_of_what_ended_by_the_tasks_key(node: HandTicked) -> None:
    heard: list[tuple[int, str]] = []
    node.scheduler.add_listener(
        lambda event: heard.append((event.code, event.job_id)),
        EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED,
    )
    ask(key="good")
    ask("fail", {"message": "no"}, key="bad")
    node.tick_until(ended)
    assert sorted(heard) == sorted([(EVENT_JOB_EXECUTED, "good"), (EVENT_JOB_ERROR, "bad")])


def test_the_live_rows_store_is_nobody_elses_to_use(transactional_db: None) -> None:
    store = TaskJobStore()
    assert (store.get_due_jobs(clock.now()), store.get_next_run_time(), store.get_all_jobs()) == (
        [],
        None,
        [],
    )
    with pytest.raises(TypeError, match="services"):
        store.add_job(None)


def test_a_job_in_a_store_that_a_project_adds_still_runs(node: HandTicked) -> None:
    ran: list[int] = []
    node.scheduler.start(paused=True)
    try:
        node.scheduler.add_job(ran.append, "date", args=(1,))
        node.scheduler.state = 1
        node.tick_until(lambda: ran == [1])
    finally:
        node.scheduler.shutdown(wait=False)


def test_the_web_process_starts_no_scheduler() -> None:
    """Pain 1."""
    import threading

    from django.urls import resolve

    assert resolve("/admin/")
    assert not [thread for thread in threading.enumerate() if thread.name in ("APScheduler", "heart")]


def test_an_outer_transaction_is_not_repeated(transactional_db: None) -> None:
    from scheduling.sql.transactions import in_transaction

    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        raise OperationalError("database is locked")

    with pytest.raises(OperationalError), transaction.atomic():
        in_transaction(work)
    assert calls == [1]
