"""The tables of django-celery-beat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from scheduling import registry, triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.services.imports.candidates import Candidate, Meaning, keys, unknown_function
from scheduling.services.imports.plain_walk import walk
from scheduling.sql.foreign_tables import read_table

PREFIX = "django_celery_beat_"
UNITS = ("days", "hours", "minutes", "seconds")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
#: Column of a crontab schedule → lowest value, highest value, names.
FIELDS: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "minute": (0, 59, ()),
    "hour": (0, 23, ()),
    "day_of_month": (1, 31, ()),
    "month_of_year": (1, 12, MONTHS),
    "day_of_week": (0, 6, WEEKDAYS),
}


def from_celery_beat(
    connection: BaseDatabaseWrapper, functions: Mapping[str, str], *, zone: str
) -> list[Candidate]:
    """An entry for each periodic task; ``functions``: Celery's task name → a function's name.

    Raises InvalidTrigger (`source`) when the tables are not there.
    """
    tables = {
        name: read_table(connection, PREFIX + name)
        for name in ("periodictask", "crontabschedule", "intervalschedule", "clockedschedule")
    }
    rows = tables["periodictask"]
    if rows is None:
        raise InvalidTrigger(
            {"source": [_("There is no table %(table)s.") % {"table": PREFIX + "periodictask"}]}
        )
    schedules = {name: {row["id"]: row for row in found or ()} for name, found in tables.items()}
    rows = [row for row in rows if row["name"] != "celery.backend_cleanup"]
    return [
        _candidate(row, key, schedules, functions, zone)
        for row, key in zip(rows, keys(str(row["name"]) for row in rows), strict=True)
    ]


def _candidate(
    row: dict[str, Any],
    key: str,
    schedules: dict[str, dict[int, dict[str, Any]]],
    functions: Mapping[str, str],
    zone: str,
) -> Candidate:
    name = str(row["task"])
    values: dict[str, Any] = {
        "name": str(row["name"])[:200],
        "description": str(row.get("description") or "")[:4000],
        "function": functions.get(name, name.rsplit(".", 1)[-1]),
        "enabled": bool(row["enabled"]),
        "time_zone": zone,
    }
    candidate = Candidate(f"{PREFIX}periodictask {row['id']}", key, values)
    if values["function"] not in registry.functions():
        candidate.problems.append(unknown_function(name))
    try:
        args, kwargs = json.loads(row.get("args") or "[]"), json.loads(row.get("kwargs") or "{}")
    except ValueError:
        args, kwargs = [], {}
        candidate.problems.append(_("Its arguments are no JSON."))
    values["parameters"] = kwargs if isinstance(kwargs, dict) else {}
    if args:
        candidate.problems.append(_("It has positional arguments: give them names first."))
    for column, field in (("start_time", "start_at"), ("expires", "end_at")):
        if row.get(column):
            values[field] = aware(row[column])
    try:
        _set_schedule(row, schedules, candidate)
    except (InvalidTrigger, ValueError, KeyError) as error:
        candidate.problems.append(_("Its schedule cannot be read: %(cause)s") % {"cause": error})
    return candidate


def _set_schedule(
    row: dict[str, Any], schedules: dict[str, dict[int, dict[str, Any]]], candidate: Candidate
) -> None:
    values = candidate.values
    if row.get("crontab_id"):
        crontab = schedules["crontabschedule"][row["crontab_id"]]
        values["time_zone"] = str(crontab.get("timezone") or values["time_zone"])
        triggers.zone(values["time_zone"])
        values["trigger"], values["trigger_params"] = _our_crontab(crontab)
        candidate.meaning = _crontab_meaning(crontab, values["time_zone"])
    elif row.get("interval_id"):
        interval = schedules["intervalschedule"][row["interval_id"]]
        unit, every = str(interval["period"]), int(interval["every"])
        if unit not in UNITS:
            raise ValueError(_("an interval in %(unit)s") % {"unit": unit})
        values["trigger"], values["trigger_params"] = "interval", {unit: every}
        step = timedelta(**{unit: every})
        anchor = aware(row["last_run_at"]) if row.get("last_run_at") else None
        candidate.notes.append(
            _("Celery counts from the last run; here it is counted from the import or the start.")
        )
        candidate.meaning = _every(step, values.get("start_at") or anchor)
    elif row.get("clocked_id"):
        at = aware(schedules["clockedschedule"][row["clocked_id"]]["clocked_time"])
        values["trigger"], values["trigger_params"] = "date", {"run_date": at.isoformat()}
        candidate.meaning = lambda after, until, most: [at] if after < at <= until else []
    else:
        raise ValueError(_("sunrise and sunset are not known here"))
    if row.get("one_off"):
        values["max_runs"] = 1
        candidate.notes.append(_("It runs once."))


def _every(step: timedelta, anchor: datetime | None) -> Meaning | None:
    """Equal steps from a moment; nothing to compare with when Celery has none to count from."""
    if anchor is None:
        return None

    def times(after: datetime, until: datetime, most: int) -> list[datetime]:
        first = anchor + max(0, (after - anchor) // step + 1) * step
        found: list[datetime] = []
        while first <= until and len(found) < most:
            found.append(first)
            first += step
        return found

    return times


def aware(value: Any) -> datetime:
    """A moment from a table: SQLite answers text, and what has no offset is UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise TypeError(f"{value!r} is no moment")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _our_crontab(crontab: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Celery wants day of month and day of week to match both: where both are given, two schedules at once."""
    numbers = {name: _members(name, str(crontab[name])) for name in FIELDS}
    texts = {name: _text(name, str(crontab[name]), numbers[name]) for name in FIELDS}
    minute, hour, month = texts["minute"], texts["hour"], texts["month_of_year"]
    day, weekday = texts["day_of_month"], texts["day_of_week"]
    if day == "*" or weekday == "*":
        return "cron", {"dialect": "unix", "expression": f"{minute} {hour} {day} {month} {weekday}"}
    parts = [f"{minute} {hour} {day} {month} *", f"{minute} {hour} * {month} {weekday}"]
    chosen = [{"trigger": "cron", "params": {"dialect": "unix", "expression": part}} for part in parts]
    return "all_of", {"triggers": chosen}


def _text(name: str, written: str, numbers: set[int]) -> str:
    """A field of ours: as it is written where that means the same, else its numbers."""
    low, high, _names = FIELDS[name]
    if len(numbers) == high - low + 1:
        return "*"
    body, _slash, step = written.partition("/")
    if body == "*" and step.isdecimal():
        return f"*/{step}"
    return ",".join(map(str, sorted(numbers)))


def _members(name: str, text: str) -> set[int]:
    """The numbers of a field as Celery reads it: ranges may go over the end."""
    low, high, names = FIELDS[name]
    size = high - low + 1

    def value(word: str) -> int:
        word = word.strip().upper()
        number = names.index(word[:3]) + low if word[:3] in names else int(word)
        number = 0 if name == "day_of_week" and number == 7 else number
        if not low <= number <= high:
            raise ValueError(_("%(field)s: %(value)s is out of range") % {"field": name, "value": word})
        return number

    found: set[int] = set()
    for term in text.replace(" ", "").split(","):
        body, slash, step = term.partition("/")
        first, dash, last = body.partition("-")
        if body == "*":
            begin, end = low, high
        else:
            begin = value(first)
            end = value(last) if dash else (high if slash else begin)
        end += size if end < begin else 0
        found.update(
            (number - low) % size + low for number in range(begin, end + 1, int(step) if slash else 1)
        )
    return found


def _crontab_meaning(crontab: dict[str, Any], zone: str) -> Meaning:
    numbers = {name: _members(name, str(crontab[name])) for name in FIELDS}

    def matches(day: date) -> bool:
        return (
            day.day in numbers["day_of_month"]
            and day.month in numbers["month_of_year"]
            and day.isoweekday() % 7 in numbers["day_of_week"]
        )

    real_time = any(str(crontab[name]).startswith("*") for name in ("minute", "hour"))
    return walk(triggers.zone(zone), matches, numbers["hour"], numbers["minute"], real_time=real_time)
