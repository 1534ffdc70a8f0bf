"""The text of a calendar rule (RFC 5545), read and checked; what it means is dateutil's to say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

from .inputs import did_you_mean, quoted, refusal
from .zones import Timeline

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
TEXT_LENGTH = 2_000
MOST_VALUES = 400
MOST_COUNT = 10_000
#: A rule that counts hours, minutes or seconds looks at every day: none is skipped by its interval.
MOST_INTERVAL = {"YEARLY": 100, "MONTHLY": 1_200, "WEEKLY": 520, "DAILY": 3_653, "HOURLY": 24, "MINUTELY": 1_440,
                 "SECONDLY": 86_400}  # fmt: skip
#: Part → lowest, highest, and whether negative numbers count from the end.
NUMBERS = {
    "BYSECOND": (0, 59, False),
    "BYMINUTE": (0, 59, False),
    "BYHOUR": (0, 23, False),
    "BYMONTHDAY": (1, 31, True),
    "BYYEARDAY": (1, 366, True),
    "BYWEEKNO": (1, 53, True),
    "BYMONTH": (1, 12, False),
    "BYSETPOS": (1, 366, True),
}
PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *NUMBERS)
#: Where RFC 5545 does not allow a part.
MISPLACED = {
    "BYWEEKNO": ("MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"),
    "BYYEARDAY": ("MONTHLY", "WEEKLY", "DAILY"),
    "BYMONTHDAY": ("WEEKLY",),
}
DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
NUMBER = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
MOMENT = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z)?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked rule. Wall-clock times are naive datetimes in the task's zone."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    week_start: int = 0  # 0 is Monday
    weekdays: tuple[tuple[int, int], ...] = ()  # (0 is Monday, n-th or 0)
    numbers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def get(self, part: str) -> tuple[int, ...]:
        """The numbers of a part; empty when it is not given."""
        return self.numbers.get(part, ())


@dataclass(frozen=True, slots=True)
class Lines:
    """What a text of several lines says."""

    rule: str
    start: datetime | None
    extra: tuple[datetime, ...]
    excluded: tuple[datetime, ...]


def read_lines(text: object, line: Timeline) -> Lines:
    """A rule alone, or lines as calendars export them: DTSTART, RRULE, RDATE, EXDATE. Raises InvalidTrigger."""
    if not isinstance(text, str) or not text.strip():
        raise refusal(
            _("rule: a text such as “FREQ=WEEKLY;BYDAY=MO,FR” is needed, not %(value)s.")
            % {"value": quoted(text)}
        )
    if len(text) > TEXT_LENGTH:
        raise refusal(
            _("rule: %(length)d characters are too many; at most %(limit)d are allowed.")
            % {"length": len(text), "limit": TEXT_LENGTH}
        )
    rules: list[str] = []
    moments: dict[str, list[datetime]] = {"DTSTART": [], "RDATE": [], "EXDATE": []}
    for row in text.upper().split():
        head, colon, body = row.partition(":")
        name, _semicolon, options = head.partition(";")
        if not colon:
            rules.append(row)
        elif name == "RRULE":
            rules.append(body)
        elif name in moments:
            _check_options(name, options, line)
            moments[name] += [read_moment(name, part, line) for part in body.split(",")[:MOST_VALUES]]
        else:
            known = ("RRULE", *moments)
            raise refusal(
                _("rule: %(value)s is not known.") % {"value": quoted(name)}
                + did_you_mean(name, known)
                + " "
                + _("Allowed are %(allowed)s.") % {"allowed": ", ".join(known)}
            )
    if len(rules) != 1 or len(moments["DTSTART"]) > 1:
        raise refusal(_("rule: exactly one RRULE and at most one DTSTART are needed."))
    start = moments["DTSTART"][0] if moments["DTSTART"] else None
    return Lines(rules[0], start, tuple(moments["RDATE"]), tuple(moments["EXDATE"]))


def _check_options(name: str, options: str, line: Timeline) -> None:
    for option in options.split(";") if options else ():
        key, _equals, value = option.partition("=")
        if key == "VALUE" or (key == "TZID" and value == line.name.upper()):
            continue
        text = _("rule: %(name)s is given in %(zone)s, but the task's time zone is %(own)s.")
        raise refusal(text % {"name": name, "zone": quoted(value or option), "own": line.name})


def read_moment(name: str, text: str, line: Timeline) -> datetime:
    """A date or date-time as RFC 5545 writes them, as wall-clock time of the zone."""
    found = MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        moment = datetime.strptime(found[1] + (found[2] or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError:
        message = _("rule, %(name)s: %(value)s is not a date such as 20270131 or 20270131T030000.")
        raise refusal(message % {"name": name, "value": quoted(text)}) from None
    if found[3]:
        moment = moment.replace(tzinfo=UTC).astimezone(line.tz).replace(tzinfo=None, fold=0)
    return moment


def read_rule(text: str, line: Timeline) -> Rule:
    """The rule that `FREQ=…;…` means. Raises InvalidTrigger that names part, token and what is allowed."""
    parts: dict[str, str] = {}
    for part in text.strip(";").split(";"):
        name, equals, value = part.partition("=")
        if name not in PARTS or not equals or not value:
            raise refusal(
                _("rule, %(part)s: this is not known.") % {"part": quoted(part)}
                + did_you_mean(name, PARTS)
                + " "
                + _("Allowed are %(allowed)s.") % {"allowed": ", ".join(PARTS)}
            )
        if name in parts:
            raise refusal(_("rule, %(part)s: this stands twice.") % {"part": name})
        parts[name] = value
    frequency = parts.pop("FREQ", "")
    if frequency not in FREQUENCIES:
        raise _not_allowed("FREQ", frequency, ", ".join(FREQUENCIES))
    values: dict[str, Any] = {"frequency": frequency, "numbers": {}}
    readers: dict[str, Callable[[str], object]] = {
        "INTERVAL": lambda value: _number("INTERVAL", value, 1, MOST_INTERVAL[frequency], False),
        "COUNT": lambda value: _number("COUNT", value, 1, MOST_COUNT, False),
        "UNTIL": lambda value: _until(value, line),
        "WKST": lambda value: _one_weekday(value),
        "BYDAY": lambda value: tuple(_day(frequency, each) for each in value.split(",")[:MOST_VALUES]),
    }
    names = {
        "INTERVAL": "interval",
        "COUNT": "count",
        "UNTIL": "until",
        "WKST": "week_start",
        "BYDAY": "weekdays",
    }
    for name, value in parts.items():
        if name in readers:
            values[names[name]] = readers[name](value)
        else:
            values["numbers"][name] = tuple(
                _number(name, each, *NUMBERS[name]) for each in value.split(",")[:MOST_VALUES]
            )
    rule = Rule(**values)
    _check_places(rule)
    return rule


def _check_places(rule: Rule) -> None:
    for part, frequencies in MISPLACED.items():
        if rule.get(part) and rule.frequency in frequencies:
            text = _("rule, %(part)s: this does not go with FREQ=%(frequency)s.")
            raise refusal(text % {"part": part, "frequency": rule.frequency})
    if rule.count is not None and rule.until is not None:
        raise refusal(_("rule: give either COUNT or UNTIL, not both."))
    if rule.get("BYSETPOS") and not (rule.weekdays or rule.numbers.keys() - {"BYSETPOS"}):
        raise refusal(_("rule, BYSETPOS: this needs another part to choose from, such as BYDAY."))
    if rule.get("BYWEEKNO") and any(nth for _weekday, nth in rule.weekdays):
        raise refusal(_("rule, BYDAY: a numbered weekday does not go with BYWEEKNO."))


def _until(value: str, line: Timeline) -> datetime:
    moment = read_moment("UNTIL", value, line)
    # A bare date is its whole day.
    return moment if "T" in value else moment.replace(hour=23, minute=59, second=59)


def _number(part: str, text: str, low: int, high: int, negative: bool) -> int:
    number = int(text) if NUMBER.fullmatch(text) else None
    if number is None or not (low <= number <= high or (negative and low <= -number <= high)):
        allowed = f"{low}–{high}" + (f", -{high}–-{low}" if negative else "")
        raise _not_allowed(part, text, allowed)
    return number


def _one_weekday(text: str) -> int:
    if text not in WEEKDAYS:
        raise _not_allowed("WKST", text, ", ".join(WEEKDAYS))
    return WEEKDAYS.index(text)


def _day(frequency: str, text: str) -> tuple[int, int]:
    found = DAY.fullmatch(text)
    nth = int(found[1] or 0) if found else 0
    numbered = frequency in ("YEARLY", "MONTHLY")
    most = 53 if frequency == "YEARLY" else 5
    if found is None or (found[1] and (not numbered or not 1 <= abs(nth) <= most)):
        allowed = ", ".join(WEEKDAYS)
        if numbered:
            allowed += _(", with a number from 1 to %(most)d or -%(most)d to -1, as in 2MO or -1FR") % {
                "most": most
            }
        raise _not_allowed("BYDAY", text, allowed)
    return WEEKDAYS.index(found[2]), nth


def _not_allowed(part: str, text: str, allowed: str) -> InvalidTrigger:
    message = _("rule, %(part)s: %(value)s is not allowed. Allowed are %(allowed)s.")
    return refusal(message % {"part": part, "value": quoted(text), "allowed": allowed})
