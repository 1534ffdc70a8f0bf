"""What admission needs to know of a task, read by primary key and kept while the version stands."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

from scheduling import triggers
from scheduling.models import Task
from scheduling.models.task import build_trigger

#: Plans kept by one process; a trigger and a few words each.
KEPT = 20_000

COLUMNS = (
    "id", "version", "key", "function", "parameters",
    "trigger", "trigger_params", "time_zone", "start_at", "end_at", "clock_gap", "clock_overlap", "anchor_at",
    "misfire_policy", "misfire_grace_seconds", "catch_up_limit", "max_concurrent", "overlap_policy",
    "executor", "queue", "priority", "pool_id", "weight", "timeout_seconds",
    "memory_limit_mb", "cpu_limit_seconds", "jitter_seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """A task's version, as far as it decides about occurrences. Fields as on Task."""

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

    @property
    def rank(self) -> int:
        """The place in the order of claims, 0 first: the reverse of the priority."""
        return 9 - self.priority


class Plans:
    """A bounded memory of plans, of triggers ready to use, safe for threads.

    A plan is used only at the version that was read in the same transaction, so it can be old but not stale.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._plans: OrderedDict[int, tuple[Plan, triggers.Trigger | None]] = OrderedDict()
        self._lock = Lock()

    def read(self, task_ids: Iterable[int]) -> dict[int, Plan]:
        """The present plans of those tasks; deleted and unknown ones are left out. One or two queries."""
        versions = dict(Task.objects.present().filter(pk__in=list(task_ids)).values_list("id", "version"))
        with self._lock:
            known = {
                task_id: self._plans[task_id][0]
                for task_id, version in versions.items()
                if task_id in self._plans and self._plans[task_id][0].version == version
            }
        missing = [task_id for task_id in versions if task_id not in known]
        if missing:
            rows = Task.objects.filter(pk__in=missing).values_list(*COLUMNS)
            fresh = {row[0]: Plan(*row) for row in rows}
            with self._lock:
                for plan in fresh.values():
                    self._plans[plan.id] = (plan, None)
                    self._plans.move_to_end(plan.id)
                while len(self._plans) > self._kept:
                    self._plans.popitem(last=False)
            known |= fresh
        return known

    def forget(self) -> None:
        """Drops all of them (tests, whose rolled back tasks come again with the same ids and versions)."""
        with self._lock:
            self._plans.clear()

    def trigger(self, plan: Plan) -> triggers.Trigger:
        """The plan's trigger, built once. Raises InvalidTrigger."""
        with self._lock:
            kept = self._plans.get(plan.id)
            if kept and kept[0].version == plan.version and kept[1] is not None:
                return kept[1]
        trigger = build_trigger(plan)
        with self._lock:
            self._plans[plan.id] = (plan, trigger)
        return trigger


plans = Plans()
