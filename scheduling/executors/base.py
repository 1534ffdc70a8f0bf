"""What an executor is: it takes orders, runs each once, gives each back with its outcome. Knows no ORM."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from scheduling.context import Progress
from scheduling.runlog import RunLog

OutcomeState = Literal["succeeded", "failed", "timed_out", "cancelled", "hand_back"]


# Neither of these two is ever changed once it is made. Python would see to that (frozen), but make them in four times
# the time, and one of each is made for every run.


@dataclass(slots=True)
class RunOrder:
    """One claimed attempt at one execution: all that is needed to run it."""

    execution_id: int
    attempt: int  # the fencing token: only the newest attempt's outcome is recorded
    task_id: int
    task_key: str
    function: str  # a registered function's name
    parameters: Mapping[str, Any]  # JSON values, not yet validated
    scheduled_for: datetime  # aware UTC
    origin: str  # schedule, manual, api, dependency, backfill
    deadline_at: datetime | None  # aware UTC; when the run began plus its timeout
    timeout_seconds: float | None
    idempotency_key: str
    executor: str
    node_id: UUID
    # Of all of a run's processes together; for executors that give it processes of its own.
    memory_limit_mb: int | None = None  # MiB of resident memory
    cpu_limit_seconds: int | None = None
    # Of a run after others: key of the task → execution_id, state and result of the run it runs after.
    upstream: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.scheduled_for.tzinfo is None:
            raise ValueError("scheduled_for must be an aware datetime")
        if self.deadline_at is not None and self.deadline_at.tzinfo is None:
            raise ValueError("deadline_at must be an aware datetime")

    @property
    def key(self) -> tuple[int, int]:
        return self.execution_id, self.attempt


@dataclass(slots=True)
class Outcome:
    """How a run ended. Every text is storable as it is and within its column's length."""

    state: OutcomeState  # hand_back: it was not run, and may be claimed again
    reason: str = ""  # a stable code; empty only for succeeded
    detail: str = ""  # a sentence, at most 500 characters
    result: str | None = None  # JSON text, at most 64 KiB
    result_altered: bool = False  # something of the result was lost when it was made storable
    error_class: str = ""
    message: str = ""  # at most 8 KiB
    traceback: str = ""  # at most 64 KiB
    run_ms: int = 0  # inside the task function
    finished_monotonic: float = field(default_factory=time.monotonic)
    #: The run's log, for what is not drained yet; None when it did not run in this process.
    log: RunLog | None = field(default=None, compare=False, repr=False)
    progress: Progress | None = None
    #: Of the run's own process or program; below zero, the signal that killed it. None: it had none.
    exit_code: int | None = None
    #: Processor time and the most resident memory of the run's own processes, as far as seen. None: it had none.
    cpu_ms: int | None = None
    peak_memory_bytes: int | None = None
    #: The function asks to be tried again at that moment (aware UTC).
    retry_at: datetime | None = None
    #: The names of the error's class and of those it is derived from.
    error_family: tuple[str, ...] = ()

    @classmethod
    def hand_back(cls, reason: str, detail: str) -> Outcome:
        """The run cannot take place here; another node may do it, or this one later."""
        return cls("hand_back", reason, detail)


Run = Callable[[RunOrder], Outcome]
RunCoroutine = Callable[[RunOrder], Coroutine[Any, Any, Outcome]]
Done = Callable[[RunOrder, Outcome], None]


class Executor(ABC):
    """Runs orders. One object per node and kind; the engine calls it from one thread.

    ``run`` may be called in any thread or process; an executor that runs coroutines is given a coroutine function
    in its place. ``done`` is called exactly once for each submitted order,
    in a thread of the executor's choice, also when the run broke whatever ran it.
    """

    #: Can it run coroutine functions?
    runs_coroutines: ClassVar[bool] = False
    #: Do others claim and run its orders? Then it has no seats here.
    is_remote: ClassVar[bool] = False
    #: Does cancelling end a run that does not look? (Otherwise the task must ask now and then.)
    can_kill: ClassVar[bool] = False
    #: Does it hold a run to the order's limits of memory and processor time?
    holds_limits: ClassVar[bool] = False
    #: Is it only for functions that run programs, those registered with ``executor="command"``?
    runs_programs: ClassVar[bool] = False

    def __init__(self, seats: int) -> None:
        if seats < 1:
            raise ValueError("an executor needs at least one seat")
        self.seats = seats

    @abstractmethod
    def start(self, run: Any, done: Done, leave: Callable[[], None] | None = None) -> None:
        """Gets ready to take orders. ``leave`` is called by each worker that ends (closes connections)."""

    @abstractmethod
    def submit(self, order: RunOrder) -> None:
        """Takes an order, without waiting. Beyond ``free_seats`` it waits inside, its deadline running.

        Raises ExecutorClosed before ``start`` and after ``shutdown``.
        """

    @abstractmethod
    def cancel(self, execution_id: int, attempt: int, reason: str, detail: str = "") -> bool:
        """Asks a run to end; its outcome still comes through ``done``. False when it is not in hand."""

    @abstractmethod
    def running(self) -> tuple[RunOrder, ...]:
        """Every order that was submitted and whose ``done`` has not returned yet, oldest first."""

    @abstractmethod
    def shutdown(self, wait_seconds: float) -> tuple[RunOrder, ...]:
        """Takes no more orders, waits that long for those in hand, and returns the ones still not done."""

    @property
    def trouble(self) -> str:
        """What keeps it from taking orders although there are seats, in a sentence; empty while nothing does."""
        return ""

    @property
    def free_seats(self) -> int:
        return max(0, self.seats - len(self.running()))

    def overdue(self, now: datetime) -> tuple[RunOrder, ...]:
        """The orders in hand whose deadline has passed: they keep their seats until they return."""
        return tuple(
            order for order in self.running() if order.deadline_at is not None and order.deadline_at <= now
        )
