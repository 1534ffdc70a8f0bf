"""What admission needs to know of a task, read by primary key and kept while the version stands."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Calendar, Task
from scheduling.models.task import build_trigger
from scheduling.sql.prepared import Params, Prepared

#: Plans kept by one process; a trigger and a few words each.
KEPT = 20_000

COLUMNS = (
    "id", "version", "key", "function", "parameters",
    "trigger", "trigger_params", "time_zone", "start_at", "end_at", "clock_gap", "clock_overlap", "anchor_at",
    "misfire_policy", "misfire_grace_seconds", "catch_up_limit", "max_concurrent", "overlap_policy",
    "executor", "queue", "priority", "pool_id", "weight", "timeout_seconds",
    "memory_limit_mb", "cpu_limit_seconds", "jitter_seconds",
    "calendar_id", "calendar_policy", "spread_seconds", "max_runs",
)  # fmt: skip


@dataclass(slots=True)  # frozen, it would take four times as long to make one
class Plan:
    """A task's version, as far as it decides about occurrences. Fields as on Task; never changed once it is made."""

    id: int
    version: int
    key: str
    function: str
    parameters: Any
    trigger: str
    trigger_params: Any
    time_zone: str
    start_at: datetime | None
    end_at: datetime | None
    clock_gap: str
    clock_overlap: str
    anchor_at: datetime
    misfire_policy: str
    misfire_grace_seconds: int
    catch_up_limit: int
    max_concurrent: int
    overlap_policy: str
    executor: str
    queue: str
    priority: int
    pool_id: int | None
    weight: int
    timeout_seconds: int | None
    memory_limit_mb: int | None
    cpu_limit_seconds: int | None
    jitter_seconds: int | None
    calendar_id: int | None
    calendar_policy: str
    spread_seconds: int
    max_runs: int | None
    # The calendar as it was when the plan was read: 0 and None where there is none.
    calendar_version: int
    calendar_rules: triggers.CalendarRules | str | None  # a text: what is wrong with them
    parameters_json: str  # as they are written into each execution
    _times: triggers.Trigger | None = field(default=None, compare=False, repr=False)

    @property
    def times(self) -> triggers.Trigger:
        """The instants of its schedule: its trigger, built when it is first asked for. Raises InvalidTrigger."""
        if self._times is None:
            if isinstance(self.calendar_rules, str):
                raise InvalidTrigger({"calendar": [self.calendar_rules]})
            self._times = build_trigger(self)
        return self._times

    @property
    def state(self) -> tuple[int, int]:
        """What must be as it was for the plan to be used: the versions of the task and of its calendar."""
        return self.version, self.calendar_version

    @property
    def rank(self) -> int:
        """The place in the order of claims, 0 first: the reverse of the priority."""
        return 9 - self.priority


class Plans:
    """A bounded memory of plans, safe for threads.

    A plan is used only at the version that was read in the same transaction, so it can be old but not stale.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._plans: OrderedDict[int, Plan] = OrderedDict()
        self._lock = Lock()

    def read(self, task_ids: Iterable[int]) -> dict[int, Plan]:
        """The present plans of those tasks; deleted and unknown ones are left out. One to three queries."""
        ids = list(task_ids)
        states = {
            id: (version, calendar or 0) for id, version, calendar in (STATES.rows(ids=ids) if ids else ())
        }
        with self._lock:
            known = {
                task_id: plan
                for task_id, state in states.items()
                if (plan := self._plans.get(task_id)) is not None and plan.state == state
            }
        missing = [task_id for task_id in states if task_id not in known]
        if missing:
            fresh = _read(missing)
            with self._lock:
                for plan in fresh.values():
                    self._plans[plan.id] = plan
                    self._plans.move_to_end(plan.id)
                while len(self._plans) > self._kept:
                    self._plans.popitem(last=False)
            known |= fresh
        return known

    def unknown(self, task_ids: Iterable[int]) -> list[int]:
        """Those of the tasks of which no version is kept."""
        with self._lock:
            return [task_id for task_id in task_ids if task_id not in self._plans]

    def forget(self) -> None:
        """Drops all of them (tests, whose rolled back tasks come again with the same ids and versions)."""
        with self._lock:
            self._plans.clear()


STATES = Prepared(
    lambda: (
        Task.objects.present()
        .filter(pk__in=[Params("ids")])
        .order_by()
        .values_list("id", "version", "calendar__version")
    )
)


def _read(task_ids: list[int]) -> dict[int, Plan]:
    rows = [
        dict(zip(COLUMNS, row, strict=True))
        for row in Task.objects.filter(pk__in=task_ids).values_list(*COLUMNS)
    ]
    ids = {row["calendar_id"] for row in rows} - {None}
    calendars = {calendar.pk: calendar for calendar in Calendar.objects.filter(pk__in=ids)} if ids else {}
    found = {}
    for row in rows:
        calendar = calendars.get(row["calendar_id"])
        rules: triggers.CalendarRules | str | None = None
        if calendar is not None:
            try:
                rules = calendar.rules()
            except InvalidTrigger as error:
                rules = str(error)
        found[row["id"]] = Plan(
            **row,
            calendar_version=calendar.version if calendar else 0,
            calendar_rules=rules,
            parameters_json=json.dumps(row["parameters"]),
        )
    return found


plans = Plans()
