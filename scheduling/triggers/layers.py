"""What a task lays over its schedule: a calendar, and a delay of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .base import ClockEffect, Layer, Steps, Terms, Trigger, later
from .calendar_layers import Only, Shifting, Skipping
from .calendar_stretches import Stretches
from .calendars import CalendarRules
from .cron_spread import number
from .zones import ClockShift, timeline

SECOND = timedelta(seconds=1)


class LayeredTrigger(Trigger):
    """A trigger with layers over it. Its start and end hold for what comes out at the top."""

    kind: ClassVar[str] = "layered"
    label: ClassVar[object] = ""
    keys: ClassVar[tuple[str, ...]] = ()

    __slots__ = ("inner", "layers", "top")

    def __init__(self, inner: Trigger, layers: Sequence[Layer], terms: Terms) -> None:
        self.inner = inner
        self.layers = layers  # the lowest first
        self.top = layers[-1]
        self.terms = terms

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        raise NotImplementedError("layers are laid by `layered`")

    @property
    def follows_end(self) -> bool:
        return self.inner.follows_end

    @property
    def depends_on_key(self) -> bool:
        return self.inner.depends_on_key or any(isinstance(layer, Spread) for layer in self.layers)

    def at_or_after(self, instant: datetime) -> datetime | None:
        return self.top.at_or_after(instant)

    def at_or_before(self, instant: datetime) -> datetime | None:
        return self.top.at_or_before(instant)

    def describe(self) -> str:
        sentence = self.inner.describe()
        for layer in self.layers:
            sentence = layer.describe(sentence)
        return sentence

    def warnings(self) -> list[str]:
        return self.inner.warnings()

    def clock_effect(self, shift: ClockShift) -> ClockEffect:
        return self.inner.clock_effect(shift)


class Spread:
    """All times later by the same few seconds, which differ from task to task."""

    def __init__(self, inner: Steps, key: str, most_seconds: int) -> None:
        self.inner = inner
        self.delay = number(key, "spread", most_seconds + 1) * SECOND

    def at_or_after(self, instant: datetime) -> datetime | None:
        found = self.inner.at_or_after(later(instant, -self.delay))
        return None if found is None else found + self.delay

    def at_or_before(self, instant: datetime) -> datetime | None:
        found = self.inner.at_or_before(later(instant, -self.delay))
        return None if found is None else found + self.delay

    def describe(self, schedule: str) -> str:
        count = int(self.delay.total_seconds())
        return ngettext(
            "%(schedule)s, always %(count)d second later",
            "%(schedule)s, always %(count)d seconds later",
            count,
        ) % {"schedule": schedule, "count": count}


def layered(
    trigger: Trigger,
    terms: Terms,
    calendar: CalendarRules | None,
    calendar_policy: str,
    spread_seconds: int,
) -> Trigger:
    """The trigger under a task's calendar and spread. `terms` has the start and end of the whole."""
    if not trigger.timed:
        return trigger
    layers: list[Layer] = []
    below: Steps = trigger
    if calendar is not None:
        below = _under_calendar(trigger, terms, calendar, calendar_policy, layers)
    if spread_seconds:
        layers.append(Spread(below, terms.spread_key, spread_seconds))
    return LayeredTrigger(trigger, layers, terms)


def _under_calendar(
    trigger: Trigger, terms: Terms, calendar: CalendarRules, policy: str, layers: list[Layer]
) -> Steps:
    line = timeline(calendar.zone) if calendar.zone else terms.timeline
    stretches = Stretches(calendar, line)
    if policy in ("skip", "only"):
        layer = Skipping(trigger, stretches) if policy == "skip" else Only(trigger, stretches)
        layers.append(layer)
        return layer
    shifting = Shifting(trigger, stretches, 1 if policy == "shift_next" else -1, terms.gap, terms.fold)
    layers.append(shifting)
    if not calendar.windows:
        return shifting
    # Days move times; what then falls into a window is left out.
    skipping = Windows(shifting, Stretches(calendar, line, days=False))
    layers.append(skipping)
    return skipping


class Windows(Skipping):
    """Without the times in a calendar's windows; its days have had their say."""

    def describe(self, schedule: str) -> str:
        return _("%(schedule)s, but not in its windows") % {"schedule": schedule}
