"""Admission: the one place where an occurrence becomes a row, and where it is decided whether it may run.

Scheduled, manual and (later) dependent occurrences differ only in who asks. Whoever admits holds the task's
live row and counts in a statement begun after the lock was given; so every earlier admission is seen and
``max_concurrent`` holds on every database (docs/engine.md, "limits").
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, DateTimeField, F

from scheduling import sql
from scheduling.models import ACTIVE, NEVER, Execution, Origin, Reason, State, Task
from scheduling.sentences import of_runs
from scheduling.services import accounted, liverows, misfire, replacement
from scheduling.services.plans import Plan, plans
from scheduling.sql.prepared import Param, Prepared
from scheduling.sql.transactions import in_transaction

logger = logging.getLogger(__name__)

#: Live rows taken in one transaction.
BATCH = 500
#: Executions of one task that may wait for their turn.
WAITING_CAP = 1_000


@dataclass(slots=True)
class Admitted:
    """What one batch did: for the scheduler's log and events, never for a decision."""

    taken: int = 0  # live rows
    rows: list[sql.Row] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)  # task id → why
    strangers: list[str] = field(default_factory=list)  # live rows whose id is no task's


@dataclass(slots=True)
class Load:
    """What is active of one task, counted under its lock and kept up while more is admitted."""

    counted: int = 0  # queued + running + waiting(retry)
    waiting: int = 0  # waiting(overlap)
    replaces: bool = False  # one is to take the place of older ones

    def place(self, plan: Plan, *, must_run: bool = False) -> tuple[State, str]:
        """The state and reason of one more occurrence. ``must_run``: it waits where it would be skipped."""
        if not plan.max_concurrent or self.counted < plan.max_concurrent:
            self.counted += 1
            return State.QUEUED, ""
        if plan.overlap_policy == Task.Overlap.REPLACE and not must_run:
            self.waiting = 1  # the older ones go
            self.replaces = True
            return State.WAITING, Reason.OVERLAP
        if plan.overlap_policy == Task.Overlap.SKIP and not must_run:
            return State.SKIPPED, Reason.OVERLAP
        if plan.overlap_policy == Task.Overlap.QUEUE_ONE and self.waiting and not must_run:
            return State.SKIPPED, Reason.OVERLAP
        if self.waiting >= WAITING_CAP:
            return State.SKIPPED, Reason.QUEUE_FULL
        self.waiting += 1
        return State.WAITING, Reason.OVERLAP


def admit_due(now: datetime, *, limit: int = BATCH, strangers: Iterable[str] = ()) -> Admitted:
    """Admits what is due: one transaction over at most ``limit`` live rows that nobody else holds."""

    def work() -> Admitted:
        due = liverows.lock_due(now, limit, strangers)
        return _admit(due, now) if due else Admitted()

    admitted = in_transaction(work)
    _report(admitted)
    return admitted


def settle(task_id: int, now: datetime) -> None:
    """Admits what is due of one task whose live row the caller has locked, before the caller changes the task.

    An edit therefore never makes an occurrence vanish that had come due under the old definition (P3), not even
    one whose live row was lost and has not been mended yet.
    """
    next_time = liverows.lock(task_id)
    if next_time is None:
        next_time = accounted.lost([task_id], now).get(task_id)
    if next_time is not None and next_time <= now:
        _report(_admit([(str(task_id), next_time)], now))


def _admit(due: list[tuple[str, datetime]], now: datetime) -> Admitted:
    admitted = Admitted(taken=len(due))
    instants = {}
    for id, at in due:
        if id.isdecimal():
            instants[int(id)] = at
        else:
            admitted.strangers.append(id)
    known = plans.read(instants)
    loads = count_active(known)
    room = _runs_left(known.values())
    moves: dict[int, datetime | None] = {}
    for task_id, at in instants.items():
        plan = known.get(task_id)
        if plan is None:
            admitted.strangers.append(str(task_id))
            continue
        try:
            decision = misfire.decide(
                plan.times,
                at,
                now,
                policy=plan.misfire_policy,
                grace_seconds=plan.misfire_grace_seconds,
                catch_up_limit=plan.catch_up_limit,
            )
        except Exception as error:  # noqa: BLE001  one task's trigger, possibly a third party's, must not stop the others
            admitted.broken[task_id] = f"{type(error).__name__}: {error}"[:500]
            moves[task_id] = None
            continue
        load = loads[task_id]
        left = room.get(task_id)
        rows = _rows(plan, decision, load, now, left)
        admitted.rows += rows
        moves[task_id] = decision.next_time
        if left is not None:
            runs = sum(row["state"] in ACTIVE for row in rows)
            Task.objects.filter(pk=task_id).update(run_count=F("run_count") + runs)
            if runs >= left:
                moves[task_id] = None
        if load.replaces:
            replacement.cancel_waiting(task_id, now)
            replacement.make_way(task_id, load.counted - plan.max_concurrent + 1, now)
    sql.insert_executions(admitted.rows)
    liverows.move(moves)
    for task_id, why in admitted.broken.items():
        Task.objects.filter(pk=task_id).update(schedule_error=why)
    return admitted


def count_active(task_ids: Iterable[int]) -> dict[int, Load]:
    """What is active of each of those tasks. The caller holds their live rows."""
    loads = {task_id: Load() for task_id in task_ids}
    for task_id, state, reason, number in sql.count_active(list(loads)):
        if state != State.WAITING or reason == Reason.RETRY:
            loads[task_id].counted += number
        elif reason == Reason.OVERLAP:
            loads[task_id].waiting += number
    return loads


def _runs_left(known: Iterable[Plan]) -> dict[int, int]:
    """How many scheduled runs are left to those tasks that have a maximum. The caller holds their live rows."""
    most = {plan.id: plan.max_runs for plan in known if plan.max_runs is not None}
    if not most:
        return {}
    counts = Task.objects.filter(pk__in=most).values_list("id", "run_count")
    return {task_id: max(0, most[task_id] - count) for task_id, count in counts}


def _rows(
    plan: Plan, decision: misfire.Decision, load: Load, now: datetime, left: int | None
) -> list[sql.Row]:
    """The rows for what is missed and for what runs, of that no more than are ``left`` (None: no maximum)."""
    rows: list[sql.Row] = []
    if left == 0:
        return rows
    if decision.missed:
        missed = decision.missed
        row = new_row(
            plan, missed.first, now, State.MISSED, missed.reason,
            detail=_missed_detail(missed), parameters=plan.parameters_json,
        )  # fmt: skip
        row |= {"covers_until": missed.last, "covers_count": missed.count}
        rows.append(row)
    # Under run_all the caught-up ones were asked for one by one: they wait for each other instead of being skipped.
    must_run = len(decision.run) > 1
    for instant in decision.run[:left]:
        state, reason = load.place(plan, must_run=must_run)
        row = new_row(plan, instant, now, state, reason, parameters=plan.parameters_json)
        if plan.jitter_seconds and state == State.QUEUED:
            at = instant + jitter(plan, instant)
            if at > now:
                load.counted -= 1  # it is counted when its time has come
                row |= {"state": State.WAITING.value, "reason": Reason.DELAY.value, "available_at": at}
                row["detail"] = of_runs.NOT_BEFORE_BY_JITTER(at=at.isoformat(timespec="milliseconds"))
        rows.append(row)
    return rows


def jitter(plan: Plan, instant: datetime) -> timedelta:
    """How much later than its time the task's run of that instant starts: by chance, but always the same."""
    chance = random.Random(f"{plan.id} {instant.isoformat()}")  # noqa: S311 (spread, not secrecy)
    return timedelta(seconds=chance.random() * (plan.jitter_seconds or 0))


def _missed_detail(missed: misfire.Missed) -> str:
    stretch = {"first": missed.first.isoformat(), "last": missed.last.isoformat()}
    if missed.count is None:
        return of_runs.MISSED_MORE(number=misfire.WALK_LIMIT, **stretch)
    return of_runs.MISSED(number=missed.count, **stretch)


DETAILS: dict[tuple[str, str], str] = {
    (State.SKIPPED, Reason.OVERLAP): of_runs.SKIPPED(),
    (State.SKIPPED, Reason.QUEUE_FULL): of_runs.TOO_MANY_WAIT(number=WAITING_CAP),
    (State.WAITING, Reason.OVERLAP): of_runs.WAITS_ITS_TURN(),
}


def new_row(
    plan: Plan,
    scheduled_for: datetime,
    now: datetime,
    state: State,
    reason: str,
    *,
    origin: Origin = Origin.SCHEDULE,
    slot: str = "",
    detail: str = "",
    parameters: Any = None,
) -> sql.Row:
    """One new execution, as the insert wants it."""
    return {
        "task_id": plan.id,
        "task_key": plan.key,
        "task_version": plan.version,
        "function": plan.function,
        "scheduled_for": scheduled_for,
        "slot": slot,
        "origin": origin.value,
        "state": state.value,
        "reason": str(reason),
        "detail": detail or (DETAILS.get((state, str(reason)), "") if reason else ""),
        "executor": plan.executor,
        "queue": plan.queue,
        "rank": plan.rank,
        "pool_id": plan.pool_id or 0,
        "weight": plan.weight,
        "timeout_seconds": plan.timeout_seconds,
        "memory_limit_mb": plan.memory_limit_mb,
        "cpu_limit_seconds": plan.cpu_limit_seconds,
        "available_at": now,
        "admitted_at": now,
        "queued_at": now,
        "finished_at": None if state in ACTIVE else now,
        "covers_until": None,
        "covers_count": None,
        "parameters": plan.parameters if parameters is None else parameters,
    }


def _report(admitted: Admitted) -> None:
    for task_id, why in admitted.broken.items():
        logger.error("task has no next time", extra={"task_id": task_id, "cause": why})
    outcomes = Counter(row["state"] for row in admitted.rows)
    if admitted.rows:
        logger.debug(
            "admitted", extra={"live_rows": admitted.taken, **{f"rows_{k}": v for k, v in outcomes.items()}}
        )


def promote(now: datetime, task_ids: Iterable[int]) -> int:
    """Lets those of the tasks' waiting executions start whose time has come and for which there is room.

    Returns how many were moved on. Tasks that somebody else holds are left to them or to the next sweep.
    """
    wanted = list(task_ids)
    if not wanted:
        return 0

    def work() -> int:
        held = liverows.lock_many(wanted, skip_locked=True)
        known = plans.read(held)
        loads = count_active(known)
        # What waits for room that there is not must not fill the look: behind it others wait for their time.
        full = [
            task_id
            for task_id, plan in known.items()
            if plan.max_concurrent <= loads[task_id].counted
            and plan.max_concurrent
            and plan.overlap_policy != Task.Overlap.REPLACE
        ]
        waiting = (
            Execution.objects.active()
            .filter(task_id__in=list(known), state=State.WAITING, wakes_at__lte=now)
            .exclude(task_id__in=full, reason=Reason.OVERLAP)
            .order_by("wakes_at", "id")
            .values_list("id", "task_id", "reason", "origin")[:WAITING_CAP]
        )
        queued, blocked = [], []
        replacing: Counter[int] = Counter()
        for id, task_id, reason, origin in waiting:
            plan, load = known[task_id], loads[task_id]
            if reason == Reason.RETRY:  # counted all along
                queued.append(id)
            elif not plan.max_concurrent or load.counted < plan.max_concurrent:
                load.counted += 1
                queued.append(id)
            else:
                if reason != Reason.OVERLAP:
                    blocked.append(id)
                if plan.overlap_policy == Task.Overlap.REPLACE and origin == Origin.SCHEDULE:
                    replacing[task_id] = load.counted - plan.max_concurrent + 1
        Execution.objects.filter(pk__in=queued, state=State.WAITING).update(
            state=State.QUEUED, reason="", detail="", queued_at=now
        )
        for task_id, places in replacing.items():
            replacement.make_way(task_id, places, now)
        Execution.objects.filter(pk__in=blocked, state=State.WAITING).update(
            reason=Reason.OVERLAP, detail=DETAILS[State.WAITING, Reason.OVERLAP]
        )
        return len(queued)

    return in_transaction(work)


def tasks_waiting(now: datetime, *, after: int = 0, limit: int = BATCH) -> list[int]:
    """Tasks with waiting executions whose time has come, by id, from the one after ``after`` on."""
    return [task_id for (task_id,) in TASKS_WAITING.rows(limit, now=now, after=after)]


TASKS_WAITING = Prepared(
    lambda limit: (
        Execution.objects.filter(
            state=State.WAITING,
            wakes_at__lte=Param("now", DateTimeField()),
            task_id__gt=Param("after", BigIntegerField()),
        )
        .order_by("task_id")
        .values_list("task_id")
        .distinct()[:limit]
    )
)


def hold(task_ids: Iterable[int]) -> None:
    """Lets queued scheduled executions of those tasks wait until the task goes on (pause)."""
    Execution.objects.active().filter(
        task_id__in=list(task_ids), state__in=(State.QUEUED, State.WAITING), origin=Origin.SCHEDULE
    ).exclude(state=State.WAITING, reason=Reason.RETRY).update(
        state=State.WAITING, reason=Reason.PAUSED, detail=of_runs.TASK_PAUSED(), available_at=NEVER
    )


def release(task_ids: Iterable[int], now: datetime) -> None:
    """Lets them go on, as far as there is room (resume)."""
    held = Execution.objects.active().filter(task_id__in=list(task_ids), state=State.WAITING)
    held.filter(reason=Reason.PAUSED).update(
        reason=Reason.OVERLAP, detail=DETAILS[State.WAITING, Reason.OVERLAP], available_at=now
    )


def withdraw(task_ids: Iterable[int], now: datetime, reason: Reason, detail: str) -> list[int]:
    """Ends what is queued or waits of those tasks as cancelled (disable, delete); returns what it has ended."""
    rows = Execution.objects.active().filter(
        task_id__in=list(task_ids), state__in=(State.QUEUED, State.WAITING)
    )
    ids = list(rows.select_for_update().order_by("id").values_list("id", flat=True))
    Execution.objects.filter(pk__in=ids, state__in=(State.QUEUED, State.WAITING)).update(
        state=State.CANCELLED, reason=reason, detail=detail, finished_at=now
    )
    return ids
