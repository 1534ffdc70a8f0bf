"""What people write of a calendar, read into plain values; every fault names its field and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

import holidays
from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidCalendar, InvalidTrigger

from .inputs import did_you_mean, mapping, quoted
from .moments import YEARS
from .zones import zone

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MOST_ENTRIES = 1_000
LONGEST_DATES = timedelta(days=366)
YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dates:
    """Days of one's own: from the first to the last, in one year or, `yearly`, in each."""

    first: date
    last: date
    yearly: bool = False
    working: bool = False  # not marked, whatever else is said of it
    name: str = ""

    def days(self, year: int) -> list[date]:
        """Its days in a year."""
        if not self.yearly:
            length = (self.last - self.first).days + 1
            days = [self.first + timedelta(days=number) for number in range(length)]
            return [day for day in days if day.year == year]
        try:
            return [self.first.replace(year=year)]
        except ValueError:  # 29 February, in a year without one
            return []


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time: once from start to end, or on weekdays from one time of day to another."""

    start: datetime | None = None
    end: datetime | None = None
    weekdays: frozenset[int] = frozenset()
    since: time = time()
    until: time = time()  # not later than `since`: of the next day
    name: str = ""


def read(values: Mapping[str, object]) -> dict[str, Any]:
    """The checked values of a CalendarRules. Raises InvalidCalendar that names all wrong fields at once."""
    found: dict[str, Any] = {"name": str(values.get("name") or "")}
    errors: dict[str, list[str]] = {}
    readers: dict[str, Callable[[object], Any]] = {
        "time_zone": _zone,
        "weekend": _weekdays,
        "country": _country,
        "dates": _dates,
        "windows": _windows,
    }
    for field, reader in readers.items():
        try:
            found["zone" if field == "time_zone" else field] = reader(values.get(field))
        except InvalidCalendar as problem:
            errors |= problem.errors
        except InvalidTrigger as problem:
            errors[field] = [text for texts in problem.errors.values() for text in texts]
    if "country" in found:
        try:
            found["subdivision"] = _subdivision(values.get("subdivision"), found["country"])
        except InvalidCalendar as problem:
            errors |= problem.errors
    if errors:
        raise InvalidCalendar(errors)
    return found


def _fault(field: str, text: str) -> InvalidCalendar:
    return InvalidCalendar({field: [text]})


def _zone(value: object) -> str:
    if value in (None, ""):
        return ""
    return str(zone(value).key)  # type: ignore[arg-type]  # it says itself when that is no name


def _weekdays(value: object, field: str = "weekend") -> frozenset[int]:
    if isinstance(value, str):
        value = [part for part in value.replace(",", " ").split() if part]
    if value is None:
        return frozenset()
    text = _("%(value)s is not a list of weekdays. Allowed are %(allowed)s.")
    if not isinstance(value, list | tuple):
        raise _fault(field, text % {"value": quoted(value), "allowed": ", ".join(WEEKDAYS)})
    for each in value:
        if not isinstance(each, str) or each.upper() not in WEEKDAYS:
            raise _fault(field, text % {"value": quoted(each), "allowed": ", ".join(WEEKDAYS)})
    return frozenset(WEEKDAYS.index(each.upper()) + 1 for each in value)


@cache
def countries() -> dict[str, tuple[str, ...]]:
    """The countries of the holidays package, each with its subdivisions."""
    return {code: tuple(parts) for code, parts in holidays.list_supported_countries().items()}


def _country(value: object) -> str:
    if value in (None, ""):
        return ""
    if isinstance(value, str) and value.upper() in countries():
        return value.upper()
    text = _("There is no country %(value)s. Allowed are codes of two letters, such as CN, DE, US.")
    raise _fault("country", text % {"value": quoted(value)})


def _subdivision(value: object, country: str) -> str:
    if value in (None, ""):
        return ""
    allowed = countries().get(country, ())
    if isinstance(value, str) and value in allowed:
        return value
    if not allowed:
        text = _("%(country)s has no subdivisions.")
        raise _fault("subdivision", text % {"country": country or _("A calendar without a country")})
    text = _("%(country)s has no subdivision %(value)s.") % {"country": country, "value": quoted(value)}
    known = _("Allowed are %(allowed)s.") % {"allowed": ", ".join(allowed[:60])}
    raise _fault("subdivision", text + did_you_mean(str(value), allowed) + " " + known)


def _entries(field: str, value: object, keys: tuple[str, ...]) -> list[dict[str, object]]:
    if value is None:
        return []
    if not isinstance(value, list | tuple) or len(value) > MOST_ENTRIES:
        text = _("A list of at most %(most)d entries is needed, not %(value)s.")
        raise _fault(field, text % {"most": MOST_ENTRIES, "value": quoted(value)})
    found = []
    for number, entry in enumerate(value, 1):
        try:
            found.append(
                mapping({"date": entry} if field == "dates" and isinstance(entry, str) else entry, keys)
            )
        except InvalidTrigger as problem:
            texts = [text for each in problem.errors.values() for text in each]
            raise _fault(field, f"{field}[{number}]: " + " ".join(texts)) from problem
    return found


def _dates(value: object) -> tuple[Dates, ...]:
    found = []
    for number, entry in enumerate(_entries("dates", value, ("date", "until", "working", "name")), 1):
        place = f"dates[{number}]"
        written, working = entry.get("date"), entry.get("working", False)
        if not isinstance(working, bool):
            raise _fault("dates", _("%(place)s, working: true or false is needed.") % {"place": place})
        name = str(entry.get("name") or "")[:100]
        yearly = YEARLY.fullmatch(written) if isinstance(written, str) else None
        if yearly:
            if "until" in entry:
                raise _fault("dates", _("%(place)s: a day of every year has no until.") % {"place": place})
            first = _date(place, f"2000-{written}")
            found.append(Dates(first, first, yearly=True, working=working, name=name))
            continue
        first = _date(place, written)
        last = _date(place, entry["until"]) if "until" in entry else first
        if not first <= last <= first + LONGEST_DATES:
            text = _("%(place)s: until must be the day itself or later, by at most %(most)d days.")
            raise _fault("dates", text % {"place": place, "most": LONGEST_DATES.days})
        found.append(Dates(first, last, working=working, name=name))
    return tuple(found)


def _date(place: str, value: object) -> date:
    if isinstance(value, datetime):
        value = value.date()
    try:
        found = value if isinstance(value, date) else date.fromisoformat(str(value))
        if found.year in YEARS:
            return found
    except ValueError:
        pass
    text = _("%(place)s: %(value)s is not a day such as 2027-05-01, or 05-01 for every year.")
    raise _fault("dates", text % {"place": place, "value": quoted(value)})


def _windows(value: object) -> tuple[Window, ...]:
    keys = ("start", "end", "weekdays", "from", "to", "name")
    found = []
    for number, entry in enumerate(_entries("windows", value, keys), 1):
        place = f"windows[{number}]"
        name = str(entry.get("name") or "")[:100]
        given = entry.keys() - {"name"}
        if given == {"start", "end"}:
            start, end = _moment(place, "start", entry["start"]), _moment(place, "end", entry["end"])
            if (start.tzinfo is None) != (end.tzinfo is None) or not start < end:
                text = _(
                    "%(place)s: the end must be later than the start, both with or both without an offset."
                )
                raise _fault("windows", text % {"place": place})
            found.append(Window(start=start, end=end, name=name))
        elif given == {"weekdays", "from", "to"}:
            weekdays = _weekdays(entry["weekdays"], "windows")
            if not weekdays:
                raise _fault("windows", _("%(place)s, weekdays: at least one is needed.") % {"place": place})
            since, until = _time(place, "from", entry["from"]), _time(place, "to", entry["to"])
            found.append(Window(weekdays=weekdays, since=since, until=until, name=name))
        else:
            text = _("%(place)s: give start and end, or weekdays, from and to.")
            raise _fault("windows", text % {"place": place})
    return tuple(found)


def _moment(place: str, key: str, value: object) -> datetime:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        if found.year in YEARS:
            return found
    except ValueError:
        pass
    text = _("%(place)s, %(key)s: %(value)s is not a date and time such as “2027-01-31 03:00:00”.")
    raise _fault("windows", text % {"place": place, "key": key, "value": quoted(value)})


def _time(place: str, key: str, value: object) -> time:
    try:
        found = time.fromisoformat(str(value))
        if found.tzinfo is None:
            return found
    except ValueError:
        pass
    text = _("%(place)s, %(key)s: %(value)s is not a time of day such as 22:00.")
    raise _fault("windows", text % {"place": place, "key": key, "value": quoted(value)})
