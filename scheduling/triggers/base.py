"""What a trigger is: a set of instants that can be walked both ways, under the terms of a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Protocol, Self

from apscheduler.triggers.base import BaseTrigger
from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

from .zones import ClockShift, Timeline

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every kind of trigger."""

    timeline: Timeline  # the zone that wall-clock times are in
    gap: str  # a GAP_POLICIES value
    fold: str  # a FOLD_POLICIES value
    start_at: datetime | None = None  # UTC; no occurrence before
    end_at: datetime | None = None  # UTC; no occurrence after
    anchor_at: datetime | None = None  # UTC; from where intervals are counted
    spread_key: str = ""  # what the values of `H` are made from: the task's key
    depth: int = 0  # of combinations around this one

    def deeper(self) -> Terms:
        """The terms of a part of a combination: start and end are the whole's matter."""
        anchor = self.anchor_at or self.start_at
        return replace(self, start_at=None, end_at=None, anchor_at=anchor, depth=self.depth + 1)


@dataclass(frozen=True, slots=True)
class ClockEffect:
    """What a trigger does at a clock change."""

    code: str  # unaffected, runs_once, skipped, runs_twice or shifts
    text: str  # the same as a sentence in the current language


class Steps(Protocol):
    """A set of instants that can be walked both ways."""

    def at_or_after(self, instant: datetime) -> datetime | None: ...

    def at_or_before(self, instant: datetime) -> datetime | None: ...


class Layer(Steps, Protocol):
    """A set of instants made of another one."""

    def describe(self, schedule: str) -> str:
        """The sentence for what is below, made into one for the whole."""
        ...


class Trigger(BaseTrigger):  # type: ignore[misc]  # APScheduler is untyped
    """A set of instants. Subclasses say how to find the nearest one in either direction.

    All instants given must be aware; all instants answered are aware and UTC. A trigger is immutable.
    """

    #: Its name in the TRIGGERS table and on tasks.
    kind: ClassVar[str]
    #: What a person calls it; translated when shown.
    label: ClassVar[object]
    #: The parameters it takes.
    keys: ClassVar[tuple[str, ...]]
    #: Whether it has times at all.
    timed: ClassVar[bool] = True

    __slots__ = ("terms",)

    terms: Terms

    @classmethod
    @abstractmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """The trigger that these parameters mean. InvalidTrigger when they mean none, or never fire."""

    @abstractmethod
    def at_or_after(self, instant: datetime) -> datetime | None:
        """The first occurrence at or after a UTC instant, whatever start and end."""

    @abstractmethod
    def at_or_before(self, instant: datetime) -> datetime | None:
        """The last occurrence at or before a UTC instant, whatever start and end."""

    @abstractmethod
    def describe(self) -> str:
        """The schedule in a sentence, in the current language, without zone, start and end."""

    def warnings(self) -> list[str]:
        """What a person might not expect of this schedule."""
        return []

    def clock_effect(self, shift: ClockShift) -> ClockEffect:
        """What this trigger does at a change of its zone's clock."""
        return ClockEffect("unaffected", _("Not affected."))

    @property
    def follows_end(self) -> bool:
        """Whether the next time is counted from the end of the run before, which only the engine knows."""
        return False

    @property
    def depends_on_key(self) -> bool:
        """Whether a task with another key would have other times."""
        return False

    def next_after(self, instant: datetime) -> datetime | None:
        """The first occurrence strictly later than `instant`; None when there is none."""
        start, end = self.terms.start_at, self.terms.end_at
        floor = _utc(instant)
        if floor >= _LAST_INSTANT:
            return None
        floor += MICROSECOND
        if start is not None and start > floor:
            floor = start
        found = self.at_or_after(floor)
        if found is None or (end is not None and found > end):
            return None
        return found

    def latest(self, at_or_before: datetime, after: datetime) -> datetime | None:
        """The last occurrence in (after, at_or_before]; None when there is none.

        Steps back from the end, so that a long outage costs nothing.
        """
        start, end = self.terms.start_at, self.terms.end_at
        ceiling = _utc(at_or_before)
        if end is not None and end < ceiling:
            ceiling = end
        found = self.at_or_before(ceiling)
        if found is None or found <= after or (start is not None and found < start):
            return None
        return found

    def between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The occurrences in (after, until], oldest first, at most `limit`."""
        found: list[datetime] = []
        instant = self.next_after(after) if limit > 0 else None
        while instant is not None and instant <= until:
            found.append(instant)
            if len(found) >= limit:
                break
            instant = self.next_after(instant)
        return found

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """APScheduler's face: as there, the previous time rules and a first time may be now itself."""
        if previous_fire_time is not None:
            return self.next_after(previous_fire_time)
        return self.next_after(_utc(now) - MICROSECOND)

    def check_bounds(self) -> None:
        """Raise InvalidTrigger when start and end leave no occurrence."""
        start, end = self.terms.start_at, self.terms.end_at
        if not self.timed:
            return
        if start is not None:
            found = self.at_or_after(start)
            empty = found is None or (end is not None and found > end)
        else:
            empty = end is not None and self.at_or_before(end) is None
        if empty:
            field = "end_at" if end is not None else "start_at"
            raise InvalidTrigger({field: [_("The schedule has no occurrence within its start and end.")]})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self.terms.timeline.name}>"


_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)


def later(instant: datetime, length: timedelta) -> datetime:
    """The sum, but within the years that datetime knows."""
    try:
        return instant + length
    except OverflowError:
        return _LAST_INSTANT if length > timedelta() else _FIRST_INSTANT


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is UTC:
        return instant
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # within hours of the first or last instant that datetime knows
        return _LAST_INSTANT if instant.year > 1 else _FIRST_INSTANT
