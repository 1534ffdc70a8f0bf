"""The tick: admit what is due, store what has ended, claim what is queued, hand it over; then wait.

Everything this node writes for the engine is written by the one thread that ticks (its beat and the tick's companions
apart), in short transactions, and never while a task runs in it.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from apscheduler import events
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobExecutionEvent,
    SchedulerEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from django.conf import settings
from django.db import Error

from scheduling import clock, job_stores, sql
from scheduling.engine import silence
from scheduling.engine.keepers import Keeper, keepers
from scheduling.engine.recording import Group, Recording
from scheduling.engine.rush import FIRST_ROWS, Rush
from scheduling.engine.state import NodeState
from scheduling.exceptions import NodeIsDead
from scheduling.services import admission, claims, liverows, nodes
from scheduling.services.results import Recorded, Result
from scheduling.sql.transactions import Fault, classify, drop_connection, in_transaction

logger = logging.getLogger(__name__)

#: The pause after a tick that the database refused; doubled up to the longest.
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
#: How often other job stores are looked at, at the least.
OTHERS_SECONDS = 1.0
#: While one claim is filled after the other, what is queued for which executor, and what comes due next, is asked for
#: so often: in a burst a question waits as long as a claim does, behind 64 runs that have just begun.
LOOK_SECONDS = 0.1
#: … and so long a claim waits until half of the seats are free, looking that often.
GATHER_SECONDS = 0.005
GLANCE_SECONDS = 0.001


#: APScheduler's codes and its own names for them: scheduler_started, job_executed, …
EVENTS: dict[int, str] = {
    code: name.removeprefix("EVENT_").lower()
    for name, code in vars(events).items()
    if name.startswith("EVENT_") and name not in ("EVENT_ALL", "EVENT_SCHEDULER_START")  # an older name
}


class TaskScheduler(BackgroundScheduler):
    """APScheduler's life cycle, timer thread, wake-up, events and other job stores around our tick.

    ``died`` is called, in the ticking thread, when the other nodes have declared this one dead.
    """

    def __init__(self, state: NodeState, *, died: Callable[[], None]) -> None:
        self.node = state  # first: from here on events are counted
        super().__init__(
            timezone="UTC",
            job_defaults=job_stores.defaults(),
            executors={"default": ThreadPoolExecutor(settings.SCHEDULER["job_threads"])},
        )
        self._died = died
        self._pause = FIRST_PAUSE_SECONDS
        self._keepers: list[tuple[Keeper, float]] = [(keeper, 0.0) for keeper in keepers()]
        self._rush = Rush(self._tick_soon)
        self._recording = Recording(state, self._tick_soon)
        # Whether a seat that becomes free could be taken at once: the last look left something, or no seat.
        self._hungry = True
        # Executors of which the last claim got as many as it asked for, and until when (monotonic) that is believed.
        self._filled: tuple[str, ...] = ()
        self._filled_until = 0.0
        # What comes due next (None: nothing), and until when (monotonic) that is believed while claims are filled.
        self._next_due: datetime | None = None
        self._due_known_until = 0.0
        # How far the lines were claimed since the last look, where that spares the database something.
        self._past: claims.Past = {}
        self._others_due = 0.0  # monotonic
        # Of job stores that all nodes share: whether it is this one that runs what is due in them.
        self.in_turn = False

    # --- APScheduler's hooks

    def _main_loop(self) -> None:
        """The life of the ticking thread, whose connection and companions end with it."""
        if not sql.has_one_writer():
            self._recording.start()
        try:
            super()._main_loop()
        finally:
            self._rush.stop()
            self._recording.stop()
            drop_connection()

    def _process_jobs(self) -> float:
        """One tick; returns the seconds to wait. Never raises: the thread must not die (pain 6)."""
        self.node.last_tick = self._seen_alive()
        try:
            with silence.bounded():
                sql.prepare_engine_session()
                wait = self._tick()
            wait = min(wait, self._process_other_jobs())
        except NodeIsDead as error:
            logger.critical("this node was declared dead by another", extra={"cause": str(error)})
            self._died()
            return LONGEST_PAUSE_SECONDS
        except Exception as error:  # noqa: BLE001  whatever it is, the next tick must come
            return self._after_trouble(error)
        self._pause = FIRST_PAUSE_SECONDS
        self.node.last_commit = time.monotonic()
        if self.node.trouble:
            logger.info("the database answers again")
            self.node.trouble = ""
        return wait

    def _after_trouble(self, error: Exception) -> float:
        self.node.trouble = str(error).strip()[:300] or type(error).__name__
        known = isinstance(error, Error) and classify(error) is not Fault.OTHER
        logger.log(
            logging.WARNING if known else logging.ERROR,
            "tick failed",
            extra={"cause": self.node.trouble, "pause_seconds": self._pause},
            exc_info=None if known else error,
        )
        drop_connection()
        self._past = {}
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        return pause

    def _process_other_jobs(self) -> float:
        """Jobs in other stores, by APScheduler's own rules; returns the seconds to the next look.

        Whatever is wrong with such a store is no trouble of this node's: its tasks go on.
        """
        at = time.monotonic()
        if at < self._others_due:
            return self._others_due - at
        if not self.running or self.node.draining:
            return OTHERS_SECONDS  # what is due is another node's, or this one's after the next start
        try:
            if job_stores.named():
                self.in_turn = nodes.is_eldest(self.node.node_id, clock.now())
            wait: float | None = super()._process_jobs()
        except Error:  # our own database: the tick's to handle
            raise
        except Exception as error:  # noqa: BLE001  a store is somebody else's, and so is what it raises
            logger.warning("a job store failed", extra={"cause": str(error).strip()[:300]})
            self._others_due = at + LONGEST_PAUSE_SECONDS
            return LONGEST_PAUSE_SECONDS
        # Not less: what is due and cannot be run, for whatever reason, must not make the tick spin.
        pause = min(max(wait if wait is not None else OTHERS_SECONDS, 0.1), OTHERS_SECONDS)
        self._others_due = at + pause
        return pause

    def run_ended(self) -> None:
        """In any thread, after each run. Mostly nobody waits for its seat, and its result is stored beside the tick."""
        if self._hungry or not self._recording.started:
            self._tick_soon()

    def _tick_soon(self) -> None:
        """In any thread: ends the wait for the next tick. A scheduler that was not started waits for nothing."""
        if self.running:
            self.wakeup()

    @property
    def has_died(self) -> bool:
        """Whether the ticking thread or one beside it has ended by itself."""
        died = self._rush.has_died or self._recording.has_died
        return died or not self.running or not self._thread.is_alive()

    @property
    def has_news(self) -> bool:
        """Whether something was done beside the tick that it has not followed up yet."""
        return self._rush.has_news or self._recording.has_news

    def _seen_alive(self) -> float:
        """Monotonic: now, unless a companion of this thread stands still."""
        return min(self._rush.seen_alive(), self._recording.seen_alive())

    # --- our tick

    def _tick(self) -> float:
        now = clock.refresh(older_than=clock.CARRIED_SECONDS)
        busy = self._admit(now)
        now = clock.now()  # nothing is claimed before it was admitted
        self.node.last_tick = self._seen_alive()
        busy |= self._exchange(now)
        self.node.last_tick = self._seen_alive()
        self._keep(now)
        sql.keep_journal_short(resting=not busy)
        self.node.idle_ticks = 0 if busy or self._rush.at_work else self.node.idle_ticks + 1
        if busy:
            return 0.0
        waits = [self.node.poll_seconds]
        ripe = None if self._recording.started else self._recording.ripe_in()
        if ripe is not None:
            waits.append(ripe)
        if self._next_due is not None:
            waits.append((self._next_due - clock.now()).total_seconds())
        return max(0.0, min(waits))

    def _admit(self, now: datetime) -> bool:
        """One batch of what is due, unless a rush is at work on it. Whether there may be more at once."""
        rushing = self._rush.at_work  # first: what it does last is told before it is over
        for admitted in self._rush.news():
            self._note(admitted)
        at = time.monotonic()
        if rushing:
            self._next_due = None
        elif at >= self._due_known_until or not self._believed(at):
            self._next_due = liverows.earliest(self.node.strangers)
            self._due_known_until = at + LOOK_SECONDS
        is_due = self._next_due is not None and self._next_due <= now
        if rushing or is_due:
            self._due_known_until = 0.0  # what is due is taken now, and another one comes next
        if not is_due:
            return False
        limit = admission.BATCH if sql.has_one_writer() else FIRST_ROWS
        admitted = admission.admit_due(clock.refresh(), limit=limit, strangers=self.node.strangers)
        self._note(admitted)
        if admitted.taken == limit and not sql.has_one_writer():
            self._rush.begin(self.node.strangers)
        return bool(admitted.taken)

    def _note(self, admitted: admission.Admitted) -> None:
        """What follows from a batch beside its rows: what this process knows, its log and its events."""
        self._note_strangers(admitted.strangers)
        self.node.some_wait |= any(row["state"] == "waiting" for row in admitted.rows)
        for row in admitted.rows:
            if row["state"] == "missed":
                self._tell(EVENT_JOB_MISSED, row["task_key"], row["scheduled_for"])
            elif row["reason"] == "overlap" and row["state"] == "skipped":
                self._count(EVENT_JOB_MAX_INSTANCES)

    def _note_strangers(self, found: list[str]) -> None:
        for id in found:
            logger.warning("a live row belongs to no task; it is left alone", extra={"live_row": id})
        self.node.strangers.update(found)

    def _exchange(self, now: datetime) -> bool:
        """Stores a group of results, unless that is done beside, and claims for the seats that are free. Whether it
        did anything.
        """
        if self._recording.has_news:
            # Before it is taken: whoever sees neither may believe that nothing is left.
            self.node.idle_ticks = 0
        for stored in self._recording.news():
            self._after_storing(*stored, now)
        if self.node.doubtful_claim is not None:
            self._recover_claim(self.node.doubtful_claim, now)
        # In this order: what has ended makes room, and a crash leaves no more in doubt than runs.
        return self._store(now) | self._claim(now)

    def _store(self, now: datetime) -> bool:
        """Stores a group of results, if one is ripe and nobody does so beside. Whether it did."""
        if self._recording.started:
            return False
        with self._recording.group() as group:
            if not group:
                return False
            recorded = self._recording.store(group, now)
        self._after_storing(group, recorded, now)
        return True

    def _claim(self, now: datetime) -> bool:
        """Claims for the seats that are free, and hands over what it got. Whether it got anything."""
        # A seat that becomes free from here on ends the wait, until it is known that it need not.
        self._hungry = True
        self._await_seats()
        full = self.node.runs.some_are_full()
        room = self._recording.room()
        wanted = self._wanted(self.node.runs.free() if self.node.may_claim and room > 0 else {})
        self._hungry = bool(wanted) or full
        if not wanted:
            return False
        most = min(sum(wanted.values()), room)
        self.node.doubtful_claim = claim_id = uuid.uuid4()
        taken = in_transaction(
            lambda: claims.claim(
                self.node.node_id, claim_id, self.node.open_queues, most, now, wanted, self._past
            )
        )
        self.node.doubtful_claim = None
        self._filled = tuple(wanted) if len(taken) == most else ()
        if sql.steps_over_claimed():
            self._past = {**self._past, **claims.past_of(taken)}
        self.node.runs.begin(taken, now)
        self._count(EVENT_JOB_SUBMITTED, len(taken))
        return bool(taken)

    def _wanted(self, free: Mapping[str, int]) -> dict[str, int]:
        """The free seats of those executors for which something is queued, or was a moment ago in plenty."""
        at = time.monotonic()
        believed = self._believed(at)
        if known := {name: free[name] for name in believed if free.get(name)}:
            return known
        if not believed:  # otherwise only the others are asked about
            self._filled_until = at + LOOK_SECONDS
            self._past = {}  # what has come to stand before, too
        return claims.queued_for(self.node.open_queues, free, idle=not self.node.runs.number())

    def _await_seats(self) -> None:
        """While one claim is filled after the other, waits a moment: a claim for one seat takes as long as one for all.

        Short runs may otherwise fall into step with the tick, so that it claims for 51, 13, 51, 13, …
        """
        runs = self.node.runs
        at = time.monotonic()
        end = at + GATHER_SECONDS
        while at < end and (names := self._believed(at)):
            some = min(sum(map(runs.free_of, names)), self._recording.room())
            if 2 * some >= sum(map(runs.seats_of, names)):
                return
            time.sleep(GLANCE_SECONDS)
            at = time.monotonic()

    def _believed(self, at: float) -> tuple[str, ...]:
        """The executors of which the last claim was filled, unless that was too long before ``at`` (monotonic)."""
        return self._filled if at < self._filled_until else ()

    def _recover_claim(self, claim_id: uuid.UUID, now: datetime) -> None:
        """Begins what a claim took whose answer was lost: the database knows whether it was committed."""
        taken = claims.claimed(self.node.node_id, claim_id)
        self.node.doubtful_claim = None
        if taken:
            logger.info("claim read back", extra={"claim": str(claim_id), "rows": len(taken)})
            self.node.runs.begin(taken, now)

    def _after_storing(self, group: Group, recorded: Recorded, now: datetime) -> None:
        for late in recorded.refused:
            logger.warning(
                "a result came too late and is kept as a note",
                extra={"execution": late.id, "attempt": late.order.attempt, "task": late.order.task_key},
            )
        self._tell_results(group.results)
        if self.node.some_wait and recorded.task_ids:
            admission.promote(now, recorded.task_ids)

    def _keep(self, now: datetime) -> None:
        at = time.monotonic()
        for place, (keeper, due) in enumerate(self._keepers):
            if at >= due:
                self._keepers[place] = (keeper, at + keeper.every_seconds)
                keeper.keep(self.node, now)

    # --- events, for APScheduler listeners that a project has

    def _tell_results(self, results: list[Result]) -> None:
        if self._listeners:
            for result in results:
                self._tell_result(result)
            return
        succeeded = sum(result.outcome.state == "succeeded" for result in results)
        self._count(EVENT_JOB_EXECUTED, succeeded)
        self._count(EVENT_JOB_ERROR, len(results) - succeeded)

    def _tell_result(self, result: Result) -> None:
        outcome = result.outcome
        code = EVENT_JOB_EXECUTED if outcome.state == "succeeded" else EVENT_JOB_ERROR
        exception = None if outcome.state == "succeeded" else RuntimeError(outcome.message or outcome.detail)
        self._tell(
            code, result.order.task_key, result.order.scheduled_for,
            retval=outcome.result, exception=exception, traceback=outcome.traceback,
        )  # fmt: skip

    def _tell(self, code: int, task_key: str, scheduled_for: datetime, **more: object) -> None:
        if self._listeners:
            self._dispatch_event(JobExecutionEvent(code, task_key, "tasks", scheduled_for, **more))
        else:
            self._count(code)

    def _dispatch_event(self, event: SchedulerEvent) -> None:
        self._count(event.code)
        super()._dispatch_event(event)

    def _count(self, code: int, number: int = 1) -> None:
        if number:
            self.node.events[EVENTS.get(code, str(code))] += number
