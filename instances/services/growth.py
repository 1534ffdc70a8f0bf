"""Growth as people ask for it: trend, forecast to a limit, the fastest growing, and gaps in the samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet

from instances.models import DatabaseSize, DatabaseSizeAggregate, Instance, InstanceSize
from instances.models.restriction import Viewer, of_visible

#: Percent of change beyond which a size grows or shrinks.
STABLE_PERCENT = 5.0
WINDOWS = (30, 90, 180)
#: Forecasts beyond this are no forecasts.
MOST_DAYS = 36_500

JUMPS = ("up", "down")

Sample = tuple[date, int]


def trend(percent: float | None) -> str | None:
    """ "growing", "shrinking" or "stable"; None when there is nothing to compare with."""
    if percent is None:
        return None
    if percent > STABLE_PERCENT:
        return "growing"
    return "shrinking" if percent < -STABLE_PERCENT else "stable"


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a limit is reached if it goes on as in the last ``window_days``. None: not at this rate."""

    window_days: int
    #: What it rests on: days with a known size.
    samples: int
    #: The straight line, and the curve of constant percentage, that fit best.
    bytes_per_day: float | None
    percent_per_day: float | None
    days_linear: int | None
    days_compound: int | None


def samples_of(instance: Instance, database: str | None, first: date, last: date) -> list[Sample]:
    """Known sizes by day: of one database, or of the whole instance when ``database`` is None."""
    rows: QuerySet[Any] = InstanceSize.objects.filter(instance=instance)
    if database is not None:
        rows = DatabaseSize.objects.filter(instance=instance, database=database)
    rows = rows.filter(date__range=(first, last), total_bytes__isnull=False)
    return list(rows.order_by("date").values_list("date", "total_bytes"))


def grown(samples: list[Sample], back: int, *, today: date) -> int | None:
    """Bytes more, as last known, than ``back`` days ago; ``samples`` by day, oldest first. None: no size that old."""
    then = [size for day, size in samples if day <= today - timedelta(days=back)]
    return samples[-1][1] - then[-1] if then else None


def forecasts(
    instance: Instance, database: str | None, limit_bytes: int | None, *, today: date
) -> list[Forecast]:
    """One for each of ``WINDOWS``, shortest first; without a limit they tell the rates alone."""
    samples = samples_of(instance, database, today - timedelta(days=max(WINDOWS) - 1), today)
    return [forecast(samples, limit_bytes, window, today=today) for window in WINDOWS]


def forecast(samples: list[Sample], limit_bytes: int | None, window_days: int, *, today: date) -> Forecast:
    """Days are counted from ``today``, and the size today is what the fitted line says. 0: reached already."""
    first = today - timedelta(days=window_days - 1)
    used = [(day, size) for day, size in samples if first <= day <= today]
    points = [((day - today).days, float(size)) for day, size in used]
    line = _fit(points)
    curve = _fit([(x, math.log(y)) for x, y in points]) if all(y > 0 for _x, y in points) else None
    if limit_bytes is None:
        linear = compound = None
    elif used and used[-1][1] >= limit_bytes:
        linear = compound = 0
    else:
        linear = _days(line, limit_bytes)
        compound = _days(curve, math.log(limit_bytes)) if limit_bytes > 0 else None
    return Forecast(
        window_days=window_days,
        samples=len(used),
        bytes_per_day=line[1] if line else None,
        percent_per_day=math.expm1(curve[1]) * 100 if curve else None,
        days_linear=linear,
        days_compound=compound,
    )


def _fit(points: list[tuple[int, float]]) -> tuple[float, float] | None:
    """Least squares: the value at 0 and the slope; None with fewer than two days."""
    if len(points) < 2:
        return None
    mean_x = math.fsum(x for x, _y in points) / len(points)
    mean_y = math.fsum(y for _x, y in points) / len(points)
    spread = math.fsum((x - mean_x) ** 2 for x, _y in points)
    slope = math.fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return mean_y - slope * mean_x, slope


def _days(line: tuple[float, float] | None, limit: float) -> int | None:
    if line is None or line[1] <= 0:
        return None
    days = (limit - line[0]) / line[1]
    return max(0, math.ceil(days)) if days <= MOST_DAYS else None


def jumped(direction: str) -> Q:
    """The anomalies of one of ``JUMPS``: what a database has more, or less, than before."""
    return Q(after_bytes__gt=F("before_bytes")) if direction == "up" else Q(after_bytes__lt=F("before_bytes"))


def fastest(
    period: str,
    start: date,
    most: int = 20,
    instances: QuerySet[Instance] | None = None,
    *,
    viewer: Viewer = None,
) -> list[DatabaseSizeAggregate]:
    """The databases that grew most against the period before, by signed change in bytes; of these instances, or of all
    that the viewer may see.
    """
    rows = DatabaseSizeAggregate.objects.filter(period=period, start=start, change_bytes__isnull=False)
    rows = of_visible(rows, viewer)
    rows = rows if instances is None else rows.filter(instance__in=instances)
    return list(rows.select_related("instance").order_by("-change_bytes", "instance", "database")[:most])


def gaps(days: list[date], first: date, last: date) -> list[tuple[date, date]]:
    """The ranges from ``first`` to ``last`` for which there is no sample; ``days`` ascending."""
    found, expected = [], first
    for day in [*days, last + timedelta(days=1)]:
        if day > expected:
            found.append((expected, day - timedelta(days=1)))
        expected = day + timedelta(days=1)
    return found
