"""Time zones: the one way to a zone by name, and its clock changes as plain numbers.

Zones come from the pinned ``tzdata`` package and from nowhere else, so that all nodes agree whatever
their operating system ships. Instants are whole seconds since 1970 in UTC, wall-clock times are the
same number plus the zone's offset: the arithmetic of occurrences needs no datetime objects.
"""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

from .inputs import quoted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400

#: A zone's changes are looked up in blocks of about two years, on demand, and kept.
BLOCK_SECONDS = 2**26
#: Offsets are sampled this far apart. The shortest stay of any zone on one offset since 1900 is 167 hours.
PROBE_SECONDS = 2 * DAY
#: A block also knows the changes this near to it, because a change touches the wall-clock times around
#: it by its own size (a whole day in Samoa, 2011).
MARGIN_SECONDS = 2 * DAY


class Span(NamedTuple):
    """A stretch of time, [start, end) in UTC seconds, during which a zone keeps one offset."""

    start: int
    end: int
    offset: int  # seconds east of UTC within the span
    before: int  # the offset that ended at `start`; equal to `offset` where the clock did not change
    after: int  # the offset that begins at `end`; equal to `offset` where the clock does not change


class ClockShift(NamedTuple):
    """One clock change: at the instant `at` the offset goes from `before` to `after`."""

    at: int
    before: int
    after: int


class Timeline:
    """A zone's offsets through time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tz = zone(name)
        self._blocks: dict[int, tuple[list[int], list[int]]] = {}

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return timeline, (self.name,)

    def __repr__(self) -> str:
        return f"Timeline({self.name!r})"

    def offset_at(self, instant: int) -> int:
        """Seconds east of UTC at this instant."""
        offset = (EPOCH + timedelta(seconds=instant)).astimezone(self.tz).utcoffset()
        assert offset is not None  # noqa: S101  (a ZoneInfo always has one)
        return offset.days * DAY + offset.seconds

    def span(self, instant: int) -> Span:
        """The stretch with one offset around this instant; cut at a block's edge where nothing changes."""
        number = instant // BLOCK_SECONDS
        block = self._blocks.get(number)
        if block is None:
            # Two threads may do this at once: both find the same.
            block = self._blocks[number] = self._probe(number)
        shifts, offsets = block
        index = bisect_right(shifts, instant)
        offset = offsets[index]
        if index:
            start, before = shifts[index - 1], offsets[index - 1]
        else:
            start, before = number * BLOCK_SECONDS, offset
        if index < len(shifts):
            end, after = shifts[index], offsets[index + 1]
        else:
            end, after = (number + 1) * BLOCK_SECONDS, offset
        return Span(start, end, offset, before, after)

    def shifts(self, after: int, until: int) -> Iterator[ClockShift]:
        """The clock changes in (after, until], in order."""
        instant = after
        while instant < until:
            span = self.span(instant)
            if span.end <= until and span.after != span.offset:
                yield ClockShift(span.end, span.offset, span.after)
            instant = span.end

    def _probe(self, number: int) -> tuple[list[int], list[int]]:
        """The changes in a block and its margins, and the offsets between them (one more)."""
        low = number * BLOCK_SECONDS - MARGIN_SECONDS
        end = (number + 1) * BLOCK_SECONDS + MARGIN_SECONDS
        shifts: list[int] = []
        offsets = [self.offset_at(low)]
        while low < end:
            high = min(low + PROBE_SECONDS, end)
            offset = self.offset_at(high)
            if offset != offsets[-1]:
                shifts.append(self._change_between(low, high))
                offsets.append(offset)
            low = high
        return shifts, offsets

    def _change_between(self, low: int, high: int) -> int:
        """The instant in (low, high] at which the offset of `low` is left."""
        offset = self.offset_at(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self.offset_at(middle) == offset:
                low = middle
            else:
                high = middle
        return high


@cache
def names() -> frozenset[str]:
    """Every zone name that is accepted."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(listed) - {"Factory"}


@cache
def _load(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def _timeline(name: str) -> Timeline:
    return Timeline(name)


def zone(name: str) -> ZoneInfo:
    """The zone of this name, from the tzdata package. InvalidTrigger (`time_zone`) for unknown names."""
    # Checked before anything is cached or opened: names come from users.
    if not isinstance(name, str) or name not in names():
        raise InvalidTrigger({"time_zone": [_unknown(name)]})
    return _load(name)


def timeline(name: str) -> Timeline:
    """The offsets of the zone of this name through time. InvalidTrigger (`time_zone`) for unknown names."""
    zone(name)
    return _timeline(name)


def _unknown(name: object) -> str:
    if not isinstance(name, str):
        return _("A time zone is a name such as “Asia/Shanghai”, not %(value)s.") % {"value": quoted(name)}
    nearest = _nearest(name)
    if nearest:
        return _("There is no time zone %(value)s. Did you mean %(nearest)s?") % {
            "value": quoted(name),
            "nearest": ", ".join(nearest),
        }
    return _("There is no time zone %(value)s. Names look like “Asia/Shanghai” or “UTC”.") % {
        "value": quoted(name)
    }


def _nearest(name: str) -> list[str]:
    by_folded = {known.casefold(): known for known in sorted(names())}
    wanted = name[:64].casefold().replace(" ", "_")
    if wanted in by_folded:
        return [by_folded[wanted]]
    ends = [known for folded, known in by_folded.items() if folded.rpartition("/")[2] == wanted]
    close = difflib.get_close_matches(wanted, list(by_folded), n=3, cutoff=0.7)
    return (ends or [by_folded[folded] for folded in close])[:3]
