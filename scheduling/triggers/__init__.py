"""The occurrence engine: what schedules mean, in one place for preview and scheduler alike.

A new kind of trigger is a Trigger subclass and a line in kinds.TRIGGERS. Nothing here knows of models.
"""

from __future__ import annotations

from scheduling.exceptions import InvalidTrigger

from .base import ClockEffect, Terms, Trigger
from .building import build
from .calendars import POLICIES as CALENDAR_POLICIES
from .calendars import CalendarRules
from .kinds import TRIGGERS, choices, names
from .preview import ClockChange, Preview, preview_of
from .wallclock import FOLD_POLICIES, GAP_POLICIES
from .zones import timeline, zone

__all__ = [
    "CALENDAR_POLICIES",
    "FOLD_POLICIES",
    "GAP_POLICIES",
    "TRIGGERS",
    "CalendarRules",
    "ClockChange",
    "ClockEffect",
    "InvalidTrigger",
    "Preview",
    "Terms",
    "Trigger",
    "build",
    "choices",
    "names",
    "preview_of",
    "timeline",
    "zone",
]
