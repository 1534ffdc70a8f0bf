"""Inputs for the parameters of each kind of schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from scheduling.exceptions import InvalidTrigger
from scheduling.triggers import names
from scheduling.triggers.combined import MOST_PARTS
from scheduling.triggers.cron import CronTrigger
from scheduling.triggers.cron_dialects import DIALECTS, NAMED_FIELDS
from scheduling.triggers.kinds import kind_named
from scheduling.triggers.rrule import RuleTrigger


@dataclass(frozen=True, slots=True)
class ScheduleInput:
    """One parameter of a kind of schedule."""

    key: str
    label: Any
    #: integer, text, yes, moment, moments (one a line), choice, parts: schedules with editors of their own,
    #: or json: text that is JSON if it can be read so.
    kind: str = "json"
    help: Any = ""
    #: Of parts; at most one is one alone, no list.
    least: int = 0
    most: int = 0
    choices: list[tuple[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Editor:
    """The inputs of one kind; those of cron are boxes of their own."""

    kind: str
    label: Any
    inputs: list[ScheduleInput]
    timed: bool = True  # it may be a part of another
    boxes: list[tuple[str, Any, str]] = field(default_factory=list)
    dialects: list[str] = field(default_factory=list)
    #: Words and the value of one of its inputs, whose key is `preset_key`.
    presets: tuple[tuple[Any, str], ...] = ()
    preset_key: str = "expression"


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
        ScheduleInput("after_end", _("After the end of the run before"), "yes"),
        ScheduleInput("triggers", _("Schedules"), "parts", least=2, most=MOST_PARTS),
        ScheduleInput("base", _("Schedule"), "parts", least=1, most=1),
        ScheduleInput("except", _("Except when one of these is due"), "parts", least=1, most=MOST_PARTS),
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

#: The same as calendar rules: what cron cannot say.
RULE_PRESETS = (
    (_("Every second Monday at 09:00"), "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9;BYMINUTE=0;BYSECOND=0"),
    (_("Last Friday of the month at 18:00"), "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0;BYSECOND=0"),
    (
        _("Last workday of the month at 18:00"),
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=18;BYMINUTE=0;BYSECOND=0",
    ),
    (
        _("First day of each quarter at 02:00"),
        "FREQ=YEARLY;BYMONTH=1,4,7,10;BYMONTHDAY=1;BYHOUR=2;BYMINUTE=0;BYSECOND=0",
    ),
)


def editors() -> list[Editor]:
    """One for each kind of schedule, in the order of the table of triggers; those of a project come last."""
    return [_cron(CronTrigger.label) if kind == CronTrigger.kind else _editor(kind) for kind in names()]


def _editor(kind: str) -> Editor:
    try:
        trigger = kind_named(kind)
    except InvalidTrigger:  # its code is missing: what there is can still be read as JSON
        return Editor(kind, kind, [])
    inputs = [KNOWN.get(key) or _plain(key) for key in trigger.keys]
    presets = RULE_PRESETS if kind == RuleTrigger.kind else ()
    return Editor(kind, trigger.label, inputs, trigger.timed, presets=presets, preset_key="rule")


def _cron(label: Any) -> Editor:
    boxes = [(key, *BOXES[key]) for key in NAMED_FIELDS]
    return Editor("cron", label, [], boxes=boxes, dialects=list(DIALECTS), presets=PRESETS)


def _plain(key: str) -> ScheduleInput:
    return ScheduleInput(key, key.replace("_", " ").capitalize())
