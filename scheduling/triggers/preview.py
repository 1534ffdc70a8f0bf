"""What a person should see before saving a schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.utils.translation import gettext as _

from .base import Trigger
from .zones import EPOCH, ClockShift

#: Clock changes are looked for this far ahead.
LOOK_AHEAD = timedelta(days=3 * 366)
CLOCK_CHANGES = 2
COUNT_LIMIT = 10_000
#: Times whose distances are looked at.
LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A coming change of the zone's clock and what the schedule does there."""

    at: datetime  # UTC
    kind: str  # gap (the clock is put forward) or overlap (back)
    before: datetime  # what the wall clock would have shown, naive
    after: datetime  # what it shows instead, naive
    effect: str  # a ClockEffect code
    text: str  # a ClockEffect sentence


@dataclass(frozen=True, slots=True)
class Preview:
    """A schedule, explained."""

    times: list[datetime]  # UTC, oldest first
    description: str
    warnings: list[str] = field(default_factory=list)
    clock_changes: list[ClockChange] = field(default_factory=list)


def preview_of(trigger: Trigger, *, after: datetime, count: int) -> Preview:
    """The preview of a trigger that is already built."""
    times = trigger.between(after, datetime.max.replace(tzinfo=UTC), min(count, COUNT_LIMIT))
    warnings = [*trigger.warnings(), *_rate_warnings(times)]
    if not times and count > 0 and trigger.timed:
        warnings.append(_("There is no further run."))
    return Preview(times, trigger.describe(), warnings, _clock_changes(trigger, after))


def _rate_warnings(times: list[datetime]) -> list[str]:
    """Whether the runs come so fast that somebody may not have meant it."""
    shortest = min((later - earlier for earlier, later in pairwise(times[:LOOKED_AT])), default=None)
    if shortest is None or shortest > timedelta(seconds=1):
        return []
    if shortest < timedelta(seconds=1):
        return [_("Runs more than once a second.")]
    return [_("Runs every second: 86,400 times a day.")]


def _clock_changes(trigger: Trigger, after: datetime) -> list[ClockChange]:
    line = trigger.terms.timeline
    start = (after - EPOCH) // timedelta(seconds=1)
    changes: list[ClockChange] = []
    for shift in line.shifts(start, start + LOOK_AHEAD // timedelta(seconds=1)):
        changes.append(_clock_change(trigger, shift))
        if len(changes) == CLOCK_CHANGES:
            break
    return changes


def _clock_change(trigger: Trigger, shift: ClockShift) -> ClockChange:
    effect = trigger.clock_effect(shift)
    at = EPOCH + timedelta(seconds=shift.at)
    return ClockChange(
        at=at,
        kind="gap" if shift.after > shift.before else "overlap",
        before=(at + timedelta(seconds=shift.before)).replace(tzinfo=None),
        after=(at + timedelta(seconds=shift.after)).replace(tzinfo=None),
        effect=effect.code,
        text=effect.text,
    )
