"""The tasks of the board: which ones, how they stand, and what each card says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.http import QueryDict
from django_apscheduler.models import DjangoJob

from jobsite.belief import Belief
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Node, State, Task
from scheduling.models.task import TaskQuerySet
from scheduling.services import health, stats

#: Cards on one page.
MOST = 60
#: What the board can be narrowed to.
STATES = ("enabled", "paused", "disabled", "running", "failed")


@dataclass(frozen=True, slots=True)
class Filter:
    """What the person has chosen: the text searched for, a category, a group's id, a state, and the page."""

    q: str = ""
    category: str = ""
    group: str = ""
    state: str = ""
    after: str = ""  # the last key of the page before
    before: str = ""  # the first key of the page behind

    @classmethod
    def of(cls, query: QueryDict) -> Filter:
        values = {name: query.get(name, "").replace("\0", "")[:200].strip() for name in cls.__slots__}
        if not (values["group"].isdecimal() and len(values["group"]) < 19):
            values["group"] = ""
        if values["state"] not in STATES:
            values["state"] = ""
        return cls(**values)

    def address(self, **changes: str) -> str:
        """The query string for this choice with some of it changed; the first page, unless said otherwise."""
        values = (
            {name: getattr(self, name) for name in self.__slots__} | {"after": "", "before": ""} | changes
        )
        return "?" + urlencode({name: value for name, value in values.items() if value})

    @property
    def is_narrow(self) -> bool:
        return bool(self.q or self.category or self.group or self.state)


@dataclass(slots=True)
class Card:
    task: Task
    standing: str
    schedule: str
    next_at: datetime | None
    runs: list[stats.Run]

    @property
    def running(self) -> stats.Run | None:
        return next((run for run in reversed(self.runs) if run.state == State.RUNNING), None)

    @property
    def last(self) -> stats.Run | None:
        """The last one that has ended."""
        return next((run for run in reversed(self.runs) if run.finished_at is not None), None)


@dataclass(slots=True)
class Counts:
    """All tasks, counted once: by how they stand, and what they can be narrowed to."""

    total: int = 0
    enabled: int = 0
    paused: int = 0
    disabled: int = 0
    running: int = 0
    failed: int = 0
    categories: list[tuple[str, int]] = field(default_factory=list)
    groups: list[tuple[int, str, int]] = field(default_factory=list)


counted: Belief[Counts] = Belief()


def count(busy: set[int], failed: set[int]) -> Counts:
    """One query over the tasks, which are few beside their history."""
    rows = (
        Task.objects.present()
        .order_by()
        .values_list("category", "group_id", "group__name", "group__paused", "enabled", "paused")
        .annotate(number=Count("id"))
    )
    counts = Counts(running=len(busy), failed=len(failed))
    categories: dict[str, int] = {}
    groups: dict[tuple[int, str], int] = {}
    for category, group_id, group, group_paused, enabled, paused, number in rows:
        counts.total += number
        if not enabled:
            counts.disabled += number
        elif paused or group_paused:
            counts.paused += number
        else:
            counts.enabled += number
        if category:
            categories[category] = categories.get(category, 0) + number
        if group_id:
            groups[group_id, group] = groups.get((group_id, group), 0) + number
    counts.categories = sorted(categories.items())
    counts.groups = sorted(
        ((id, name, number) for (id, name), number in groups.items()), key=lambda row: row[1]
    )
    return counts


def chosen(wanted: Filter, busy: set[int], failed: set[int]) -> TaskQuerySet:
    rows = Task.objects.present().select_related("group", "calendar")
    if wanted.q:
        rows = rows.matching(wanted.q)
    if wanted.category:
        rows = rows.filter(category=wanted.category)
    if wanted.group:
        rows = rows.filter(group_id=int(wanted.group))
    at_rest = Q(paused=True) | Q(group__paused=True)
    if wanted.state == "disabled":
        rows = rows.filter(enabled=False)
    elif wanted.state == "paused":
        rows = rows.filter(at_rest, enabled=True)
    elif wanted.state == "enabled":
        rows = rows.filter(enabled=True, paused=False).exclude(group__paused=True)
    elif wanted.state in ("running", "failed"):
        rows = rows.filter(pk__in=busy if wanted.state == "running" else failed)
    return rows


def page(rows: TaskQuerySet, wanted: Filter) -> tuple[list[Task], str, str]:
    """One page by key, and the keys for the pages before and behind it ('' where there is none): no OFFSET."""
    if wanted.before:
        found = list(rows.filter(key__lt=wanted.before).order_by("-key")[: MOST + 1])
        more, found = len(found) > MOST, found[:MOST][::-1]
        return found, found[0].key if more and found else "", found[-1].key if found else ""
    if wanted.after:
        rows = rows.filter(key__gt=wanted.after)
    found = list(rows.order_by("key")[: MOST + 1])
    more, found = len(found) > MOST, found[:MOST]
    return found, found[0].key if wanted.after and found else "", found[-1].key if more else ""


def cards(tasks: list[Task], nodes: list[Node]) -> list[Card]:
    """What is said of the tasks beside their rows: next times in one query, last runs in two."""
    ids = [task.pk for task in tasks]
    times = dict(DjangoJob.objects.filter(pk__in=[str(id) for id in ids]).values_list("pk", "next_run_time"))
    strips = stats.strips(ids)
    functions = health.functions_of(nodes)
    return [
        Card(
            task,
            standing=health.standing(task, functions),
            schedule=_schedule(task),
            next_at=times.get(str(task.pk)),
            runs=strips[task.pk],
        )
        for task in tasks
    ]


def _schedule(task: Task) -> str:
    try:
        return task.build_trigger().describe()
    except InvalidTrigger as error:
        return str(error)


def context(wanted: Filter, alarm: health.Alarm, day_ago: datetime, now: datetime) -> dict[str, Any]:
    """Everything that the live part of the board shows."""
    busy, failed = stats.busy_and_failed(day_ago)
    tasks, previous, following = page(chosen(wanted, busy, failed), wanted)
    alive = [node for node in alarm.nodes if health.beats(node, now)]
    return {
        "filter": wanted,
        "counts": counted.get("all", lambda: count(busy, failed)),
        "cards": cards(tasks, alive),
        "previous": wanted.address(before=previous) if previous else "",
        "following": wanted.address(after=following) if following else "",
    }
