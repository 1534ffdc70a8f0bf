"""Crontab files, with Debian's rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.services.imports.candidates import Candidate, Meaning, keys
from scheduling.services.imports.plain_walk import walk

MOST_LINES = 20_000
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
NAMES = {
    **{name: number for number, name in enumerate(WEEKDAYS)},
    **{name: number for number, name in enumerate(MONTHS, 1)},
}
MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip


def from_crontab(
    text: str, *, zone: str, function: str, parameter: str = "command", has_users: bool = False
) -> list[Candidate]:
    """An entry for each line with a command; ``has_users``: as in /etc/crontab, a user stands before it.

    The command becomes ``parameter`` of ``function``. CRON_TZ and TZ lines set the zone of those that follow.
    """
    rows = list(_rows(text, zone, has_users))
    names = keys(_name(command) for _line, _zone, _fields, command, _user in rows)
    found = []
    for (line, in_zone, fields, command, user), key in zip(rows, names, strict=True):
        values: dict[str, Any] = {
            "name": command[:200] or key,
            "function": function,
            "parameters": {parameter: command},
            "trigger": "cron",
            "trigger_params": {"dialect": "unix", "expression": fields},
            "time_zone": in_zone,
        }
        candidate = Candidate(_("line %(line)d") % {"line": line}, key, values)
        if user:
            candidate.notes.append(_("There it runs as the user %(user)s.") % {"user": user})
        if "%" in command:
            candidate.notes.append(_("The command has a %: cron reads what follows as input or a new line."))
        try:
            triggers.build("cron", values["trigger_params"], zone=in_zone)
            candidate.meaning = meaning(fields, in_zone)
        except (InvalidTrigger, ValueError) as error:
            candidate.problems.append(str(error))
        found.append(candidate)
    return found


def _rows(text: str, zone: str, has_users: bool) -> Iterator[tuple[int, str, str, str, str]]:
    """Line number, zone, schedule, command and user of each entry."""
    for number, line in enumerate(text.splitlines()[:MOST_LINES], 1):
        row = line.strip()
        if not row or row.startswith("#"):
            continue
        assignment = ASSIGNMENT.fullmatch(row)
        if assignment and not row[0].isdigit():
            if assignment[1] in ("CRON_TZ", "TZ"):
                zone = assignment[2].strip().strip("\"'")
            continue
        count = 1 if row.startswith("@") else 5
        parts = row.split(None, count + has_users)
        fields = " ".join(parts[:count])
        user = parts[count] if has_users and len(parts) > count else ""
        command = parts[count + has_users] if len(parts) > count + has_users else ""
        yield number, zone, fields, command, user


def _name(command: str) -> str:
    """The program's name."""
    words = [word for word in command.split() if "=" not in word]
    return words[0].rsplit("/", 1)[-1] if words else "cron"


def meaning(fields: str, zone: str) -> Meaning:
    """A crontab line's times by Debian's rules, read here anew. Raises ValueError for what Debian's cron has not."""
    minute, hour, day, month, weekday = MACROS.get(fields.lower(), fields).split()
    days, months = _numbers(day, 1, 31), _numbers(month, 1, 12)
    weekdays = {number % 7 for number in _numbers(weekday, 0, 7)}
    both = day.startswith("*") or weekday.startswith("*")

    def matches(at: date) -> bool:
        by_number, by_weekday = at.day in days, at.isoweekday() % 7 in weekdays
        return at.month in months and ((by_number and by_weekday) if both else (by_number or by_weekday))

    real_time = minute.startswith("*") or hour.startswith("*")
    return walk(
        triggers.zone(zone), matches, _numbers(hour, 0, 23), _numbers(minute, 0, 59), real_time=real_time
    )


def _numbers(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for term in text.upper().split(","):
        body, _slash, step = term.partition("/")
        first, dash, last = body.partition("-")
        if body == "*":
            begin, end = low, high
        else:
            begin = NAMES[first] if first in NAMES else int(first)
            end = (NAMES[last] if last in NAMES else int(last)) if dash else (high if step else begin)
        found.update(range(begin, end + 1, int(step or 1)))
    return found
