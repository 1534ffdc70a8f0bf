"""Which of the instants that have come are run, which are given up, and what comes next. Plain arithmetic.

In ordinary times one instant is due and it runs. After an outage there may be thousands; what happens then
is the task's misfire policy (design: decisions, "misfire").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduling.models import Reason, Task
from scheduling.triggers import Trigger

#: Instants of one task that are looked at one by one in one go.
WALK_LIMIT = 100
TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Missed:
    """Instants that will not run: all of the schedule's from ``first`` to ``last``."""

    first: datetime
    last: datetime
    count: int | None  # None: more than were counted
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decision:
    run: list[datetime]  # oldest first
    missed: Missed | None
    next_time: datetime | None


def decide(
    trigger: Trigger, due: datetime, now: datetime, *, policy: str, grace_seconds: int, catch_up_limit: int
) -> Decision:
    """What becomes of the instants from ``due`` (known to be one) to ``now``, both included.

    With a schedule that waits for the end of a run the one that is due runs, however late, and what comes next is
    not known yet. Looks at no more than ``WALK_LIMIT`` instants from either end, however long the outage was.
    """
    if trigger.follows_end:
        return Decision([due], None, None)
    instants, next_time = [due], trigger.next_after(due)
    if next_time is not None and next_time <= now:  # in ordinary times it is yet to come
        instants += trigger.between(due, now, WALK_LIMIT)
        next_time = trigger.next_after(now)
    complete = len(instants) <= WALK_LIMIT
    newest = instants[-1] if complete else trigger.latest(now, due) or instants[-1]
    if policy == Task.Misfire.RUN_ALL:
        run = instants[-catch_up_limit:] if complete else _newest(trigger, due, newest, catch_up_limit)
        reason = Reason.OVER_LIMIT
    elif policy == Task.Misfire.SKIP and now - newest > timedelta(seconds=grace_seconds):
        count = len(instants) if complete else None
        return Decision([], Missed(due, newest, count, Reason.LATE), next_time)
    else:
        run, reason = [newest], Reason.COALESCED
    if run[0] == due:
        return Decision(run, None, next_time)
    if complete:
        older = instants[: -len(run)]
        return Decision(run, Missed(due, older[-1], len(older), reason), next_time)
    last = trigger.latest(run[0] - TICK, due) or due
    return Decision(run, Missed(due, last, None, reason), next_time)


def _newest(trigger: Trigger, due: datetime, newest: datetime, limit: int) -> list[datetime]:
    """The ``limit`` newest instants after ``due``, found by stepping back; oldest first."""
    found = [newest]
    while len(found) < limit:
        earlier = trigger.latest(found[-1] - TICK, due)
        if earlier is None:
            break
        found.append(earlier)
    return found[::-1]
