"""The thread executor: every order comes back once, whatever its run does."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from scheduling import context
from scheduling.context import RunContext, entered
from scheduling.exceptions import ExecutorClosed
from scheduling.executors.base import Outcome, RunOrder
from scheduling.executors.thread import ThreadExecutor
from scheduling.runlog import RunLog
from tests.scheduling.executors.orders import AT, Returned, new_order

OK = Outcome("succeeded")


def order(number: int = 1, deadline_at: datetime | None = None) -> RunOrder:
    return new_order(number, executor="thread", deadline_at=deadline_at)


@pytest.fixture
def returned() -> Returned:
    return Returned()


@pytest.fixture
def started(returned: Returned) -> Iterator[Callable[..., ThreadExecutor]]:
    made: list[ThreadExecutor] = []

    def make(run: Callable[[RunOrder], Outcome], seats: int = 4, **options: Any) -> ThreadExecutor:
        executor = ThreadExecutor(seats, **options)
        executor.start(run, returned)
        made.append(executor)
        return executor

    yield make
    for executor in made:
        executor.shutdown(5)


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_each_order_comes_back_once_with_its_outcome(started: Any, returned: Returned) -> None:
    executor = started(lambda order: Outcome("succeeded", detail=str(order.execution_id)), seats=8)
    for number in range(2_000):
        executor.submit(order(number))
    outcomes = returned.wait(2_000)
    assert Counter(number for number, _ in outcomes) == Counter(range(2_000))
    assert all(outcome.detail == str(number) for number, outcome in outcomes)
    wait_until(lambda: executor.running() == ())
    assert executor.free_seats == 8


def test_threads_are_made_on_demand_up_to_the_seats_and_used_again(started: Any, returned: Returned) -> None:
    gate = threading.Event()
    executor = started(lambda order: gate.wait() and OK, seats=3)
    assert len(executor._threads) == 0
    for number in range(3):
        executor.submit(order(number))
        assert (len(executor._threads), executor.free_seats) == (number + 1, 2 - number)
    executor.submit(order(3))  # beyond the seats it waits
    assert (len(executor._threads), executor.free_seats, len(executor.running())) == (3, 0, 4)
    gate.set()
    returned.wait(4)
    for number in range(4, 20):
        executor.submit(order(number))
        returned.wait(number + 1)
        wait_until(lambda: executor.running() == ())
    assert len(set(returned.threads)) == 3
    assert all(thread.daemon for thread in executor._threads)


def test_an_idle_thread_leaves_and_says_so(returned: Returned) -> None:
    left: list[str] = []
    executor = ThreadExecutor(4, idle_seconds=0.05)
    executor.start(lambda order: OK, returned, leave=lambda: left.append(threading.current_thread().name))
    executor.submit(order(1))
    returned.wait(1)
    wait_until(lambda: len(left) == 1)
    assert len(executor._threads) == 0
    executor.submit(order(2))
    returned.wait(2)
    executor.shutdown(5)
    wait_until(lambda: len(left) == 2)


def test_no_order_is_lost_between_a_thread_that_leaves_and_a_submit(returned: Returned) -> None:
    executor = ThreadExecutor(2, idle_seconds=0.0005)
    executor.start(lambda order: OK, returned)
    for number in range(300):
        executor.submit(order(number))
        time.sleep(0.0005)
    assert {number for number, _ in returned.wait(300)} == set(range(300))
    executor.shutdown(5)


class Base(BaseException):
    pass


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def raising(error: BaseException) -> Callable[[RunOrder], Outcome]:
    def run(order: RunOrder) -> Outcome:
        raise error

    return run


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        MemoryError(),
        Base("x"),
        ValueError("a\x00"),
        Unprintable(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_run_that_breaks_its_worker_still_comes_back(
    started: Any, returned: Returned, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    executor = started(raising(error), seats=1)
    with caplog.at_level(logging.CRITICAL + 1):
        for number in range(3):
            executor.submit(order(number))
        outcomes = returned.wait(3)
    for _, outcome in outcomes:
        assert (outcome.state, outcome.reason) == ("failed", "worker_failed")
        assert outcome.error_class == type(error).__qualname__
        assert "\x00" not in outcome.message + outcome.detail
    wait_until(lambda: executor.free_seats == 1)


def test_a_done_that_raises_costs_neither_thread_nor_seat(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def done(order: RunOrder, outcome: Outcome) -> None:
        calls.append(order.execution_id)
        raise SystemExit

    executor = ThreadExecutor(1)
    executor.start(lambda order: OK, done)
    with caplog.at_level(logging.CRITICAL, logger="scheduling.executors.thread"):
        for number in range(3):
            executor.submit(order(number))
        wait_until(lambda: executor.running() == ())
    assert calls == [0, 1, 2]
    assert len(caplog.records) == 3
    executor.shutdown(5)


def test_an_order_is_in_hand_until_done_has_returned() -> None:
    seen: list[tuple[RunOrder, ...]] = []
    executor = ThreadExecutor(1)
    executor.start(lambda order: OK, lambda order, outcome: seen.append(executor.running()))
    executor.submit(order(5))
    wait_until(lambda: executor.running() == ())
    assert seen == [(order(5),)]
    executor.shutdown(5)


def test_the_same_attempt_twice_is_refused(started: Any) -> None:
    gate = threading.Event()
    executor = started(lambda order: gate.wait() and OK)
    executor.submit(order(1))
    with pytest.raises(ValueError, match="in hand already"):
        executor.submit(order(1))
    gate.set()


def test_an_order_with_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="deadline_at must be an aware datetime"):
        order(1, deadline_at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_overdue_names_those_past_their_deadline(started: Any) -> None:
    gate = threading.Event()
    executor = started(lambda order: gate.wait() and OK)
    for number, deadline in enumerate((None, AT, AT + timedelta(seconds=5))):
        executor.submit(order(number, deadline))
    overdue = [
        [each.execution_id for each in executor.overdue(AT + timedelta(seconds=s))] for s in (-1, 0, 4, 5)
    ]
    assert overdue == [[], [1], [1], [1, 2]]
    gate.set()


# --- Cancel --------------------------------------------------------------------------------------------


def cancellable(order: RunOrder) -> Outcome:
    run = RunContext.of(order, RunLog())
    with entered(run):
        try:
            run.sleep(30)
        except context.RunCancelled as error:
            return Outcome("cancelled", error.reason, error.detail)
    return OK


def test_cancel_reaches_a_run_that_is_under_way_and_one_that_waits(started: Any, returned: Returned) -> None:
    executor = started(cancellable, seats=1)
    executor.submit(order(1))
    executor.submit(order(2))
    wait_until(lambda: bool(context.active))
    assert executor.cancel(2, 1, "requested", "by Ann")
    assert executor.cancel(1, 1, "node_stopped")
    assert [(number, outcome.reason, outcome.detail) for number, outcome in returned.wait(2)] == [
        (1, "node_stopped", ""),
        (2, "requested", "by Ann"),
    ]
    wait_until(lambda: executor.running() == ())
    assert executor.cancel(1, 1, "requested") is False
    assert executor.cancel(99, 1, "requested") is False
    assert context._cancelled_early == {}


def test_a_cancel_that_comes_too_late_is_forgotten(returned: Returned) -> None:
    in_done, go_on = threading.Event(), threading.Event()

    def done(order: RunOrder, outcome: Outcome) -> None:
        in_done.set()
        go_on.wait(5)

    executor = ThreadExecutor(1)
    executor.start(lambda order: OK, done)
    executor.submit(order(1))
    in_done.wait(5)
    assert executor.cancel(1, 1, "requested") is True
    go_on.set()
    wait_until(lambda: executor.running() == ())
    wait_until(lambda: context._cancelled_early == {})
    executor.shutdown(5)


# --- Shutdown ------------------------------------------------------------------------------------------


def test_before_start_and_after_shutdown_orders_are_refused(started: Any) -> None:
    with pytest.raises(ExecutorClosed):
        ThreadExecutor(1).submit(order(1))
    executor = started(lambda order: OK)
    executor.shutdown(1)
    with pytest.raises(ExecutorClosed):
        executor.submit(order(1))


def test_shutdown_waits_for_what_is_in_hand(started: Any, returned: Returned) -> None:
    def run(order: RunOrder) -> Outcome:
        time.sleep(0.05)
        return OK

    executor = started(run, seats=2)
    for number in range(6):
        executor.submit(order(number))
    assert executor.shutdown(10) == ()
    assert len(returned.outcomes) == 6
    assert executor._threads == set()


def test_shutdown_returns_what_is_not_done_and_begins_nothing_more(returned: Returned) -> None:
    gate = threading.Event()
    begun: list[int] = []

    def run(order: RunOrder) -> Outcome:
        begun.append(order.execution_id)
        gate.wait(30)
        return OK

    executor = ThreadExecutor(1)
    executor.start(run, returned)
    for number in range(3):
        executor.submit(order(number))
    began = time.monotonic()
    assert [left.execution_id for left in executor.shutdown(0.05)] == [0, 1, 2]
    assert time.monotonic() - began < 20
    gate.set()
    wait_until(lambda: executor._threads == set())
    assert begun == [0]
    assert [number for number, _ in returned.outcomes] == [0]


def test_when_the_system_gives_no_threads(
    monkeypatch: pytest.MonkeyPatch, started: Any, returned: Returned
) -> None:
    gate = threading.Event()
    executor = started(lambda order: gate.wait() and OK)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        executor.submit(order(1))
    assert executor.running() == ()
    monkeypatch.setattr(threading.Thread, "start", start)
    executor.submit(order(1))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    executor.submit(order(2))  # there is one thread: it will do
    gate.set()
    assert len(returned.wait(2)) == 2


@pytest.mark.parametrize("seats", [0, -1])
def test_an_executor_needs_a_seat(seats: int) -> None:
    with pytest.raises(ValueError, match="at least one seat"):
        ThreadExecutor(seats)


def test_a_flood_is_served_by_as_many_threads_as_there_are_seats(started: Any, returned: Returned) -> None:
    executor = started(lambda order: OK, seats=16)
    for number in range(10_000):
        executor.submit(order(number))
    assert len({execution_id for execution_id, _outcome in returned.wait(10_000)}) == 10_000
    assert len(set(returned.threads)) <= 16
