"""What a change of a task does to its occurrences, before it is made: added, removed, moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from scheduling import clock, triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Execution, Reason, State, Task

LEAST_DAYS, MOST_DAYS = 7, 90
#: Occurrences that are looked at, before the change and after it.
MOST = 5_000
#: What is kept with a change: it is made while the task's live row is locked.
STORED_DAYS, STORED_MOST = 7, 1_000
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Impact:
    """Occurrences after now that come, go or move when the change is made."""

    days: int
    until: datetime  # how far was looked: less than the days when there are very many occurrences
    complete: bool  # whether that is as far as was asked for
    added: int = 0
    removed: int = 0
    moved: int = 0  # to another time of the same day
    kept: int = 0
    first_added: list[datetime] = field(default_factory=list)
    first_removed: list[datetime] = field(default_factory=list)
    first_moved: list[tuple[datetime, datetime]] = field(default_factory=list)
    retries: int = 0  # runs of the task that wait to be tried again: they keep the definition of their birth
    queued: int = 0  # runs that are queued, or wait for their turn: so do they

    def as_json(self) -> dict[str, Any]:
        """The numbers and the first few, in plain JSON values: what a version stores."""
        values = asdict(self)
        values["until"] = self.until.isoformat()
        values["first_added"] = [at.isoformat() for at in self.first_added]
        values["first_removed"] = [at.isoformat() for at in self.first_removed]
        values["first_moved"] = [
            [before.isoformat(), after.isoformat()] for before, after in self.first_moved
        ]
        return values


def as_edited(before: Task, after: Task, now: datetime) -> Task:
    """A copy of ``after`` with what an edit would set: a changed schedule is counted anew, from its start or now."""
    task = copy(after)
    columns = ("calendar_id" if name == "calendar" else name for name in Task.SCHEDULE)
    if any(getattr(before, name) != getattr(task, name) for name in columns):
        task.anchor_at, task.run_count = task.start_at or now, 0
    return task


def of_change(
    before: Task | None,
    after: Task | None,
    *,
    days: int = LEAST_DAYS,
    now: datetime | None = None,
    most: int = MOST,
    waiting: Mapping[int, tuple[int, int]] | None = None,
) -> Impact:
    """The impact of making ``after`` out of ``before``; None stands for a task that does not exist.

    A task at rest has no occurrences. Days are 7 to 90. Raises InvalidTrigger when ``after`` is none.
    Reads the task's waiting executions and nothing else; ``waiting``: they have been read for many tasks at once.
    """
    now = now or clock.now()
    days = min(max(days, LEAST_DAYS), MOST_DAYS)
    horizon = now + timedelta(days=days)
    try:
        old, until = _occurrences(before, now, horizon, most)
    except InvalidTrigger:  # what does not work yet has no occurrences
        old, until = [], horizon
    new, new_until = _occurrences(after, now, horizon, most)
    until = min(until, new_until)
    zone = triggers.zone((after or before or Task()).time_zone)
    values = _compared([at for at in old if at <= until], [at for at in new if at <= until], zone)
    if waiting is None:
        waiting = waiting_of([before.pk] if before is not None else [])
    retries, queued = waiting.get(before.pk if before is not None else 0, (0, 0))
    return Impact(days=days, until=until, complete=until == horizon, retries=retries, queued=queued, **values)


def _occurrences(
    task: Task | None, now: datetime, horizon: datetime, most: int
) -> tuple[list[datetime], datetime]:
    """A task's occurrences, and until when they are all of them."""
    if task is None or task.is_at_rest or task.has_run_enough:
        return [], horizon
    left = None if task.max_runs is None else task.max_runs - task.run_count
    found = task.build_trigger().between(now, horizon, most if left is None else min(most, left))
    return found, horizon if len(found) < most else found[-1]


def _compared(old: list[datetime], new: list[datetime], zone: ZoneInfo) -> dict[str, Any]:
    """Those of both lists are kept; of the others, the first removed and the first added of a day are one move."""
    kept = set(old) & set(new)
    removed, added = _by_day(old, kept, zone), _by_day(new, kept, zone)
    moved = [
        pair
        for day in sorted(removed.keys() & added.keys())
        for pair in zip(removed[day], added[day], strict=False)
    ]
    gone = {before for before, _after in moved}
    come = {after for _before, after in moved}
    removed_only = [at for at in old if at not in kept and at not in gone]
    added_only = [at for at in new if at not in kept and at not in come]
    return {
        "added": len(added_only),
        "removed": len(removed_only),
        "moved": len(moved),
        "kept": len(kept),
        "first_added": added_only[:SHOWN],
        "first_removed": removed_only[:SHOWN],
        "first_moved": moved[:SHOWN],
    }


def _by_day(instants: list[datetime], kept: set[datetime], zone: ZoneInfo) -> dict[date, list[datetime]]:
    days: dict[date, list[datetime]] = defaultdict(list)
    for at in instants:
        if at not in kept:
            days[at.astimezone(zone).date()].append(at)
    return days


def waiting_of(task_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """How many runs of each task wait to be tried again, and how many wait otherwise or are queued. One query."""
    if not task_ids:
        return {}
    rows = Execution.objects.active().filter(task_id__in=task_ids, state__in=(State.WAITING, State.QUEUED))
    found: dict[int, tuple[int, int]] = {}
    for task_id, state, reason in rows.values_list("task_id", "state", "reason"):
        retries, queued = found.get(task_id, (0, 0))
        again = state == State.WAITING and reason == Reason.RETRY
        found[task_id] = (retries + again, queued + (not again))
    return found
