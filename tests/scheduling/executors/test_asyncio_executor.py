"""The asyncio executor: many coroutines on one loop, each ended for good by cancel and deadline."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from scheduling import clock as clocks
from scheduling import context, registry
from scheduling.context import current_run
from scheduling.engine.run import run_coroutine
from scheduling.exceptions import ExecutorClosed
from scheduling.executors import coroutine
from scheduling.executors.base import RunOrder
from scheduling.executors.coroutine import AsyncioExecutor
from scheduling.registry import Registry, task
from tests.conftest import await_
from tests.scheduling.executors.orders import Returned, new_order

# Django's own asynchronous methods do their work in another thread, so no test touches a database here.
pytestmark = [pytest.mark.usefixtures("no_database"), pytest.mark.django_db]


@pytest.fixture
def returned() -> Returned:
    return Returned()


@pytest.fixture
def executor(returned: Returned) -> Iterator[AsyncioExecutor]:
    with registry.use(Registry()):
        made = AsyncioExecutor(500)
        made.start(run_coroutine, returned)
        yield made
        made.shutdown(5)


@pytest.fixture
def function(executor: AsyncioExecutor) -> Callable[..., Any]:
    return task("It", function="it")


def timed(order: RunOrder, seconds: float) -> RunOrder:
    return replace(order, timeout_seconds=seconds, deadline_at=clocks.now() + timedelta(seconds=seconds))


def test_hundreds_wait_at_the_same_time(
    executor: AsyncioExecutor, returned: Returned, function: Callable[..., Any]
) -> None:
    gate = threading.Event()
    begun: list[int] = []

    @function
    async def it() -> int:
        current_run().log(f"I am {current_run().execution_id}")
        begun.append(current_run().execution_id)
        while not gate.is_set():
            await asyncio.sleep(0.01)
        return current_run().execution_id

    for number in range(400):
        executor.submit(new_order(number))
    await_(lambda: len(begun) == 400, what="all are under way, and none has ended")
    assert executor.free_seats == 100
    gate.set()
    outcomes = returned.wait(400)
    for number, outcome in outcomes:
        assert (outcome.state, outcome.result) == ("succeeded", str(number))
        assert outcome.log is not None
        assert [chunk.text for chunk in outcome.log.drain().chunks] == [f"I am {number}"]
    await_(lambda: executor.running() == (), 5)


def test_cancel_ends_what_it_awaits_and_lets_it_clean_up(
    executor: AsyncioExecutor, returned: Returned, function: Callable[..., Any]
) -> None:
    steps: list[str] = []

    @function
    async def it() -> None:
        try:
            steps.append("begun")
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned")

    order = new_order()
    executor.submit(order)
    await_(lambda: steps, 5)
    assert executor.cancel(*order.key, "cancel_requested", "by somebody")
    outcome = returned.wait(1)[0][1]
    assert (outcome.state, outcome.reason, outcome.detail) == ("cancelled", "cancel_requested", "by somebody")
    assert steps == ["begun", "cleaned"]
    await_(lambda: not executor.cancel(*order.key, "again"), 5)


def test_its_deadline_ends_it(
    executor: AsyncioExecutor, returned: Returned, function: Callable[..., Any]
) -> None:
    @function
    async def it() -> None:
        await asyncio.sleep(600)

    executor.submit(timed(new_order(), 0.2))
    outcome = returned.wait(1)[0][1]
    assert (outcome.state, outcome.reason) == ("timed_out", "timeout")
    assert 150 < outcome.run_ms < 2_000


def test_one_that_goes_on_after_its_cancel_keeps_its_seat(
    executor: AsyncioExecutor, returned: Returned, function: Callable[..., Any]
) -> None:
    gate = asyncio.Event()

    @function
    async def it() -> None:
        while not gate.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait_for(gate.wait(), 600)

    order = timed(new_order(), 0.1)
    executor.submit(order)
    await_(lambda: executor.overdue(clocks.now()), 5)
    assert executor.free_seats == 499
    assert returned.outcomes == []
    assert executor._loop is not None
    executor._loop.call_soon_threadsafe(gate.set)
    assert returned.wait(1)[0][1].state == "timed_out"


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_whatever_it_raises_is_its_own(
    executor: AsyncioExecutor, returned: Returned, function: Callable[..., Any], error: BaseException
) -> None:
    @function
    async def it() -> None:
        if current_run().execution_id == 1:
            raise error

    executor.submit(new_order(1))
    executor.submit(new_order(2))
    states = dict(returned.wait(2))
    assert states[1].state == "failed"
    assert states[1].error_class == type(error).__name__
    assert states[2].state == "succeeded"


async def gathered(helper: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(helper())


async def made_a_task(helper: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await asyncio.create_task(helper())


async def in_a_group(helper: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(helper())


async def called_later(helper: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.get_running_loop().call_soon(helper().send, None)
    await asyncio.sleep(0.05)


async def stopped(helper: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=["exit", "interrupt"])
@pytest.mark.parametrize("way", [gathered, made_a_task, in_a_group, called_later, stopped])
def test_what_ends_a_loop_in_a_part_of_a_run_ends_no_other_run(
    executor: AsyncioExecutor,
    returned: Returned,
    function: Callable[..., Any],
    way: Callable[..., Coroutine[Any, Any, None]],
    error: BaseException,
) -> None:
    """asyncio lets SystemExit and KeyboardInterrupt out of a task, and so out of the loop."""
    gate = threading.Event()
    begun: list[int] = []

    async def helper() -> None:
        raise error

    @function
    async def it() -> None:
        begun.append(current_run().execution_id)
        if current_run().execution_id == 2:
            await way(helper)
        while current_run().execution_id == 1 and not gate.is_set():
            await asyncio.sleep(0.01)

    executor.submit(new_order(1))
    await_(lambda: begun, 5)
    executor.submit(new_order(2))
    outcome = dict(returned.wait(1))[2]
    if way in (called_later, stopped):
        assert outcome.state == "succeeded", "nothing of it was its own to await"
    else:
        assert (outcome.state, outcome.error_class) == ("failed", type(error).__name__)
    executor.submit(new_order(3))
    assert dict(returned.wait(2))[3].state == "succeeded", "the loop takes more"
    gate.set()
    assert dict(returned.wait(3))[1].state == "succeeded"
    await_(lambda: executor.free_seats == 500, 5)
    assert executor.trouble == ""


def test_a_loop_that_breaks_down_is_told_and_keeps_no_order(
    executor: AsyncioExecutor,
    returned: Returned,
    function: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    @function
    async def it() -> None:
        if current_run().execution_id == 2:
            loop: Any = asyncio.get_running_loop()
            loop._selector.select = Mock(side_effect=OSError("Bad file descriptor"))  # it has closed too many
        await asyncio.sleep(600)

    executor.submit(new_order(1))
    executor.submit(new_order(2))
    for _number, outcome in returned.wait(2, 10):
        assert (outcome.state, outcome.reason) == ("failed", "worker_failed")
        assert "event loop has broken down" in outcome.detail
    await_(lambda: executor.running() == (), 5)
    assert executor.free_seats == 0
    assert executor.trouble.startswith("takes no coroutines until the node is started anew: its event loop")
    assert "the event loop has broken down" in caplog.text
    assert "does not await" not in caplog.text
    with pytest.raises(ExecutorClosed):
        executor.submit(new_order(3))
    assert executor.running() == ()
    assert context.active_runs() == []
    assert executor.shutdown(1) == ()


@pytest.mark.parametrize("error", [SystemExit(3), ValueError("no")], ids=["exit", "error"])
def test_shut_down_it_closes_connections_whatever_a_run_does_at_its_end(
    returned: Returned, error: BaseException
) -> None:
    left: list[str] = []
    begun = threading.Event()
    with registry.use(Registry()):

        async def helper() -> None:
            raise error

        @task("It", function="it")
        async def it() -> None:
            try:
                begun.set()
                await asyncio.sleep(600)
            finally:
                await asyncio.gather(helper())

        made = AsyncioExecutor(5)
        made.start(run_coroutine, returned, lambda: left.append("left"))
        made.submit(new_order(1))
        assert begun.wait(5)
        made.shutdown(0.1)
        returned.wait(1)
        await_(lambda: left == ["left"], 5)


def test_cancelled_before_it_begins_it_is_never_called(
    executor: AsyncioExecutor, returned: Returned, function: Callable[..., Any]
) -> None:
    called: list[int] = []

    @function
    async def it() -> None:
        called.append(1)

    order = new_order()
    assert executor._loop is not None
    executor._loop.call_soon_threadsafe(time.sleep, 0.2)  # so that the cancel comes first
    executor.submit(order)
    executor.cancel(*order.key, "cancel_requested")
    assert returned.wait(1)[0][1].state == "cancelled"
    assert called == []


def test_while_one_blocks_the_loop_no_more_are_taken(
    executor: AsyncioExecutor,
    returned: Returned,
    function: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(coroutine, "STANDSTILL_SECONDS", 0.7)

    @function
    async def it() -> None:
        time.sleep(1.2)

    executor.submit(new_order())
    await_(lambda: executor.free_seats == 0, 5)
    assert "blocks the event loop" in caplog.text
    assert executor.trouble == "takes no coroutines: one blocks the event loop, among nightly"
    returned.wait(1)
    await_(lambda: executor.free_seats == 500, 5)
    assert executor.trouble == ""


def test_shut_down_it_gives_back_what_is_left(returned: Returned) -> None:
    with registry.use(Registry()):

        @task("It", function="it")
        async def it() -> None:
            await asyncio.sleep(600)

        made = AsyncioExecutor(5)
        made.start(run_coroutine, returned)
        made.submit(new_order(1))
        await_(lambda: made._tasks, 5)
        assert [order.execution_id for order in made.shutdown(0.1)] == [1]
        assert returned.wait(1)[0][1].state == "cancelled", "it was ended all the same"
