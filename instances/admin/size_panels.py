"""What the pages of an instance and of a database show alike: the curve, growth, forecasts to a limit, jumps."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest

from instances.admin.chart import chart
from instances.models import Instance, SizeAnomaly, SizeLimit
from instances.services import fleet, growth
from instances.services.figures import Day

MOST_JUMPS = 10


def span_of(request: HttpRequest) -> int:
    text = request.GET.get("days", "")
    return int(text) if text in {str(days) for days in fleet.SPANS} else fleet.SPANS[1]


def days_needed(request: HttpRequest) -> int:
    """Days that the curve and the forecasts together look at."""
    return max(span_of(request), *growth.WINDOWS)


def sizes_of(
    request: HttpRequest, instance: Instance, database: str, days: list[Day], *, today: date
) -> dict[str, Any]:
    """``database`` empty: the instance. ``days``: as many as are needed, oldest first."""
    limit = SizeLimit.objects.filter(instance=instance, database=database).first()
    limit_bytes = limit.limit_bytes if limit else None
    samples = [(day.date, day.total_bytes) for day in days if day.total_bytes is not None]
    forecasts = [growth.forecast(samples, limit_bytes, window, today=today) for window in growth.WINDOWS]
    shown = days[-span_of(request) :]
    known = [day.date for day in shown if day.total_bytes is not None]
    may = request.user.has_perm
    return {
        "days": shown if known else [],
        "span": span_of(request),
        "spans": fleet.SPANS,
        "chart": chart([(day.date, day.total_bytes) for day in shown], limit_bytes),
        "holes": growth.gaps(known, known[0], today) if known else [],
        "grown": [(back, growth.grown(samples, back, today=today)) for back in fleet.BACK],
        "limit": limit,
        "limit_database": database,
        "used": samples[-1][1] / limit.limit_bytes if limit and samples else None,
        "forecasts": [
            {
                "one": one,
                "linear": _day(today, one.days_linear),
                "compound": _day(today, one.days_compound),
            }
            for one in forecasts
        ],
        "may_limit": may("instances.change_sizelimit" if limit else "instances.add_sizelimit"),
    }


def jumps_of(instance: Instance, database: str | None = None) -> list[SizeAnomaly]:
    rows = SizeAnomaly.objects.filter(instance=instance)
    rows = rows if database is None else rows.filter(database=database)
    return list(rows.order_by("-date", "database")[:MOST_JUMPS])


def _day(today: date, days: int | None) -> date | None:
    return None if days is None else today + timedelta(days=days)
