"""What a schedule means, shown while it is typed: in words, its next runs, what to mind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from scheduling import clock, triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Calendar, Task
from scheduling.services import forecast, impact, previews
from scheduling.views.access import staff_only

COUNT = 10
#: What a change of a stored task does is told over so many days, looking at so many occurrences for each.
SPANS, LOOKED_AT = (7, 30, 90), 2_000
#: A schedule is short; a list of dates may be longer.
PARAMS_LENGTH = 64 * 1024
FIELD_LENGTH = 100
#: What is offered as a spread where many tasks run in the same minute.
SPREAD_MINUTES = 15


@dataclass(frozen=True, slots=True)
class Run:
    """One of the next runs."""

    at: datetime  # UTC
    local: str  # in the schedule's zone, with the weekday
    zone: str  # what its clock is called then: CST, +08


@require_GET
@staff_only("scheduling.view_task")
def show(request: HttpRequest) -> HttpResponse:
    """The fields of the form as the query string; a piece of HTML. What is wrong is said in it, by field."""
    asked = {name: text[:FIELD_LENGTH].strip() for name, text in request.GET.dict().items()}
    now, stored = clock.now(), _task(asked.get("task", ""))
    try:
        values = _values(asked, request.GET.get("trigger_params", "")[:PARAMS_LENGTH])
        task = previews.as_asked(stored, values, now)
        seen = previews.explain(task, after=now, count=COUNT, crowded_by=forecast.at_hand())
        impacts = _impacts(stored, task, now) if stored is not None else []
    except InvalidTrigger as error:
        return _show(request, errors=[text for texts in error.errors.values() for text in texts])
    except (ValueError, RecursionError):
        return _show(request, errors=[_("This is not JSON.")])
    runs = [_run(at, triggers.zone(task.time_zone)) for at in seen.preview.times]
    offered = {"spread": SPREAD_MINUTES * 60, "spread_minutes": SPREAD_MINUTES}
    return _show(request, seen=seen, runs=runs, zone=task.time_zone, impacts=impacts, **offered)


def _show(request: HttpRequest, **context: Any) -> HttpResponse:
    return render(request, "scheduling/forms/preview.html", context)


def _values(asked: dict[str, str], params: str) -> dict[str, Any]:
    """The fields of a task that the form speaks of. Raises ValueError where the parameters are no JSON."""
    values = {
        "trigger": asked.get("trigger", ""),
        "trigger_params": json.loads(params or "{}"),
        "time_zone": asked.get("time_zone", ""),
        "start_at": _moment(asked, "start_at"),
        "end_at": _moment(asked, "end_at"),
        "clock_gap": asked.get("clock_gap") or Task.ClockGap.RUN_AFTER.value,
        "clock_overlap": asked.get("clock_overlap") or Task.ClockOverlap.FIRST.value,
        "spread_seconds": int(spread) if (spread := asked.get("spread_seconds", "")).isdecimal() else 0,
        "calendar": _calendar(asked.get("calendar", "")),
        "calendar_policy": asked.get("calendar_policy") or Task.CalendarPolicy.SKIP.value,
    }
    if asked.get("key"):
        values["key"] = asked["key"]
    if "max_runs" in asked:
        values["max_runs"] = int(asked["max_runs"]) if asked["max_runs"].isdecimal() else None
    return values


def _task(number: str) -> Task | None:
    rows = Task.objects.present().select_related("group", "calendar")
    return rows.filter(pk=int(number)).first() if number.isdecimal() else None


def _impacts(task: Task, after: Task, now: datetime) -> list[impact.Impact]:
    """What saving the form would do to the occurrences of the next days; empty when nothing of the kind differs."""
    if all(getattr(task, name) == getattr(after, name) for name in previews.FIELDS):
        return []
    found: list[impact.Impact] = []
    for days in SPANS:
        found.append(impact.of_change(task, after, days=days, now=now, most=LOOKED_AT))
        if not found[-1].complete:
            break  # more days would end at the same moment
    return found


def _calendar(number: str) -> Calendar | None:
    return Calendar.objects.filter(pk=int(number)).first() if number.isdecimal() else None


def _moment(asked: dict[str, str], name: str) -> str | None:
    """Date and time as the form has them, in the schedule's zone; a date alone is its midnight."""
    return " ".join(filter(None, (asked.get(f"{name}_0"), asked.get(f"{name}_1")))) or None


def _run(at: datetime, zone: Any) -> Run:
    local = at.astimezone(zone)
    words = f"{date_format(local, 'D')} {local:%Y-%m-%d %H:%M:%S}"
    return Run(at, words, local.tzname() or "")
