"""Runs coroutine functions, hundreds at the same time, on one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from asgiref.sync import sync_to_async

from scheduling import clock, context
from scheduling.context import TIMEOUT
from scheduling.exceptions import ExecutorClosed
from scheduling.executors.base import Done, Executor, Outcome, RunCoroutine, RunOrder
from scheduling.sentences import of_nodes
from scheduling.text import DETAIL_CHARACTERS, storable_characters

logger = logging.getLogger(__name__)

#: A loop that has not come round for this long is blocked by a coroutine that does not await.
STANDSTILL_SECONDS = 2.0
BEAT_SECONDS = 0.5
#: What coroutines that are ended with the loop have for cleaning up.
CLOSE_SECONDS = 5.0


class AsyncioExecutor(Executor):
    """Cancelling ends what a coroutine awaits, and so does its deadline. One that catches the cancel and goes on
    keeps its seat, as an overdue thread does. While a coroutine blocks the loop no more runs are taken; once the
    loop has broken down, none at all.
    """

    runs_coroutines = True

    def __init__(self, seats: int = 500) -> None:
        super().__init__(seats)
        self._lock = threading.Lock()
        self._emptied = threading.Condition(self._lock)
        self._orders: dict[tuple[int, int], RunOrder] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._open = False
        self._ending = False
        self._broken = ""  # by what
        self._beat = 0.0
        self._told = False

    def start(self, run: RunCoroutine, done: Done, leave: Callable[[], None] | None = None) -> None:
        self._run, self._done, self._leave = run, done, leave
        self._loop = asyncio.new_event_loop()
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="coroutines", daemon=True)
        self._open = True
        self._thread.start()

    def submit(self, order: RunOrder) -> None:
        with self._lock:
            if not self._open or self._loop is None:
                raise ExecutorClosed
            if order.key in self._orders:
                raise ValueError(
                    f"execution {order.execution_id}, attempt {order.attempt} is in hand already"
                )
            self._orders[order.key] = (
                order  # first: the loop may give it back before the next line is reached
            )
            try:
                self._loop.call_soon_threadsafe(self._begin, order)
            except RuntimeError as error:  # the loop is closed
                del self._orders[order.key]
                raise ExecutorClosed from error

    def cancel(self, execution_id: int, attempt: int, reason: str, detail: str = "") -> bool:
        with self._lock:
            if (execution_id, attempt) not in self._orders:
                return False
        context.cancel(execution_id, attempt, reason, detail)
        return True

    def running(self) -> tuple[RunOrder, ...]:
        with self._lock:
            return tuple(self._orders.values())

    @property
    def free_seats(self) -> int:
        if self._broken or self._stands_still():
            return 0
        return max(0, self.seats - len(self._orders))

    @property
    def trouble(self) -> str:
        if self._broken:
            return of_nodes.LOOP_BROKEN(cause=self._broken)
        if not self._stands_still():
            return ""
        names = sorted({order.task_key for order in self.running()})[:10]
        return of_nodes.LOOP_BLOCKED(tasks=", ".join(names))

    def shutdown(self, wait_seconds: float) -> tuple[RunOrder, ...]:
        with self._emptied:
            self._open = False
            self._emptied.wait_for(lambda: not self._orders, timeout=max(0.0, wait_seconds))
            left = tuple(self._orders.values())
        if self._loop is not None and self._thread is not None:
            self._ending = True
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(1.0)  # a blocked loop is left behind: the thread is a daemon
        return left

    # --- in the loop's thread

    def _work(self) -> None:
        loop = self._loop
        assert loop is not None  # noqa: S101
        asyncio.set_event_loop(loop)
        loop.call_soon(self._keep_beating)
        try:
            self._turn(loop, lambda: self._ending)
            self._end_all(loop)
        except BaseException as error:  # the loop itself, whose descriptors a task may have closed
            logger.critical("the event loop has broken down", exc_info=error)
            self._break_down(error)
        with contextlib.suppress(OSError):  # of a broken one something is closed already
            loop.close()

    def _turn(self, loop: asyncio.AbstractEventLoop, is_over: Callable[[], bool]) -> None:
        """Keeps the loop running until then, whatever the runs do to it."""
        while not is_over():
            try:
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                # asyncio lets these two out of the loop. Here they are a part's of one run (a task that it made
                # or gathered, a callback), which learns of it as of any error; the loop can go on.
                logger.warning("a part of a coroutine wanted to end the process", exc_info=error)

    def _end_all(self, loop: asyncio.AbstractEventLoop) -> None:
        for task in self._tasks:
            task.cancel()
        closing = loop.create_task(self._close())
        closing.add_done_callback(lambda _closing: loop.stop())
        self._turn(loop, closing.done)

    async def _close(self) -> None:
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
            if self._leave is not None:
                await asyncio.wait_for(sync_to_async(self._leave)(), CLOSE_SECONDS)
        except Exception:
            logger.exception("the event loop could not close its connections")

    def _break_down(self, error: BaseException) -> None:
        """Without its loop no coroutine goes on, not even to clean up."""
        with self._lock:
            self._open, self._broken = False, storable_characters(repr(error), DETAIL_CHARACTERS)
        for order in self.running():
            context.abandon(*order.key)
            self._give_back(order, Outcome("failed", "worker_failed", self.trouble, message=self.trouble))

    def _begin(self, order: RunOrder) -> None:
        assert self._loop is not None  # noqa: S101
        task = self._loop.create_task(self._serve(order))
        self._tasks.add(task)  # the loop itself holds its tasks only weakly
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, order: RunOrder) -> None:
        assert self._loop is not None  # noqa: S101
        timer = None
        if (seconds := _seconds_left(order)) is not None:
            timer = self._loop.call_later(seconds, context.cancel, *order.key, TIMEOUT)
        try:
            outcome = await self._run(order)
        except BaseException as error:  # the net below ``run``: no order may be lost
            logger.error("A run broke its worker", exc_info=error)
            outcome = Outcome("failed", "worker_failed", f"{type(error).__name__}: {error}"[:500])
        finally:
            if timer is not None:
                timer.cancel()
        self._give_back(order, outcome)

    def _give_back(self, order: RunOrder, outcome: Outcome) -> None:
        if order.key not in self._orders:  # given back when the loop broke down, and only now thrown away
            return
        try:
            self._done(order, outcome)
        except Exception:
            logger.critical(
                "An outcome could not be handed on", extra={"execution": order.execution_id}, exc_info=True
            )
        finally:
            with self._emptied:
                self._orders.pop(order.key, None)
                if not self._orders:
                    self._emptied.notify_all()
            context.forget(*order.key)

    def _keep_beating(self) -> None:
        assert self._loop is not None  # noqa: S101
        self._beat = time.monotonic()
        self._loop.call_later(BEAT_SECONDS, self._keep_beating)

    def _stands_still(self) -> bool:
        if self._thread is None:
            return False
        still = time.monotonic() - self._beat > STANDSTILL_SECONDS
        if still and not self._told:
            names = sorted({order.task_key for order in self.running()})[:10]
            logger.error("a coroutine blocks the event loop: it does not await", extra={"among": names})
        self._told = still
        return still


def _seconds_left(order: RunOrder) -> float | None:
    """Until the order's deadline; None when it has none."""
    deadline: datetime | None = order.deadline_at
    if deadline is None:
        return order.timeout_seconds
    return max(0.0, (deadline - clock.now()).total_seconds())
