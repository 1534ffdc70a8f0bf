"""One run, from order to outcome: every way a task may end, and what it must not be able to do."""

from __future__ import annotations

import decimal
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from django.db import connection, connections, transaction
from django.utils import translation
from pydantic import Field

from scheduling import clock, context
from scheduling import clock as clocks
from scheduling.clock import SettableClock
from scheduling.context import RunCancelled, current_run
from scheduling.engine.run import run
from scheduling.executors.base import Outcome, RunOrder
from scheduling.runlog import RunLogHandler
from scheduling.text import MESSAGE_BYTES, RESULT_BYTES, TRACEBACK_BYTES

AT = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)

Order = Callable[..., RunOrder]
Function = Callable[..., Any]


def said(outcome: Outcome) -> list[str]:
    assert outcome.log is not None
    return [line for chunk in outcome.log.drain().chunks for line in chunk.text.split("\n")]


def test_a_run_that_returns_has_succeeded(order: Order, function: Function) -> None:
    @function
    def it(limit: Annotated[int, Field(ge=1)], name: str = "all") -> dict[str, Any]:
        return {"limit": limit, "name": name}

    before = time.monotonic()
    outcome = run(order(parameters={"limit": 5}))
    assert (outcome.state, outcome.reason, outcome.detail) == ("succeeded", "", "")
    assert outcome.result == '{"limit": 5, "name": "all"}'
    assert outcome.result_altered is False
    assert (outcome.error_class, outcome.message, outcome.traceback) == ("", "", "")
    assert before <= outcome.finished_monotonic <= time.monotonic()


def test_run_ms_is_the_time_inside_the_function(order: Order, function: Function) -> None:
    function(lambda: time.sleep(0.05))
    assert 50 <= run(order()).run_ms < 500


def test_a_function_that_is_not_there_is_handed_back(order: Order, function: Function) -> None:
    outcome = run(order("gone"))
    assert (outcome.state, outcome.reason) == ("hand_back", "function_missing")
    assert "'gone'" in outcome.detail


def test_parameters_are_checked_again_and_the_function_is_not_called(
    order: Order, function: Function
) -> None:
    called = []

    @function
    def it(limit: int) -> None:
        called.append(limit)

    outcome = run(order(parameters={"limit": "5"}))
    assert (outcome.state, outcome.reason) == ("failed", "parameters_invalid")
    assert outcome.error_class == "scheduling.exceptions.ParametersInvalid"
    assert "limit: must be an integer" in outcome.message
    assert outcome.traceback == ""
    assert called == []


# --- Ends other than success ---------------------------------------------------------------------------


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Enormous(Exception):
    def __str__(self) -> str:
        return "x" * 1_000_000


class Base(BaseException):
    pass


def recurse() -> None:
    recurse()


def chained() -> None:
    try:
        {}["key"]
    except KeyError as error:
        raise ValueError("after it") from error


def raising(error: BaseException) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


FAILURES: list[tuple[Callable[[], None], str, str, str]] = [
    # the function, the outcome's reason, its error class, what its message says
    (raising(ValueError("no such host")), "exception", "ValueError", "no such host"),
    (raising(ValueError()), "exception", "ValueError", ""),
    (raising(ValueError("a\x00\ud800")), "exception", "ValueError", "a\ufffd\ufffd"),
    (raising(Unprintable()), "exception", f"{__name__}.Unprintable", "cannot be printed"),
    (raising(Enormous()), "exception", f"{__name__}.Enormous", "x…"),
    (raising(Base("base")), "exception", f"{__name__}.Base", "base"),
    (raising(GeneratorExit()), "exception", "GeneratorExit", ""),
    (raising(MemoryError()), "exception", "MemoryError", ""),
    (raising(TimeoutError("socket")), "exception", "TimeoutError", "socket"),
    (raising(StopIteration(5)), "exception", "StopIteration", "5"),
    (raising(ExceptionGroup("two", [ValueError("a"), OSError("b")])), "exception", "ExceptionGroup", "two"),
    (raising(type("X" * 500, (Exception,), {})("long")), "exception", "XXX", "long"),
    (recurse, "exception", "RecursionError", "maximum recursion depth"),
    (chained, "exception", "ValueError", "after it"),
    (sys.exit, "exited", "SystemExit", ""),
    (raising(SystemExit(3)), "exited", "SystemExit", "3"),
]


@pytest.mark.parametrize(("fails", "reason", "error_class", "words"), FAILURES)
def test_whatever_a_task_raises_is_a_storable_failure(
    order: Order, function: Function, fails: Callable[[], None], reason: str, error_class: str, words: str
) -> None:
    function(lambda: fails())
    outcome = run(order())
    assert (outcome.state, outcome.reason) == ("failed", reason)
    assert error_class in outcome.error_class
    assert words in outcome.message
    assert len(outcome.error_class) <= 200
    assert 0 < len(outcome.detail) <= 500
    assert len(outcome.message.encode()) <= MESSAGE_BYTES
    assert len(outcome.traceback.encode()) <= TRACEBACK_BYTES
    assert outcome.result is None
    for text in (outcome.error_class, outcome.detail, outcome.message, outcome.traceback):
        text.encode()
        assert "\x00" not in text


def test_a_traceback_begins_at_the_task_and_keeps_the_cause(order: Order, function: Function) -> None:
    function(lambda: chained())
    trace = run(order()).traceback
    assert "KeyError: 'key'" in trace
    assert trace.rstrip().endswith("ValueError: after it")
    assert "engine/run.py" not in trace


def test_an_interrupt_goes_through_in_the_main_thread_only(order: Order, function: Function) -> None:
    function(lambda: raising(KeyboardInterrupt())())
    with pytest.raises(KeyboardInterrupt):
        run(order())
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(run(order())))
    thread.start()
    thread.join()
    assert (outcomes[0].state, outcomes[0].error_class) == ("failed", "KeyboardInterrupt")
    assert context.active == {}


@pytest.mark.parametrize("value", [object(), threading.Lock(), (number for number in [1]), {(1, 2): 3}])
def test_a_result_without_a_form_fails_alone(order: Order, function: Function, value: Any) -> None:
    function(lambda: value)
    outcome = run(order())
    assert (outcome.state, outcome.reason) == ("failed", "result_unstorable")
    assert "result" in outcome.message


class EvilDict(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("not mine")


def test_a_result_whose_own_code_raises_is_a_failure(order: Order, function: Function) -> None:
    function(lambda: EvilDict(a=1))
    outcome = run(order())
    assert (outcome.state, outcome.error_class, outcome.message) == ("failed", "RuntimeError", "not mine")


@pytest.mark.parametrize(
    "value",
    [float("nan"), "\x00", "x" * 1_000_000, list(range(1_000_000))],
    ids=["nan", "nul", "text", "list"],
)
def test_an_altered_result_says_so(order: Order, function: Function, value: Any) -> None:
    function(lambda: value)
    outcome = run(order())
    assert (outcome.state, outcome.result_altered) == ("succeeded", True)
    assert outcome.result is not None
    assert len(outcome.result.encode()) <= RESULT_BYTES


# --- The run's context ---------------------------------------------------------------------------------


def test_current_run_tells_what_the_order_says(order: Order, function: Function) -> None:
    seen: list[context.RunContext] = []

    @function
    def it(limit: int) -> None:
        seen.append(current_run())
        assert context.active[7, 2] is seen[0]
        assert context.active_runs() == seen

    assert run(order(parameters={"limit": 5}, origin="manual")).state == "succeeded"
    (it_was,) = seen
    assert (it_was.execution_id, it_was.attempt, it_was.task_key, it_was.function) == (7, 2, "nightly", "it")
    assert (it_was.parameters, it_was.scheduled_for, it_was.origin) == ({"limit": 5}, AT, "manual")
    assert (it_was.idempotency_key, it_was.deadline_at, it_was.remaining_seconds()) == ("key-7", None, None)
    assert context.active == {}


def test_log_and_progress_come_with_the_outcome(order: Order, function: Function) -> None:
    handler = RunLogHandler()
    logger = logging.Logger("a.task")
    logger.addHandler(handler)

    @function
    def it() -> None:
        run = current_run()
        run.log("begun")
        logger.warning("watch %s", "out")
        run.progress(1, 3, "first")
        run.progress(2.7, float("inf"), "库" * 300)
        run.log(5)
        raise ValueError

    with clock.use(SettableClock(AT)):
        outcome = run(order())
    assert said(outcome) == ["begun", "a.task: watch out", "5"]
    assert outcome.progress == (2, 0, "库" * 199 + "…")


def test_a_level_that_does_not_exist_is_refused_with_the_allowed_ones(
    order: Order, function: Function
) -> None:
    function(lambda: current_run().log("x", "LOUD"))
    assert "allowed are DEBUG, INFO, WARNING, ERROR, CRITICAL" in run(order()).message


def test_the_log_cap_is_a_setting(order: Order, function: Function, settings: Any) -> None:
    settings.SCHEDULER = {"run_log_bytes": 10_000}
    function(lambda: [current_run().log("x" * 5_000) for _ in range(100)] and None)
    outcome = run(order())
    assert outcome.log is not None
    assert sum(len(chunk.text) for chunk in outcome.log.drain().chunks) <= 11_000


def test_what_a_task_sets_for_itself_is_gone_with_it(order: Order, function: Function) -> None:
    before = (translation.get_language(), decimal.getcontext().prec)

    @function
    def it() -> None:
        translation.activate("zh-hans")
        decimal.setcontext(decimal.Context(prec=3))

    run(order())
    assert (translation.get_language(), decimal.getcontext().prec) == before


def test_a_run_inside_a_run_leaves_the_outer_one_current(order: Order, function: Function) -> None:
    depth = []

    @function
    def it(levels: int) -> int:
        depth.append(current_run().execution_id)
        if levels:
            run(order(execution_id=levels, parameters={"levels": levels - 1}))
        assert current_run().execution_id == depth[len(depth) - 1 - levels]
        return levels

    assert run(order(execution_id=2, parameters={"levels": 1})).state == "succeeded"


# --- Cancel and deadline -------------------------------------------------------------------------------


def cancel_while(order: Order, reason: str, asks: Callable[[], Any]) -> None:
    context.active[7, 2].cancel(reason, "by Ann")
    asks()


ASKS: list[Callable[[], Any]] = [
    lambda: current_run().log("x"),
    lambda: current_run().progress(1),
    lambda: current_run().check_cancelled(),
    lambda: current_run().sleep(60),
]


@pytest.mark.parametrize("asks", ASKS)
@pytest.mark.parametrize("reason", ["requested", "lost", "node_stopped"])
def test_a_cancelled_run_hears_it_when_it_next_asks(
    order: Order, function: Function, asks: Callable[[], Any], reason: str
) -> None:
    function(lambda: cancel_while(order, reason, asks))
    outcome = run(order())
    assert (outcome.state, outcome.reason, outcome.detail) == ("cancelled", reason, "by Ann")


def test_except_exception_does_not_swallow_a_cancel(order: Order, function: Function) -> None:
    steps = []

    @function
    def it() -> None:
        for step in range(5):
            try:
                steps.append(step)
                if step == 1:
                    context.active[7, 2].cancel("requested")
                current_run().check_cancelled()
            except Exception:
                continue

    assert run(order()).state == "cancelled"
    assert steps == [0, 1]


def test_a_cancel_that_is_caught_comes_again(order: Order, function: Function) -> None:
    @function
    def it() -> None:
        context.active[7, 2].cancel("requested")
        for _ in range(3):
            with pytest.raises(RunCancelled):
                current_run().check_cancelled()
        assert current_run().cancelled

    assert run(order()).state == "succeeded"  # it did its work to the end, so that is what is recorded


def test_the_first_reason_stays_but_lost_goes_before_any(order: Order, function: Function) -> None:
    @function
    def it() -> None:
        for reason in ("requested", "timeout", "lost", "requested"):
            context.active[7, 2].cancel(reason)
        current_run().check_cancelled()

    assert run(order()).reason == "lost"


def test_a_task_may_end_itself_as_cancelled(order: Order, function: Function) -> None:
    function(lambda: raising(RunCancelled())())
    outcome = run(order())
    assert (outcome.state, outcome.reason) == ("cancelled", "by_task")


def test_a_reason_fits_its_column(order: Order, function: Function) -> None:
    function(lambda: raising(RunCancelled("x" * 100, "y" * 1000))())
    outcome = run(order())
    assert (len(outcome.reason), len(outcome.detail)) == (40, 500)


def test_cancelled_before_it_begins_it_is_never_called(order: Order, function: Function) -> None:
    called: list[int] = []
    function(lambda: called.append(1))
    context.cancel(7, 2, "requested")
    outcome = run(order())
    assert (outcome.state, outcome.reason, called) == ("cancelled", "requested", [])
    assert run(order()).state == "succeeded"  # the request was used up


def test_a_cancel_from_another_thread_wakes_a_sleeper_at_once(order: Order, function: Function) -> None:
    function(lambda: current_run().sleep(60))
    timer = threading.Timer(0.1, context.cancel, (7, 2, "requested"))
    timer.start()
    began = time.monotonic()
    assert run(order()).state == "cancelled"
    assert time.monotonic() - began < 30
    timer.join()


@pytest.mark.parametrize("asks", ASKS)
def test_past_its_deadline_a_run_hears_it_when_it_asks(
    order: Order, function: Function, asks: Callable[[], Any]
) -> None:
    @function
    def it() -> None:
        while (current_run().remaining_seconds() or 0) > 0:
            time.sleep(0.005)
        asks()

    outcome = run(order(deadline_at=clock.now() + timedelta(seconds=0.03)))
    assert (outcome.state, outcome.reason) == ("timed_out", "timeout")
    assert outcome.detail


def test_a_cancel_wakes_all_threads_of_a_run(order: Order, function: Function) -> None:
    all_begin = threading.Barrier(4)
    woken: list[str] = []

    def doze() -> None:
        all_begin.wait(30)
        try:
            current_run().sleep(60)
        except RunCancelled as error:
            woken.append(error.reason)

    def several() -> None:
        threads = [threading.Thread(target=copy_context().run, args=(doze,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        all_begin.wait(30)
        context.cancel(7, 2, "requested")
        for thread in threads:
            thread.join(30)

    function(several)
    run(order())
    assert woken == ["requested"] * 3


def test_a_sleeper_wakes_at_its_deadline(order: Order, function: Function) -> None:
    function(lambda: current_run().sleep(60))
    began = time.monotonic()
    assert run(order(timeout_seconds=0.1)).state == "timed_out"
    assert 0.1 <= time.monotonic() - began < 30


def test_a_run_that_returns_after_its_deadline_has_timed_out(order: Order, function: Function) -> None:
    function(lambda: time.sleep(0.05))
    outcome = run(order(deadline_at=clock.now() + timedelta(seconds=0.01)))
    assert (outcome.state, outcome.reason, outcome.result) == ("timed_out", "timeout", None)


def test_an_error_after_the_deadline_is_a_timeout_that_keeps_the_error(
    order: Order, function: Function
) -> None:
    @function
    def it() -> None:
        time.sleep(0.02)
        raise OSError("the server hung up")

    outcome = run(order(deadline_at=clock.now() + timedelta(seconds=0.01)))
    assert (outcome.state, outcome.reason, outcome.error_class) == ("timed_out", "timeout", "OSError")
    assert outcome.message == "the server hung up"


def test_a_deadline_already_past_is_never_called(order: Order, function: Function) -> None:
    called: list[int] = []
    function(lambda: called.append(1))
    assert run(order(deadline_at=clock.now() - timedelta(seconds=1))).state == "timed_out"
    assert called == []


def test_cancelled_by_a_person_stays_cancelled_after_the_deadline(order: Order, function: Function) -> None:
    @function
    def it() -> None:
        context.active[7, 2].cancel("requested")
        settable.move(seconds=120)
        current_run().check_cancelled()

    with clocks.use(clocks.SettableClock(clock.now())) as settable:
        assert run(order(deadline_at=settable.at + timedelta(seconds=60))).state == "cancelled"


def test_the_watchdogs_cancel_is_a_timeout(order: Order, function: Function) -> None:
    @function
    def it() -> None:
        context.active[7, 2].cancel("timeout")
        current_run().check_cancelled()

    assert run(order()).state == "timed_out"


# --- Outside a run -------------------------------------------------------------------------------------


def test_outside_a_run_the_context_logs_and_never_cancels(caplog: pytest.LogCaptureFixture) -> None:
    outside = current_run()
    with caplog.at_level(logging.INFO, logger="scheduling.context"):
        outside.log("by hand")
        outside.log("careful", "WARNING")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "by hand"),
        ("WARNING", "careful"),
    ]
    outside.cancel("requested")
    outside.progress(1, 2)
    outside.check_cancelled()
    outside.sleep(0)
    assert (outside.cancelled, outside.remaining_seconds(), dict(outside.parameters)) == (False, None, {})


# --- Database connections ------------------------------------------------------------------------------


def in_a_thread(work: Callable[[], Any]) -> Any:
    results: list[Any] = []

    def go() -> None:
        try:
            results.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_left_open_does_not_reach_the_next_run(order: Order, function: Function) -> None:
    @function
    def it(leave: bool) -> list[bool]:
        before = connection.in_atomic_block
        if leave:
            transaction.atomic().__enter__()
            connection.cursor().execute("SELECT 1")
        return [before, connection.in_atomic_block]

    def both() -> tuple[Outcome, Outcome]:
        return run(order(parameters={"leave": True})), run(order(parameters={"leave": False}))

    first, second = in_a_thread(both)
    assert (first.result, second.result) == ("[false, true]", "[false, false]")
    assert "left a transaction open on the database 'default'" in said(first)[-1]
    assert said(second) == []


@pytest.mark.django_db(transaction=True)
def test_old_connections_are_closed_and_others_kept(
    order: Order, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    function(lambda: connection.cursor().execute("SELECT 1") and None)

    def look() -> tuple[bool, bool]:
        run(order())
        first = connection.connection
        run(order())
        kept = connection.connection is first is not None
        connection.close_at = 0
        run(order())
        return kept, connection.connection is first

    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 60)
    assert in_a_thread(look) == (True, False)


@pytest.mark.django_db
def test_called_inside_a_callers_transaction_it_leaves_that_alone(order: Order, function: Function) -> None:
    function(lambda: None)
    assert connection.in_atomic_block
    assert run(order()).state == "succeeded"
    assert connection.in_atomic_block
