"""Calendar rules: RFC 5545's RRULE, with dates added and left out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from . import moments, rrule_describe
from .base import ClockEffect, Terms, Trigger
from .clock_effects import effect_of
from .inputs import PARAMS, mapping, quoted, refusal
from .rrule_pattern import RulePattern, is_possible, most_positions, seconds
from .rrule_text import MOST_VALUES, Rule, read_lines, read_rule
from .wallclock import WallClock
from .zones import EPOCH, ClockShift


class RuleTrigger(Trigger):
    """Fires at the wall-clock times of a calendar rule, counted from its first day."""

    kind: ClassVar[str] = "rrule"
    label: ClassVar[object] = gettext_lazy("Calendar rule (RRULE)")
    keys: ClassVar[tuple[str, ...]] = ("rule", "dtstart", "rdates", "exdates")

    __slots__ = ("rule", "start", "wallclock")

    def __init__(self, rule: Rule, start: datetime, wallclock: WallClock, terms: Terms) -> None:
        self.rule = rule
        self.start = start  # wall-clock time of the zone
        self.wallclock = wallclock
        self.terms = terms

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: `rule` (RRULE text), and `dtstart`, `rdates`, `exdates`: moments, without an offset in the zone.

        Without `dtstart` the rule counts from the task's start or, failing that, from its anchor.
        """
        given = mapping(params, cls.keys)
        lines = read_lines(given.get("rule"), terms.timeline)
        rule = read_rule(lines.rule, terms.timeline)
        start = lines.start
        if "dtstart" in given:
            if start is not None:
                raise refusal(_("dtstart: the rule names its DTSTART already."))
            start = _wall("dtstart", given["dtstart"], terms)
        if start is None:
            anchor = terms.anchor_at or terms.start_at or EPOCH
            start = anchor.astimezone(terms.timeline.tz).replace(tzinfo=None, microsecond=0, fold=0)
        most = most_positions(rule)
        if any(abs(position) > most for position in rule.get("BYSETPOS")) or not is_possible(rule):
            raise _never()
        try:
            pattern = RulePattern(rule, start)
            found = pattern.at_or_after(seconds(start))
        except ValueError:  # dateutil: the interval meets none of the hours, minutes or seconds
            raise _never() from None
        extra = [*lines.extra, *_walls("rdates", given.get("rdates"), terms)]
        excluded = [*lines.excluded, *_walls("exdates", given.get("exdates"), terms)]
        if found is None and not extra:
            raise _never()
        changed = (
            ChangedDates(pattern, map(seconds, extra), map(seconds, excluded))
            if extra or excluded
            else pattern
        )
        return cls(rule, start, WallClock(changed, terms.timeline, terms.gap, terms.fold), terms)

    def at_or_after(self, instant: datetime) -> datetime | None:
        return self.wallclock.at_or_after(instant)

    def at_or_before(self, instant: datetime) -> datetime | None:
        return self.wallclock.at_or_before(instant)

    def describe(self) -> str:
        return rrule_describe.sentence(self.rule, self.start)

    def clock_effect(self, shift: ClockShift) -> ClockEffect:
        return effect_of(self.wallclock, shift)


class ChangedDates:
    """A pattern with times added, and others left out."""

    def __init__(self, pattern: RulePattern, extra: Iterable[int], excluded: Iterable[int]) -> None:
        self.pattern = pattern
        self.excluded = frozenset(excluded)
        self.extra = sorted(set(extra) - self.excluded)

    def at_or_after(self, wall: int) -> int | None:
        found = self.pattern.at_or_after(wall)
        while found is not None and found in self.excluded:
            found = self.pattern.at_or_after(found + 1)
        index = bisect_left(self.extra, wall)
        added = self.extra[index] if index < len(self.extra) else None
        return min((at for at in (found, added) if at is not None), default=None)

    def at_or_before(self, wall: int) -> int | None:
        found = self.pattern.at_or_before(wall)
        while found is not None and found in self.excluded:
            found = self.pattern.at_or_before(found - 1)
        index = bisect_right(self.extra, wall)
        added = self.extra[index - 1] if index else None
        return max((at for at in (found, added) if at is not None), default=None)


def _never() -> Exception:
    return refusal(_("This rule can never fire: no time is all that it asks for."))


def _walls(name: str, values: object, terms: Terms) -> list[datetime]:
    if values is None:
        return []
    if not isinstance(values, list | tuple) or len(values) > MOST_VALUES:
        text = _("%(name)s: a list of at most %(most)d dates is needed, not %(value)s.")
        raise refusal(text % {"name": name, "most": MOST_VALUES, "value": quoted(values)})
    return [_wall(name, value, terms) for value in values]


def _wall(name: str, value: object, terms: Terms) -> datetime:
    """A moment as the zone's wall clock shows it."""
    moment = moments.read(name, value, PARAMS)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).astimezone(terms.timeline.tz)
    return moment.replace(tzinfo=None, fold=0) - timedelta(microseconds=moment.microsecond)
