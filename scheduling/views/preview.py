"""What a schedule means, shown while it is typed: in words, its next runs, what to mind."""

from __future__ import annotations

import json
from copy import copy
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
from scheduling.services import impact
from scheduling.triggers.moments import bound
from scheduling.views.access import staff_only

COUNT = 10
#: What a change of a stored task does is told over so many days, looking at so many occurrences for each.
SPANS, LOOKED_AT = (7, 30, 90), 2_000
#: A schedule is short; a list of dates may be longer.
PARAMS_LENGTH = 64 * 1024
FIELD_LENGTH = 100


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
    now = clock.now()
    zone = asked.get("time_zone", "")
    task = _task(asked.get("task", ""))
    try:
        params = json.loads(request.GET.get("trigger_params", "")[:PARAMS_LENGTH] or "{}")
        terms = _terms(asked, params, task, now)
        seen = triggers.preview(asked.get("trigger", ""), params, after=now, count=COUNT, **terms)
        impacts = _impacts(task, asked, params, terms, now) if task is not None else []
    except InvalidTrigger as error:
        return _show(request, errors=[text for texts in error.errors.values() for text in texts])
    except (ValueError, RecursionError):
        return _show(request, errors=[_("This is not JSON.")])
    runs = [_run(at, triggers.zone(zone)) for at in seen.times]
    return _show(request, seen=seen, runs=runs, zone=zone, impacts=impacts)


def _show(request: HttpRequest, **context: Any) -> HttpResponse:
    return render(request, "scheduling/forms/preview.html", context)


def _terms(asked: dict[str, str], params: Any, task: Task | None, now: datetime) -> dict[str, Any]:
    """Zone, bounds and policies; the anchor is the task's own as long as its schedule has not been changed."""
    terms: dict[str, Any] = {
        "zone": asked.get("time_zone", ""),
        "start_at": _moment(asked, "start_at"),
        "end_at": _moment(asked, "end_at"),
        "gap": asked.get("clock_gap", "run_after"),
        "fold": asked.get("clock_overlap", "first"),
        "spread_seconds": int(spread) if (spread := asked.get("spread_seconds", "")).isdecimal() else 0,
        "calendar": _calendar(asked.get("calendar", "")),
        "calendar_policy": asked.get("calendar_policy") or "skip",
    }
    terms["spread_key"] = asked.get("key") or (task.key if task is not None else "")
    same = task is not None and (task.trigger, task.trigger_params, task.time_zone) == (
        asked.get("trigger"),
        params,
        terms["zone"],
    )
    terms["anchor_at"] = task.anchor_at if task is not None and same else terms["start_at"] or now
    return terms


def _task(number: str) -> Task | None:
    rows = Task.objects.present().select_related("group", "calendar")
    return rows.filter(pk=int(number)).first() if number.isdecimal() else None


def _impacts(
    task: Task, asked: dict[str, str], params: Any, terms: dict[str, Any], now: datetime
) -> list[impact.Impact]:
    """What saving the form would do to the occurrences of the next days; empty when nothing of the kind differs."""
    changed = copy(task)
    changed.key, changed.trigger, changed.trigger_params = terms["spread_key"], asked["trigger"], params
    changed.time_zone, changed.clock_gap, changed.clock_overlap = terms["zone"], terms["gap"], terms["fold"]
    line = triggers.timeline(terms["zone"])
    changed.start_at = bound("start_at", terms["start_at"], line)
    changed.end_at = bound("end_at", terms["end_at"], line)
    changed.spread_seconds, changed.calendar_policy = terms["spread_seconds"], terms["calendar_policy"]
    number = asked.get("calendar", "")
    changed.calendar = Calendar.objects.filter(pk=int(number)).first() if number.isdecimal() else None
    if "max_runs" in asked:
        changed.max_runs = int(asked["max_runs"]) if asked["max_runs"].isdecimal() else None
    names = (*Task.SCHEDULE, "key", "max_runs")
    if all(getattr(task, name) == getattr(changed, name) for name in names):
        return []
    after, found = impact.as_edited(task, changed, now), []
    for days in SPANS:
        found.append(impact.of_change(task, after, days=days, now=now, most=LOOKED_AT))
        if not found[-1].complete:
            break  # more days would end at the same moment
    return found


def _calendar(number: str) -> triggers.CalendarRules | None:
    calendar = Calendar.objects.filter(pk=int(number)).first() if number.isdecimal() else None
    return calendar.rules() if calendar is not None else None


def _moment(asked: dict[str, str], name: str) -> str | None:
    """Date and time as the form has them, in the schedule's zone; a date alone is its midnight."""
    return " ".join(filter(None, (asked.get(f"{name}_0"), asked.get(f"{name}_1")))) or None


def _run(at: datetime, zone: Any) -> Run:
    local = at.astimezone(zone)
    words = f"{date_format(local, 'D')} {local:%Y-%m-%d %H:%M:%S}"
    return Run(at, words, local.tzname() or "")
