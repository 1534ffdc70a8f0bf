"""What happened, in numbers: from tallies and from short ranges of the index by task, however long history is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from scheduling.models import ENDED, Execution, State, Tally, Task
from scheduling.services import durations
from scheduling.services.tallies import RAN

#: Executions of one task that its figures are computed from, at most: the newest.
MOST_RUNS = 1_000
#: A quarter of an hour, a state, how many ended so in it, and their durations by bucket.
Counted = tuple[datetime, str, int, dict[str, int]]
#: Outcomes that somebody has to look at.
FAILURES = (State.FAILED, State.TIMED_OUT, State.LOST, State.MISSED)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution in a strip."""

    id: int
    task_id: int
    state: str
    reason: str
    scheduled_for: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_ms: int | None


@dataclass(slots=True)
class Figures:
    """Outcomes and durations: of a day, or of the runs of a task. Durations in milliseconds, None without runs."""

    counts: dict[str, int] = field(default_factory=dict)  # only states that occurred
    p50_ms: int | None = None
    p95_ms: int | None = None

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def failures(self) -> int:
        return sum(self.counts.get(state, 0) for state in FAILURES)


@dataclass(slots=True)
class Day(Figures):
    """The figures of one day in a zone."""

    day: date = date.min


AnyFigures = TypeVar("AnyFigures", bound=Figures)


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """One task, from its newest executions; ``complete``: older ones do not exist."""

    total: Figures
    days: list[Day]  # oldest first, only days on which something ended
    runs: int
    complete: bool


# --- days, of all tasks together


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Where a day of the zone begins and ends, as instants."""
    return (
        datetime.combine(day, time(), zone),
        datetime.combine(day + timedelta(days=1), time(), zone),
    )


def read(at: datetime) -> list[Counted]:
    """What ended from the quarter of an hour in which ``at`` lies until now, quarter by quarter, in one query."""
    rows = Tally.objects.filter(quarter__gt=at - timedelta(minutes=15)).exclude(state="").order_by()
    return list(rows.values_list("quarter", "state", "number", "durations"))


def first_moment(days: int, zone: ZoneInfo, now: datetime) -> datetime:
    """When the first of the last ``days`` days began."""
    return bounds(now.astimezone(zone).date() - timedelta(days=days - 1), zone)[0]


def by_day(days: int, zone: ZoneInfo, now: datetime, counted: Sequence[Counted] | None = None) -> list[Day]:
    """The last ``days`` days of the zone up to today, oldest first: a row for each, from tallies.

    In one query, or from what was ``read`` already.
    """
    today = now.astimezone(zone).date()
    wanted = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    rows = read(bounds(wanted[0], zone)[0]) if counted is None else counted
    found = {day: Day(day=day) for day in wanted}
    buckets: dict[date, list[dict[str, int]]] = {day: [] for day in wanted}
    for quarter, state, number, taken in rows:
        day = quarter.astimezone(zone).date()
        if day not in found:
            continue
        found[day].counts[state] = found[day].counts.get(state, 0) + number
        buckets[day].append(taken)
    for day, parts in buckets.items():
        total = durations.merged(parts)
        found[day].p50_ms = durations.percentile(total, 0.5)
        found[day].p95_ms = durations.percentile(total, 0.95)
    return list(found.values())


def since(at: datetime, counted: Sequence[Counted] | None = None) -> Figures:
    """Outcomes from the quarter of an hour in which ``at`` lies until now, of all tasks.

    In one query, or from what was ``read`` already.
    """
    figures, parts = Figures(), []
    for quarter, state, number, taken in read(at) if counted is None else counted:
        if quarter <= at - timedelta(minutes=15):
            continue
        figures.counts[state] = figures.counts.get(state, 0) + number
        parts.append(taken)
    total = durations.merged(parts)
    figures.p50_ms, figures.p95_ms = durations.percentile(total, 0.5), durations.percentile(total, 0.95)
    return figures


# --- tasks


def strips(task_ids: Iterable[int], most: int = 20) -> dict[int, list[Run]]:
    """The last ``most`` executions of each task, the newest last. Two queries, one for a single task, each along the
    index by task.
    """
    ids = list(task_ids)
    found: dict[int, list[Run]] = {id: [] for id in ids}
    names = ("id", "task_id", "state", "reason", "scheduled_for", "started_at", "finished_at", "run_ms")
    if not ids:
        return found
    if len(ids) == 1:
        last = Execution.objects.filter(task_id=ids[0]).order_by("-id").values_list(*names)[:most]
        return {ids[0]: [Run(*row) for row in last][::-1]}
    newest = Execution.objects.filter(task_id=OuterRef("pk")).order_by("-id").values("id")
    fences = (
        Task.objects.filter(pk__in=ids)
        .order_by()
        .annotate(fence=Coalesce(Subquery(newest[most - 1 : most]), 0))
        .values_list("pk", "fence")
    )
    pieces = [Q(task_id=task_id, id__gte=fence) for task_id, fence in fences]
    if not pieces:
        return found
    rows = Execution.objects.filter(reduce(or_, pieces)).order_by()
    for run in sorted((Run(*row) for row in rows.values_list(*names)), key=lambda run: run.id):
        found[run.task_id].append(run)
    return {task_id: runs[-most:] for task_id, runs in found.items()}


def expected_of(runs: Sequence[Run]) -> int | None:
    """How long the next run will take, in milliseconds: the median of the successful ones; None without any."""
    taken = [run.run_ms for run in runs if run.state == State.SUCCEEDED and run.run_ms is not None]
    return durations.exact(taken, 0.5)


def foreseen_end(
    started_at: datetime, usual_ms: int | None, done: int | None, total: int | None, now: datetime
) -> datetime | None:
    """When a run ends by its own pace, where it says how far it is; else when its task's runs usually do.

    Rounded, so that what a page says of it reads the same for some time.
    """
    if done and total:
        seconds = (now - started_at).total_seconds() * total / done
        step = max(1, round(seconds / 20))
        return started_at + timedelta(seconds=round(seconds / step) * step)
    return started_at + timedelta(milliseconds=usual_ms) if usual_ms else None


def expected(task_ids: Iterable[int], most: int = 40) -> dict[int, int]:
    """The expected duration of each task that has succeeded in its last ``most`` executions. Two queries."""
    guesses = {task_id: expected_of(runs) for task_id, runs in strips(set(task_ids), most).items()}
    return {task_id: guess for task_id, guess in guesses.items() if guess is not None}


def of_task(task_id: int, zone: ZoneInfo, most: int = MOST_RUNS) -> TaskFigures:
    """Counts and durations of a task in all and by day of the zone, from its newest ``most`` executions. One query."""
    rows = (
        Execution.objects.filter(task_id=task_id)
        .order_by("-id")
        .values_list("state", "finished_at", "run_ms")[: most + 1]
    )
    newest = list(rows)
    complete = len(newest) <= most
    ended: dict[date, list[tuple[str, int | None]]] = {}
    for state, finished_at, run_ms in newest[:most]:
        if state in ENDED and finished_at is not None:
            ended.setdefault(finished_at.astimezone(zone).date(), []).append((state, run_ms))
    days = [_figures(Day(day=day), ended[day]) for day in sorted(ended)]
    everything = [entry for entries in ended.values() for entry in entries]
    return TaskFigures(_figures(Figures(), everything), days, len(everything), complete)


def _figures(figures: AnyFigures, entries: list[tuple[str, int | None]]) -> AnyFigures:
    """Fills in what the entries, as (state, milliseconds), say."""
    for state, _run_ms in entries:
        figures.counts[state] = figures.counts.get(state, 0) + 1
    taken = [run_ms for state, run_ms in entries if state in RAN and run_ms is not None]
    figures.p50_ms, figures.p95_ms = durations.exact(taken, 0.5), durations.exact(taken, 0.95)
    return figures


# --- executions by state


def by_state(wanted: Sequence[tuple[State, int, bool]], fields: Sequence[str]) -> list[dict[str, Any]]:
    """Executions of some states along the index by state, as (state, at most how many, whether the newest).

    One query where the database can join limited ones; SQLite cannot, and is asked once a state.
    """
    parts: list[QuerySet[Execution, dict[str, Any]]] = [
        Execution.objects.in_state(state).order_by("-id" if newest else "id").values(*fields)[:most]
        for state, most, newest in wanted
    ]
    return _joined(parts)


def _joined(parts: list[Any]) -> list[Any]:
    if connection.features.supports_slicing_ordering_in_compound and len(parts) > 1:
        return list(parts[0].union(*parts[1:], all=True))
    return [row for part in parts for row in part]


def busy_and_failed(at: datetime, most: int = 1_000) -> tuple[set[int], set[int]]:
    """The tasks of which something runs, and those with a failure since ``at``: ids, at most so many each."""
    running = Execution.objects.filter(state=State.RUNNING)
    failed = Execution.objects.filter(finished_at__gte=at, outcome__in=FAILURES)
    parts = [
        rows.order_by()
        .values("task_id")
        .distinct()
        .annotate(kind=Value(kind))
        .values_list("kind", "task_id")[:most]
        for kind, rows in ((0, running), (1, failed))
    ]
    found: tuple[set[int], set[int]] = (set(), set())
    for kind, task_id in _joined(parts):
        found[kind].add(task_id)
    return found


def count_active(most: int = 10_000) -> int:
    """How many wait or are queued, counted no further than ``most``."""
    waiting = Execution.objects.filter(Q(state=State.QUEUED) | Q(state=State.WAITING))
    return len(waiting.order_by().values_list("id")[:most])
