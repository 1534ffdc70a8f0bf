"""Job stores of APScheduler and of django-apscheduler."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.cron.expressions import (
    AllExpression,
    LastDayOfMonthExpression,
    WeekdayPositionExpression,
)
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from scheduling import registry
from scheduling.exceptions import InvalidTrigger, UnknownFunction
from scheduling.services.imports import pickles
from scheduling.services.imports.candidates import Candidate, Meaning, keys, unknown_function
from scheduling.services.liverows import guard
from scheduling.sql.foreign_tables import read_table

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
#: Of our live rows, which lie in the same table as django-apscheduler's jobs.
OURS = "jobsite"


def from_apscheduler(
    connection: BaseDatabaseWrapper,
    functions: Mapping[str, str],
    *,
    zone: str,
    table: str = "apscheduler_jobs",
) -> list[Candidate]:
    """An entry for each job of a SQLAlchemyJobStore; ``functions``: "module:function" → a function's name."""
    return _read(connection, table, functions, zone)


def from_django_apscheduler(
    connection: BaseDatabaseWrapper, functions: Mapping[str, str], *, zone: str
) -> list[Candidate]:
    """An entry for each job of django-apscheduler. Live rows of Jobsite in the same table are no jobs."""
    return _read(connection, "django_apscheduler_djangojob", functions, zone)


def _read(
    connection: BaseDatabaseWrapper, table: str, functions: Mapping[str, str], zone: str
) -> list[Candidate]:
    rows = read_table(connection, table)
    if rows is None:
        raise InvalidTrigger({"source": [_("There is no table %(table)s.") % {"table": table}]})
    rows = [row for row in rows if bytes(row["job_state"]) != guard()]
    return [
        _candidate(row, key, table, functions, zone)
        for row, key in zip(rows, keys(str(row["id"]) for row in rows), strict=True)
    ]


def _candidate(
    row: dict[str, Any], key: str, table: str, functions: Mapping[str, str], zone: str
) -> Candidate:
    values: dict[str, Any] = {
        "name": str(row["id"])[:200],
        "time_zone": zone,
        "enabled": row["next_run_time"] is not None,
    }
    candidate = Candidate(f"{table} {row['id']}", key, values)
    try:
        state = pickles.read(bytes(row["job_state"]))
        trigger = state["trigger"]
        _set_function(state, functions, candidate)
        _set_policies(state, candidate)
        _set_trigger(trigger, candidate)
    except InvalidTrigger as error:
        candidate.problems += [text for texts in error.errors.values() for text in texts]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        candidate.problems.append(
            _("It cannot be read: %(cause)s") % {"cause": f"{type(error).__name__}: {error}"}
        )
    return candidate


def _set_function(state: dict[str, Any], functions: Mapping[str, str], candidate: Candidate) -> None:
    reference = str(state["func"])
    name = functions.get(reference, reference.rpartition(":")[2].rpartition(".")[2])
    candidate.values |= {"name": str(state.get("name") or candidate.values["name"])[:200], "function": name}
    parameters = dict(state.get("kwargs") or {})
    args = list(state.get("args") or ())
    try:
        known = list(registry.get(name).schema.get("properties", {}))
    except UnknownFunction:
        candidate.problems.append(unknown_function(reference))
        known = []
    if len(args) > len(known) and known:
        candidate.problems.append(_("It has more positional arguments than the function has parameters."))
    candidate.values["parameters"] = {**dict(zip(known, args, strict=False)), **parameters}


def _set_policies(state: dict[str, Any], candidate: Candidate) -> None:
    grace = state.get("misfire_grace_time")
    coalesce = bool(state.get("coalesce"))
    if grace is not None and coalesce:
        candidate.values |= {"misfire_policy": "skip", "misfire_grace_seconds": max(1, int(grace))}
    elif not coalesce:
        candidate.values["misfire_policy"] = "run_all"
    most = state.get("max_instances")
    if isinstance(most, int):
        candidate.values["max_concurrent"] = min(max(most, 1), 10_000)


def _set_trigger(trigger: BaseTrigger, candidate: Candidate) -> None:
    if name := _zone_name(trigger):
        candidate.values["time_zone"] = name
    kind, params = _translated(trigger)
    candidate.values |= {"trigger": kind, "trigger_params": params}
    for field, moment in (("start_at", "start_date"), ("end_at", "end_date")):
        at = getattr(trigger, moment, None)
        if isinstance(at, datetime) and isinstance(trigger, CronTrigger | IntervalTrigger):
            candidate.values[field] = at.astimezone(UTC)
    if getattr(trigger, "jitter", None):
        candidate.values["jitter_seconds"] = min(int(trigger.jitter), 3_600)
        candidate.notes.append(_("Its jitter is left out of the comparison: there it is drawn by lot."))
    candidate.meaning = _meaning(trigger)


def _zone_name(trigger: BaseTrigger) -> str:
    """The zone that a trigger, or the first part of a combination, computes in; empty where it needs none."""
    if isinstance(trigger, AndTrigger | OrTrigger):
        return next(filter(None, map(_zone_name, trigger.triggers)), "")
    if not isinstance(trigger, CronTrigger | IntervalTrigger):
        return ""
    name = getattr(trigger.timezone, "key", None) or str(trigger.timezone)
    return "UTC" if name.upper() == "UTC" else name


def _meaning(trigger: BaseTrigger) -> Meaning:
    """The times as APScheduler computes them, one from the other."""
    if getattr(trigger, "jitter", None):
        trigger.jitter = None

    def times(after: datetime, until: datetime, most: int) -> list[datetime]:
        found: list[datetime] = []
        previous, now = None, after + timedelta(microseconds=1)
        while len(found) < most:
            at = trigger.get_next_fire_time(previous, now)
            if at is None or at.astimezone(UTC) > until or (found and at.astimezone(UTC) <= found[-1]):
                break
            found.append(at.astimezone(UTC))
            previous, now = at, at
        return found

    return times


def _translated(trigger: BaseTrigger) -> tuple[str, dict[str, Any]]:
    """Our kind and parameters. Raises ValueError for what has no counterpart."""
    if isinstance(trigger, DateTrigger):
        return "date", {"run_date": trigger.run_date.astimezone(UTC).isoformat()}
    if isinstance(trigger, IntervalTrigger):
        if trigger.interval % timedelta(seconds=1):
            raise ValueError(_("an interval with parts of a second"))
        return "interval", {"seconds": int(trigger.interval.total_seconds())}
    if isinstance(trigger, CronTrigger):
        return _cron(trigger)
    if isinstance(trigger, AndTrigger | OrTrigger):
        parts = [
            dict(zip(("trigger", "params"), _translated(part), strict=True)) for part in trigger.triggers
        ]
        zones = {_zone_name(part) for part in trigger.triggers} - {""}
        if len(zones) > 1:
            raise ValueError(_("parts in several time zones"))
        return ("all_of" if isinstance(trigger, AndTrigger) else "any_of"), {"triggers": parts}
    raise ValueError(_("a trigger of the kind %(kind)s") % {"kind": type(trigger).__name__})


def _cron(trigger: CronTrigger) -> tuple[str, dict[str, Any]]:
    """APScheduler wants day and day of week to match both: where both are given, two schedules at once."""
    fields = {each.name: each for each in trigger.fields}
    if str(fields["week"]) != "*":
        raise ValueError(
            _("week %(week)s: weeks of the year are not known to cron here; write a calendar rule")
            % {"week": fields["week"]}
        )
    texts = {name: ",".join(_term(name, term) for term in fields[name].expressions) for name in fields}
    months = {name: texts[name] for name in ("second", "minute", "hour", "month", "year")}
    day, weekday = texts["day"], texts["day_of_week"]
    positions = [term for term in fields["day"].expressions if isinstance(term, WeekdayPositionExpression)]
    if positions:
        if len(positions) < len(fields["day"].expressions) or weekday != "*":
            raise ValueError(
                _("day %(day)s: numbered weekdays mixed with other days") % {"day": fields["day"]}
            )
        day, weekday = "*", day
    if day == "*" or weekday == "*":
        return "cron", {"dialect": "unix", **months, "day": day, "day_of_week": weekday}
    parts = [{**months, "day": day, "day_of_week": "*"}, {**months, "day": "*", "day_of_week": weekday}]
    return "all_of", {
        "triggers": [{"trigger": "cron", "params": {"dialect": "unix", **part}} for part in parts]
    }


def _term(name: str, term: Any) -> str:
    """One expression in our words."""
    if isinstance(term, WeekdayPositionExpression):
        weekday = WEEKDAYS[term.weekday]
        return f"{weekday}L" if term.option_num == 5 else f"{weekday}#{term.option_num + 1}"
    if isinstance(term, LastDayOfMonthExpression):
        return "L"
    if isinstance(term, AllExpression) and type(term) is AllExpression:
        return f"*/{term.step}" if term.step else "*"
    first, last, step = term.first, term.last, term.step
    if name == "day_of_week":  # there Monday is 0; named, so that nobody has to know
        numbers = range(
            first, (first if last is None and not step else 6 if last is None else last) + 1, step or 1
        )
        return ",".join(WEEKDAYS[number] for number in numbers)
    if last == first:
        return str(first)
    body = f"{first}-{last}" if last is not None else str(first)
    return f"{body}/{step}" if step else body
