"""From wall-clock times to instants: what happens where a zone's clock is put forward or back.

A pattern says which wall-clock times match. Within a span of one offset they are instants minus that
offset; only the edges of spans need thought:

- a gap (the clock jumps forward) holds wall-clock times that no instant has. `run_after` runs once, at
  the first instant after the gap, if any of them matches; `skip` does nothing.
- an overlap (the clock jumps back) shows its wall-clock times twice, at the end of one span and at the
  beginning of the next; `first`, `second` and `both` say which of them count.

Following real time, as wildcard cron jobs do, is therefore nothing but `skip` and `both`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from .zones import DAY, EPOCH, MARGIN_SECONDS, ClockShift, Span, Timeline

GAP_POLICIES = ("run_after", "skip")
FOLD_POLICIES = ("first", "second", "both")

#: A pattern that matched no date for this many years will not match. The longest true wait is 40 years
#: (29 February on one weekday, across 2100).
HORIZON_YEARS = 50
#: Spans looked at before giving up. A match is two or three away; more are needed only where match after
#: match falls into a gap that is to be skipped, as “30 2 * 3 SUN#2” does in New York, every year.
ATTEMPTS = 200
#: Instants outside the years 1000 to 8999 have no occurrences; keeps datetime arithmetic in range.
EARLIEST = -30_610_224_000
LATEST = 221_845_392_000 - 1

#: Beyond any wall-clock time.
NEVER = 2**62
#: A span that holds no instant.
NOWHERE = Span(0, 0, 0, 0, 0)


class Pattern(Protocol):
    """Which wall-clock seconds match. Both answers are bounded in work and None when there is no match."""

    def at_or_after(self, wall: int) -> int | None: ...

    def at_or_before(self, wall: int) -> int | None: ...


class WallClock:
    """The instants (UTC seconds) at which a pattern matches in a zone, under the policies given."""

    __slots__ = ("_near", "fold", "gap", "pattern", "timeline")

    def __init__(self, pattern: Pattern, timeline: Timeline, gap: str, fold: str) -> None:
        self.pattern = pattern
        self.timeline = timeline
        self.gap = gap
        self.fold = fold
        #: The span looked at last, with its window: the next question is mostly about the same one.
        self._near = (NOWHERE, 0, 0)

    def first(self, instant: int) -> int | None:
        """The first occurrence at or after this instant."""
        instant = max(instant, EARLIEST)
        # What is known of the pattern: nothing matches in [clear_from, match), `match` does.
        clear_from, match = NEVER, -NEVER
        for _attempt in range(ATTEMPTS):
            if instant > LATEST:
                return None
            span, low, high = self._near
            if not span.start <= instant < span.end:
                span, low, high = self._look(instant)
            if instant == span.start and self.runs_after_gap(span):
                return instant
            low = max(low, instant + span.offset)
            if not clear_from <= low <= match:
                found = self.pattern.at_or_after(low)
                clear_from, match = low, NEVER if found is None else found
            if match < high:
                return match - span.offset
            instant = span.end
            if clear_from <= span.end + span.after:  # no wall-clock time before `clear_from` comes again
                if match == NEVER:
                    return None
                instant = max(instant, match - MARGIN_SECONDS)
        return None

    def last(self, instant: int) -> int | None:
        """The last occurrence at or before this instant."""
        instant = min(instant, LATEST)
        # Nothing matches in (match, clear_to], `match` does.
        clear_to, match = -NEVER, NEVER
        for _attempt in range(ATTEMPTS):
            if instant < EARLIEST:
                return None
            span, low, high = self._near
            if not span.start <= instant < span.end:
                span, low, high = self._look(instant)
            high = min(high - 1, instant + span.offset)
            if not match <= high <= clear_to:
                found = self.pattern.at_or_before(high)
                clear_to, match = high, -NEVER if found is None else found
            if match >= low:
                return match - span.offset
            if self.runs_after_gap(span):
                return span.start
            instant = span.start - 1
            if clear_to >= instant + span.before:  # no wall-clock time after `clear_to` came before
                if match == -NEVER:
                    return None
                instant = min(instant, match + MARGIN_SECONDS)
        return None

    def at_or_after(self, instant: datetime) -> datetime | None:
        """The first occurrence at or after a UTC instant."""
        since = instant - EPOCH
        # An occurrence is a whole second: part of a second later means the next one.
        found = self.first(since.days * DAY + since.seconds + (since.microseconds > 0))
        return None if found is None else EPOCH + timedelta(seconds=found)

    def at_or_before(self, instant: datetime) -> datetime | None:
        """The last occurrence at or before a UTC instant."""
        since = instant - EPOCH
        found = self.last(since.days * DAY + since.seconds)
        return None if found is None else EPOCH + timedelta(seconds=found)

    def matches_within(self, low: int, high: int) -> int | None:
        """The first matching wall-clock time in [low, high), whether it exists or not."""
        found = self.pattern.at_or_after(low)
        return found if found is not None and found < high else None

    def runs_after_gap(self, span: Span) -> bool:
        """Whether the span opens with the run of times that the clock has jumped over."""
        return (
            span.offset > span.before
            and self.gap == "run_after"
            and self.matches_within(span.start + span.before, span.start + span.offset) is not None
        )

    def _look(self, instant: int) -> tuple[Span, int, int]:
        span = self.timeline.span(instant)
        found = (span, *self._window(span))
        self._near = found  # one assignment: other threads see the old one or the new one, whole
        return found

    def _window(self, span: Span) -> tuple[int, int]:
        """The wall-clock times [low, high) of the span that count."""
        low, high = span.start + span.offset, span.end + span.offset
        if self.fold == "first" and span.before > span.offset:
            low = span.start + span.before  # until then this span repeats the one before
        elif self.fold == "second" and span.after < span.offset:
            high = span.end + span.after  # from then on the next span repeats this one
        return low, high

    def effect(self, shift: ClockShift) -> tuple[str, int | None]:
        """What a clock change does here, as a code, and the first wall-clock time concerned.

        `unaffected`, `runs_once`, `skipped` or `runs_twice`.
        """
        low, high = sorted((shift.at + shift.before, shift.at + shift.after))
        wall = self.matches_within(low, high)
        if wall is None:
            return "unaffected", None
        if shift.after > shift.before:
            return ("runs_once" if self.gap == "run_after" else "skipped"), wall
        return ("runs_twice" if self.fold == "both" else "runs_once"), wall
