"""What the schedules will bring: runs and busy seats for each minute to come, and where too much comes at once.

Computed from the schedules and from how long runs took lately. Kept for a while, until a task or a calendar
changes: the first question costs seconds with ten thousand tasks, the next ones nothing.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Count, Max, Q, Sum
from django.utils.translation import ngettext

from scheduling import clock
from scheduling.models import Calendar, Execution, Pool, State, Task
from scheduling.services import durations
from scheduling.services.plans import Plan, plans
from scheduling.services.repair import AT_REST
from scheduling.triggers.density import MINUTE, minutes

HOURS = (24, 7 * 24)
#: The newest executions, by id, whose durations count.
MEASURED = 200_000
#: What a run is taken to last whose task has not succeeded among them, in milliseconds.
UNMEASURED_MS = 1_000
#: A forecast is used again for so long, and durations are.
KEPT = timedelta(minutes=5)
MEASURED_AGAIN = timedelta(minutes=30)
BATCH = 1_000
#: Runs in one minute that make a collision; how many collisions, and tasks of each, are listed.
CROWD, LISTED, NAMED = 10, 20, 10
#: Others in the same minute that a person is warned of.
WARNED = 20


@dataclass(slots=True)
class Series:
    """What one queue, pool or database host gets, minute by minute."""

    name: str
    starts: list[int]  # runs that begin
    busy_p50: list[float]  # seats that are taken on average, when runs take as long as half of them do
    busy_p95: list[float]  # when they take as long as all but one in twenty do
    capacity: int | None = None  # of a pool

    @property
    def runs(self) -> int:
        return sum(self.starts)

    @property
    def minutes_over(self) -> int:
        """Minutes in which more seats would be wanted than there are."""
        return 0 if self.capacity is None else sum(busy > self.capacity for busy in self.busy_p95)


@dataclass(frozen=True, slots=True)
class Collision:
    """A minute in which many runs begin."""

    at: datetime
    runs: int
    tasks: list[str]  # some of their keys


@dataclass(slots=True)
class Forecast:
    begin: datetime  # a whole minute, UTC
    count: int  # minutes
    total: Series
    queues: dict[str, Series]
    pools: dict[str, Series]
    targets: dict[str, Series]  # by the instance that the parameters name
    collisions: list[Collision]
    tasks: int = 0
    unmeasured: int = 0  # tasks that have not succeeded lately: a second is assumed
    broken: list[str] = field(default_factory=list)  # tasks whose schedule cannot be computed


#: Queue, pool, weight, targets, and how long a run lasts in minutes: half of them, all but one in twenty.
Group = tuple[str, str, int, tuple[str, ...], float, float]


class _Memory:
    """What this process has computed lately."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.forecasts: dict[int, tuple[object, datetime, Forecast]] = {}
        self.measured: tuple[datetime, dict[int, tuple[int, int]]] | None = None


_memory = _Memory()


def forget() -> None:
    """Drops what was computed (tests)."""
    with _memory.lock:
        _memory.forecasts.clear()
        _memory.measured = None


def of_hours(hours: int = HOURS[0]) -> Forecast:
    """The next ``hours`` (1 to 168) from the present minute on. Few queries, none of them over all of history."""
    now = clock.now()
    hours = min(max(hours, 1), HOURS[-1])
    state = _state()
    with _memory.lock:
        kept = _memory.forecasts.get(hours)
        if kept is not None and kept[0] == state and timedelta() <= now - kept[1] < KEPT:
            return kept[2]
        found = _compute(now.replace(second=0, microsecond=0), hours * 60, now)
        _memory.forecasts[hours] = (state, now, found)
        return found


def crowd_warnings(times: Iterable[datetime], *, own: int = 1) -> list[str]:
    """A warning for the first of the times that falls into a minute with many other runs. ``own``: runs of its own."""
    found = of_hours()
    for at in times:
        number = (at - found.begin) // MINUTE
        if not 0 <= number < found.count:
            continue
        others = found.total.starts[number] - own
        if others >= WARNED:
            text = ngettext(
                "%(time)s UTC is in the same minute as %(count)d other run.",
                "%(time)s UTC is in the same minute as %(count)d other runs.",
                others,
            )
            return [text % {"time": at.strftime("%Y-%m-%d %H:%M"), "count": others}]
    return []


def _state() -> object:
    """What a forecast depends on: it changes with every change of a task, a calendar, a pool or a group."""
    tasks = Task.objects.present().aggregate(Count("id"), Sum("version"), Max("updated_at"))
    at_rest = Task.objects.present().filter(AT_REST).count()
    calendars = Calendar.objects.aggregate(Count("id"), Sum("version"))
    pools = tuple(Pool.objects.order_by("id").values_list("id", "capacity"))
    return (*tasks.values(), at_rest, *calendars.values(), pools)


def _compute(begin: datetime, count: int, now: datetime) -> Forecast:
    pools = {pool.pk: pool for pool in Pool.objects.all()}
    measured = _durations(now)
    groups: dict[Group, list[int]] = defaultdict(partial(_zeros, count))
    starts = _zeros(count)
    within: list[tuple[str, set[int]]] = []
    broken: list[str] = []
    unmeasured = tasks = 0
    for plan in _active():
        try:
            found, each = minutes(plans.trigger(plan), begin, count)
        except Exception:  # noqa: BLE001  one task's trigger, possibly a third party's, must not stop the others
            broken.append(plan.key)
            continue
        tasks += 1
        if plan.id not in measured:
            unmeasured += 1
        p50, p95 = measured.get(plan.id, (UNMEASURED_MS, UNMEASURED_MS))
        pool = pools.get(plan.pool_id or 0)
        name = pool.key if pool else ""
        group = groups[plan.queue, name, plan.weight, _targets(plan), _length(p50), _length(p95)]
        for minute in found:
            group[minute] += each
            starts[minute] += each
        within.append((plan.key, set(found)))
    forecast = _summed(groups, begin, count, {pool.key: pool.capacity for pool in pools.values()})
    forecast.tasks, forecast.unmeasured, forecast.broken = tasks, unmeasured, broken
    forecast.collisions = _collisions(begin, starts, within)
    return forecast


def _length(milliseconds: int) -> float:
    """Minutes, rounded to steps of a quarter of an e-fold, so that many tasks can be counted together."""
    return math.exp(round(4 * math.log(max(milliseconds, 1))) / 4) / 60_000


def _zeros(count: int) -> list[int]:
    return [0] * count


def _active() -> Iterable[Plan]:
    """The plans of all tasks that are not at rest."""
    rows = Task.objects.present().exclude(AT_REST).exclude(Q(trigger="manual"))
    ids = list(rows.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), BATCH):
        yield from plans.read(ids[start : start + BATCH]).values()


def _targets(plan: Plan) -> tuple[str, ...]:
    """The instances that the parameters name."""
    parameters = plan.parameters if isinstance(plan.parameters, dict) else {}
    named = parameters.get("instances") or [parameters.get("instance")]
    return tuple(name for name in named if isinstance(name, str)) if isinstance(named, list) else ()


def _durations(now: datetime) -> dict[int, tuple[int, int]]:
    """p50 and p95, in milliseconds, of the tasks that have succeeded among the newest executions."""
    if _memory.measured is not None and timedelta() <= now - _memory.measured[0] < MEASURED_AGAIN:
        return _memory.measured[1]
    newest = Execution.objects.aggregate(newest=Max("id"))["newest"] or 0
    rows = (
        Execution.objects.filter(pk__gt=newest - MEASURED, state=State.SUCCEEDED, run_ms__isnull=False)
        .order_by()
        .annotate(bucket=durations.bucket_of("run_ms"))
        .values_list("task_id", "bucket")
        .annotate(number=Count("id"))
    )
    buckets: dict[int, dict[int, int]] = defaultdict(dict)
    for task_id, bucket, number in rows:
        buckets[task_id][bucket] = number
    found = {
        task_id: (durations.percentile(each, 0.5) or 0, durations.percentile(each, 0.95) or 0)
        for task_id, each in buckets.items()
    }
    _memory.measured = now, found
    return found


def _summed(
    groups: dict[Group, list[int]], begin: datetime, count: int, capacities: dict[str, int]
) -> Forecast:
    def series(name: str, capacity: int | None = None) -> Series:
        return Series(name, [0] * count, [0.0] * count, [0.0] * count, capacity)

    forecast = Forecast(begin, count, series(""), {}, {}, {}, [])
    for (queue, pool, weight, targets, p50, p95), starts in groups.items():
        parts = [(forecast.total, 1), (forecast.queues.setdefault(queue, series(queue)), 1)]
        if pool:
            parts.append((forecast.pools.setdefault(pool, series(pool, capacities.get(pool))), weight))
        parts += [(forecast.targets.setdefault(name, series(name)), 1) for name in targets]
        busy_p50, busy_p95 = _busy(starts, p50), _busy(starts, p95)
        for part, seats in parts:
            part.starts = [one + other for one, other in zip(part.starts, starts, strict=True)]
            part.busy_p50 = [one + other * seats for one, other in zip(part.busy_p50, busy_p50, strict=True)]
            part.busy_p95 = [one + other * seats for one, other in zip(part.busy_p95, busy_p95, strict=True)]
    return forecast


def _busy(starts: list[int], length: float) -> list[float]:
    """Seats taken in each minute by runs that begin at its start and last ``length`` minutes."""
    whole, rest = int(length), length - int(length)
    if not whole:
        return [number * rest for number in starts]
    busy: list[float] = []
    running = 0
    for minute, number in enumerate(starts):
        running += number - (starts[minute - whole] if minute >= whole else 0)
        ending = starts[minute - whole] * rest if minute >= whole else 0.0
        busy.append(running + ending)
    return busy


def _collisions(begin: datetime, starts: list[int], within: list[tuple[str, set[int]]]) -> list[Collision]:
    """The fullest minutes, in order of time."""
    crowded = [minute for minute, number in enumerate(starts) if number >= CROWD]
    fullest = sorted(sorted(crowded, key=lambda minute: (-starts[minute], minute))[:LISTED])
    found = []
    for minute in fullest:
        keys = []
        for key, numbers in within:
            if minute in numbers:
                keys.append(key)
                if len(keys) == NAMED:
                    break
        found.append(Collision(begin + minute * MINUTE, starts[minute], keys))
    return found


def summary(forecast: Forecast, *, step: int = 1) -> dict[str, Any]:
    """A forecast in plain JSON values; ``step`` minutes become one: runs are added up, seats are the most of them."""

    def part(series: Series) -> dict[str, Any]:
        places = range(0, forecast.count, step)
        return {
            "name": series.name,
            "runs": series.runs,
            "capacity": series.capacity,
            "minutes_over": series.minutes_over,
            "starts": [sum(series.starts[place : place + step]) for place in places],
            "busy_p50": [round(max(series.busy_p50[place : place + step]), 3) for place in places],
            "busy_p95": [round(max(series.busy_p95[place : place + step]), 3) for place in places],
        }

    return {
        "begin": forecast.begin.isoformat(),
        "minutes": forecast.count,
        "step": step,
        "tasks": forecast.tasks,
        "unmeasured": forecast.unmeasured,
        "broken": forecast.broken,
        "total": part(forecast.total),
        "queues": [part(series) for _name, series in sorted(forecast.queues.items())],
        "pools": [part(series) for _name, series in sorted(forecast.pools.items())],
        "targets": [part(series) for _name, series in sorted(forecast.targets.items())],
        "collisions": [
            {"at": each.at.isoformat(), "runs": each.runs, "tasks": each.tasks}
            for each in forecast.collisions
        ],
    }
