"""Crontab files, with Debian's rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scheduling import registry, triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.models.addresses import check_addresses
from scheduling.services.definitions.fields import function_defaults
from scheduling.services.imports.candidates import Candidate, Meaning, keys
from scheduling.services.imports.plain_walk import walk

MOST_LINES = 20_000
#: A % with a meaning: a backslash takes it away.
PERCENT = re.compile(r"(?<!\\)%")
#: Variables that speak to cron, not to the command.
OWN = ("SHELL", "MAILTO", "MAILFROM", "CRON_TZ", "RANDOM_DELAY", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING")
ASSIGNMENT = re.compile(r"""["']?([A-Za-z_][A-Za-z0-9_]*)["']?\s*=\s*(.*)""")
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


#: What each line becomes where no other function is named.
RUNNER = "run_command"
SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line with a command, and what the lines before it have set."""

    line: int
    fields: str  # the schedule
    user: str  # "" where the file has none
    text: str  # as it stands there
    variables: dict[str, str]

    @property
    def command(self) -> str:
        """What the shell gets: up to the first % that no backslash stands before."""
        return PERCENT.split(self.text, maxsplit=1)[0].replace("\\%", "%").rstrip()

    @property
    def input(self) -> str | None:
        """What it reads: the rest, in which each % is a new line. None: there is none."""
        _command, *rest = PERCENT.split(self.text)
        return "\n".join(part.replace("\\%", "%") for part in rest) if rest else None


def from_crontab(
    text: str, *, zone: str, function: str = "", parameter: str = "command", has_users: bool = False
) -> list[Candidate]:
    """An entry for each line with a command; ``has_users``: as in /etc/crontab, a user stands before it.

    Each becomes a task of run_command with its own command, shell, input and variables. With ``function`` the text of
    the command becomes that function's ``parameter`` instead. A CRON_TZ line sets the zone of those that follow.
    """
    entries = list(_entries(text, has_users))
    names = keys(_name(entry.command) for entry in entries)
    return [
        _candidate(entry, key, zone, function, parameter) for entry, key in zip(entries, names, strict=True)
    ]


def _candidate(entry: Entry, key: str, zone: str, function: str, parameter: str) -> Candidate:
    zone = entry.variables.get("CRON_TZ") or zone
    values: dict[str, Any] = {
        "name": entry.command[:200] or key,
        "trigger": "cron",
        "trigger_params": {"dialect": "unix", "expression": entry.fields},
        "time_zone": zone,
    }
    candidate = Candidate(_("line %(line)d") % {"line": entry.line}, key, values)
    if function:
        values |= {**function_defaults(function), "function": function, "parameters": {parameter: entry.text}}
        if entry.input is not None:
            candidate.notes.append(_("The command has a %: cron reads what follows as input or a new line."))
    else:
        _set_command(entry, candidate)
    if entry.user:
        candidate.notes.append(
            _(
                "There it runs as the user %(user)s, here as the user of the scheduler or JOBSITE_COMMAND_USER."
            )
            % {"user": entry.user}
        )
    _set_mail(entry, candidate)
    if "TZ" in entry.variables:
        candidate.notes.append(
            _("TZ is given to the command alone, as by Debian's cron: the schedule is in %(zone)s.")
            % {"zone": zone}
        )
    if not entry.command:
        candidate.problems.append(_("The line has no command."))
    try:
        triggers.build("cron", values["trigger_params"], zone=zone)
        candidate.meaning = meaning(entry.fields, zone)
    except (InvalidTrigger, ValueError) as error:
        candidate.problems.append(str(error))
    return candidate


def _set_command(entry: Entry, candidate: Candidate) -> None:
    """run_command with the shell that cron would use; a problem where commands are switched off."""
    runner = registry.get(RUNNER)
    script = entry.command
    if entry.input is not None:
        mark = "INPUT"
        while mark in entry.input:
            mark += "_"
        script = f"{{ {script}\n}} <<'{mark}'\n{entry.input}\n{mark}"
    shell = entry.variables.get("SHELL") or SHELL
    parameters: dict[str, Any] = {"command": [shell, "-c", script]}
    environment = {name: text for name, text in entry.variables.items() if name not in OWN}
    if environment:
        parameters["environment"] = environment
    candidate.values |= {**function_defaults(RUNNER), "function": RUNNER, "parameters": parameters}
    if not runner.is_on:
        text = _(
            "Commands are switched off here: %(setting)s allows them; or name a function with --function."
        )
        candidate.problems.append(text % {"setting": runner.setting})


def _set_mail(entry: Entry, candidate: Candidate) -> None:
    """MAILTO: there it gets all that a command prints, here it is told of failures."""
    wanted = [word for word in re.split(r"[\s,]+", entry.variables.get("MAILTO", "")) if word]
    try:
        check_addresses(wanted)
    except ValidationError as error:
        candidate.notes.append(_("MAILTO is left out: %(cause)s") % {"cause": " ".join(error.messages)})
        return
    if wanted:
        candidate.values["notify_on_failure"] = wanted
        candidate.notes.append(
            _("MAILTO is told of failures; what a command prints is in the log of its run.")
        )


def _entries(text: str, has_users: bool) -> Iterator[Entry]:
    """The lines with commands. Variables hold from their line on."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines()[:MOST_LINES], 1):
        row = line.strip()
        if not row or row.startswith("#"):
            continue
        assignment = ASSIGNMENT.fullmatch(row)
        if assignment:
            value = assignment[2].strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            variables = {**variables, assignment[1]: value[1:-1] if quoted else value}
            continue
        count = 1 if row.startswith("@") else 5
        parts = row.split(None, count + has_users)
        user = parts[count] if has_users and len(parts) > count else ""
        command = parts[count + has_users] if len(parts) > count + has_users else ""
        yield Entry(number, " ".join(parts[:count]), user, command, variables)


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
