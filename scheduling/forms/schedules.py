"""Inputs for the parameters of each kind of schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from scheduling.exceptions import InvalidTrigger
from scheduling.triggers import names
from scheduling.triggers.cron import CronTrigger
from scheduling.triggers.cron_dialects import DIALECTS, NAMED_FIELDS
from scheduling.triggers.kinds import kind_named


@dataclass(frozen=True, slots=True)
class ScheduleInput:
    """One parameter of a kind of schedule."""

    key: str
    label: Any
    #: integer, text, moment, moments (one a line), choice, or json: text that is JSON if it can be read so.
    kind: str = "json"
    help: Any = ""
    choices: list[tuple[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Editor:
    """The inputs of one kind; those of cron are boxes of their own."""

    kind: str
    label: Any
    inputs: list[ScheduleInput]
    boxes: list[tuple[str, Any, str]] = field(default_factory=list)
    dialects: list[str] = field(default_factory=list)


_PART = _('JSON: {"trigger": "cron", "params": {"expression": "0 2 * * *"}}')
_PART_LIST = _(
    'A JSON list of at least two: {"trigger": "cron", "params": {"expression": "0 2 * * *"}} and so on.'
)
#: Inputs that need more than their name.
KNOWN = {
    entry.key: entry
    for entry in (
        ScheduleInput("years", _("Years"), "integer"),
        ScheduleInput("months", _("Months"), "integer"),
        ScheduleInput("weeks", _("Weeks"), "integer"),
        ScheduleInput("days", _("Days"), "integer", _("Of 24 hours each.")),
        ScheduleInput("hours", _("Hours"), "integer"),
        ScheduleInput("minutes", _("Minutes"), "integer"),
        ScheduleInput("seconds", _("Seconds"), "integer"),
        ScheduleInput("run_date", _("Date and time"), "moment", _("In the time zone below.")),
        ScheduleInput("run_dates", _("Or several of them"), "moments", _("One a line.")),
        ScheduleInput("rule", _("Rule"), "text", _("RFC 5545, such as FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18")),
        ScheduleInput("dtstart", _("Counted from"), "moment", _("In the time zone below.")),
        ScheduleInput("rdates", _("Also at"), "moments", _("One a line.")),
        ScheduleInput("exdates", _("But not at"), "moments", _("One a line.")),
        ScheduleInput("triggers", _("Schedules"), "json", _PART_LIST),
        ScheduleInput("base", _("Schedule"), "json", _PART),
        ScheduleInput("except", _("Except when this is due"), "json", _PART),
    )
}

#: key, name and example of each box.
BOXES = {
    "second": (_("Second"), "0–59"),
    "minute": (_("Minute"), "0–59"),
    "hour": (_("Hour"), "0–23"),
    "day": (_("Day"), "1–31"),
    "month": (_("Month"), "1–12"),
    "day_of_week": (_("Weekday"), "SUN–SAT"),
    "year": (_("Year"), "*"),
}

#: What people ask for most: words and the unix expression.
PRESETS = (
    (_("Every minute"), "* * * * *"),
    (_("Every 15 minutes"), "*/15 * * * *"),
    (_("Hourly"), "0 * * * *"),
    (_("Daily at 02:00"), "0 2 * * *"),
    (_("Workdays at 08:00"), "0 8 * * 1-5"),
    (_("Weekly, Sunday 02:00"), "0 2 * * 0"),
    (_("Monthly, on the 1st"), "0 2 1 * *"),
    (_("Yearly, 1 January"), "0 2 1 1 *"),
)


def editors() -> list[Editor]:
    """One for each kind of schedule, in the order of the table of triggers; those of a project come last."""
    return [_cron(CronTrigger.label) if kind == CronTrigger.kind else _editor(kind) for kind in names()]


def _editor(kind: str) -> Editor:
    try:
        trigger = kind_named(kind)
    except InvalidTrigger:  # its code is missing: what there is can still be read as JSON
        return Editor(kind, kind, [])
    return Editor(kind, trigger.label, [KNOWN.get(key) or _plain(key) for key in trigger.keys])


def _cron(label: Any) -> Editor:
    return Editor("cron", label, [], [(key, *BOXES[key]) for key in NAMED_FIELDS], list(DIALECTS))


def _plain(key: str) -> ScheduleInput:
    return ScheduleInput(key, key.replace("_", " ").capitalize())
