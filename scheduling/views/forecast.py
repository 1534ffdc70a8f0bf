"""The page of the forecast: what the next day or week brings, where it is too much, and which tasks that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.dateformat import format as date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from jobsite import live, zones
from scheduling.models import Task
from scheduling.services import forecast
from scheduling.services.forecast import DAY, WEEK, Forecast, Series
from scheduling.triggers.density import MINUTE
from scheduling.views.access import staff_only

#: Minutes of a cell, by the hours that are looked at.
CELL_MINUTES = {DAY: 5, WEEK: 60}
#: Minutes that lie in one cell together: clocks are a multiple of a quarter of an hour off, and change at one.
STRIDES = {DAY: 5, WEEK: 15}
#: Steps of colour, 0 for nothing.
LEVELS = 5
#: Tasks of a cell, and hosts, that are listed.
LISTED_TASKS, LISTED_HOSTS = 100, 50
KINDS = {
    "total": gettext_lazy("All"),
    "queue": gettext_lazy("Queue"),
    "pool": gettext_lazy("Pool"),
    "host": gettext_lazy("Database host"),
}
SHOWN = {"starts": gettext_lazy("Runs that begin"), "busy": gettext_lazy("Busy seats")}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for; what it cannot mean is the usual."""

    hours: int = DAY
    shown: str = "starts"
    kind: str = "total"
    name: str = ""
    first: datetime | None = None  # the minutes whose tasks are listed, UTC
    last: datetime | None = None

    @classmethod
    def of(cls, query: Any) -> Asked:
        hours, shown, kind = query.get("hours"), query.get("shown"), query.get("of")
        first, last = _moment(query.get("from")), _moment(query.get("to"))
        whole = first is not None and last is not None and first < last
        return cls(
            hours=WEEK if hours == str(WEEK) else DAY,
            shown=shown if shown in SHOWN else "starts",
            kind=kind if kind in KINDS else "total",
            name=query.get("name", "")[:255] if kind in KINDS and kind != "total" else "",
            first=first if whole else None,
            last=last if whole else None,
        )

    def query(self, **others: Any) -> str:
        """The query string that asks for the same, but for ``others``; those of a cell only if named."""
        values = {"hours": self.hours, "shown": self.shown, "of": self.kind, "name": self.name, **others}
        return "?" + urlencode({name: value for name, value in values.items() if value != ""})


@dataclass(frozen=True, slots=True)
class Cell:
    """Some minutes of the picture."""

    shown: str  # the number, as short as it fits
    level: int  # of colour: 0 to LEVELS
    over: bool  # more seats wanted than there are
    chosen: bool
    words: str  # what a screen reader says, and a pointer over it
    query: str  # asks for its tasks


@require_GET
@staff_only("scheduling.view_task")
def show(request: HttpRequest) -> HttpResponse:
    asked = Asked.of(request.GET)
    found = forecast.at_hand(asked.hours)
    template = "scheduling/parts/forecast.html" if found else "scheduling/parts/forecast_progress.html"
    html, cursor = live.part(request, template, _context(asked, found))
    context = {
        **admin.site.each_context(request),
        "title": _("Forecast"),
        "part": html,
        "cursor": cursor,
        "ready": found is not None,
    }
    return TemplateResponse(request, "scheduling/forecast.html", context)


@require_GET
@staff_only("scheduling.view_task")
def part(request: HttpRequest) -> HttpResponse:
    """How far the computation is, and once it is done the forecast itself; then there is nothing more to ask."""
    asked = Asked.of(request.GET)
    found = forecast.at_hand(asked.hours)
    template = "scheduling/parts/forecast.html" if found else "scheduling/parts/forecast_progress.html"
    answer = live.answer(request, template, _context(asked, found))
    if found is not None:
        answer["X-Ended"] = "1"
    return answer


def _context(asked: Asked, found: Forecast | None) -> dict[str, Any]:
    progress = forecast.progress(asked.hours)
    if found is None:
        return {"progress": progress, "asked": asked}
    zone = zones.current()
    series = found.series(asked.kind, asked.name)
    if series is None:  # it has no runs, or is a name that nothing has
        asked, series = Asked(asked.hours, asked.shown, first=asked.first, last=asked.last), found.total
    columns, rows = _picture(asked, found, series, zone)
    return {
        "asked": asked,
        "found": found,
        "anew": progress is not None,
        "zone": zone.key,
        "series": series,
        "kind": KINDS[asked.kind],
        "spans": [
            (asked.query(hours=hours), words, hours == asked.hours)
            for hours, words in ((DAY, _("24 hours")), (WEEK, _("7 days")))
        ],
        "measures": [
            (asked.query(shown=shown), words, shown == asked.shown) for shown, words in SHOWN.items()
        ],
        "columns": columns,
        "rows": rows,
        "levels": range(LEVELS + 1),
        "every_series": _every_series(asked, found),
        "hosts_left_out": found.hosts_left_out + max(0, len(found.hosts) - LISTED_HOSTS),
        "collisions": _collisions(asked, found),
        **_tasks(asked, found),
    }


def _picture(
    asked: Asked, found: Forecast, series: Series, zone: ZoneInfo
) -> tuple[list[str], list[tuple[str, list[Cell | None]]]]:
    """The heads of the columns, and the rows with theirs: hours of five minutes each, or days of hours."""
    stretches = _stretches(found, zone, asked.hours)
    values = {place: _value(asked, series, first, last) for place, (first, last) in stretches.items()}
    most = max(values.values(), default=0.0)
    columns = sorted({column for _row, column in stretches})
    rows: dict[str, list[Cell | None]] = {}
    for row in dict.fromkeys(row for row, _column in stretches):
        head = date_format(row, "D H:00") if asked.hours == DAY else date_format(row, "D Y-m-d")
        rows[head] = [
            _cell(asked, found, series, stretches[row, column], values[row, column], most, zone)
            if (row, column) in stretches
            else None
            for column in columns
        ]
    return [f"{column:02}" for column in columns], list(rows.items())


def _stretches(found: Forecast, zone: ZoneInfo, hours: int) -> dict[tuple[datetime, int], tuple[int, int]]:
    """Place in the picture → its minutes, by the zone's clock. An hour that comes twice is one place."""
    places: dict[tuple[datetime, int], tuple[int, int]] = {}
    number = 0
    while number < found.count:
        at = found.begin + number * MINUTE
        local = at.astimezone(zone).replace(tzinfo=None)
        following = min(number + STRIDES[hours] - at.minute % STRIDES[hours], found.count)
        hour = local.replace(minute=0)
        if hours == DAY:
            place = hour, local.minute // CELL_MINUTES[DAY] * CELL_MINUTES[DAY]
        else:
            place = hour.replace(hour=0), local.hour
        places[place] = places.get(place, (number, 0))[0], following
        number = following
    return places


def _value(asked: Asked, series: Series, first: int, last: int) -> float:
    if asked.shown == "starts":
        return sum(series.starts[first:last])
    return max(series.busy_p95[first:last])


def _cell(
    asked: Asked,
    found: Forecast,
    series: Series,
    minutes: tuple[int, int],
    value: float,
    most: float,
    zone: ZoneInfo,
) -> Cell:
    first, last = (found.begin + number * MINUTE for number in minutes)
    busy_p50, busy_p95 = (max(each[slice(*minutes)]) for each in (series.busy_p50, series.busy_p95))
    words = _("%(from)s to %(to)s: %(runs)d runs begin, %(p50)s seats busy, at times %(p95)s") % {
        "from": f"{first.astimezone(zone):%H:%M}",
        "to": f"{last.astimezone(zone):%H:%M}",
        "runs": sum(series.starts[slice(*minutes)]),
        "p50": _short(busy_p50),
        "p95": _short(busy_p95),
    }
    over = series.capacity is not None and busy_p95 > series.capacity
    if over:
        words += ". " + _("More than the %(capacity)d seats of the pool.") % {"capacity": series.capacity}
    return Cell(
        shown=_short(value),
        # By the root: beside one very full cell the others still differ.
        level=0 if not value else max(1, round(LEVELS * math.sqrt(value / most))),
        over=over,
        chosen=asked.first is not None and first <= asked.first < last,
        words=words,
        query=asked.query(**{"from": _text(first), "to": _text(last)}) + "#tasks",
    )


def _short(number: float) -> str:
    if number >= 9_950:
        return f"{number / 1_000:.0f}k"
    return f"{number:.0f}" if number >= 10 or number == int(number) else f"{max(number, 0.1):.1f}"


def _every_series(asked: Asked, found: Forecast) -> list[dict[str, Any]]:
    """Each with what asks for its picture; of the hosts the busiest."""
    hosts = sorted(found.hosts, key=lambda name: -found.hosts[name].runs)[:LISTED_HOSTS]
    return [
        {
            "kind": KINDS[kind],
            "series": series,
            "peak": _short(series.peak),
            "query": asked.query(of=kind, name=series.name),
            "chosen": (kind, series.name) == (asked.kind, asked.name),
        }
        for kind, series in found.every_series()
        if kind != "host" or series.name in hosts
    ]


def _collisions(asked: Asked, found: Forecast) -> list[dict[str, Any]]:
    ids = {share.key: share.task_id for share in found.shares.values()}
    return [
        {
            "at": each.at,
            "runs": each.runs,
            "tasks": [(key, ids[key]) for key in each.tasks],
            "more": each.others,
            "query": Asked(asked.hours, asked.shown).query(
                **{"from": _text(each.at), "to": _text(each.at + MINUTE)}
            )
            + "#tasks",
        }
        for each in found.collisions
    ]


def _tasks(asked: Asked, found: Forecast) -> dict[str, Any]:
    """The tasks of the minutes that are asked for."""
    if asked.first is None or asked.last is None:
        return {"chosen": None}
    first, last = (min(max(found.number(at), 0), found.count) for at in (asked.first, asked.last))
    shares = found.within(first, last, asked.kind, asked.name)
    names = Task.objects.present().in_bulk([share.task_id for share, _runs in shares[:LISTED_TASKS]])
    return {
        "chosen": (found.begin + first * MINUTE, found.begin + last * MINUTE),
        "tasks": [
            {"share": share, "runs": runs, "task": names.get(share.task_id)}
            for share, runs in shares[:LISTED_TASKS]
        ],
        "more_tasks": max(0, len(shares) - LISTED_TASKS),
    }


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


def _moment(text: str | None) -> datetime | None:
    """A minute of an address, and nothing else."""
    try:
        at = datetime.strptime(text or "", "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return at if abs(at.year - 2100) < 200 else None
