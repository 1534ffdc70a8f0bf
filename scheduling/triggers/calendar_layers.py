"""What a calendar does to a schedule: times left out, times kept, times moved to another day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.utils.translation import gettext as _

from . import moments
from .base import MICROSECOND, Steps, later
from .calendar_stretches import DAY, Stretches

#: Stretches that one step may pass over. A schedule that meets nothing but marks for so long is taken to have ended.
MOST_STRETCHES = 4_000
#: The same as time.
HORIZON = timedelta(days=366 * 20)


class Skipping:
    """Without the times in marked stretches."""

    marked = True

    def __init__(self, inner: Steps, stretches: Stretches) -> None:
        self.inner = inner
        self.stretches = stretches

    def at_or_after(self, instant: datetime) -> datetime | None:
        horizon = later(instant, HORIZON)
        for _stretch in range(MOST_STRETCHES):
            found = self.inner.at_or_after(instant)
            if found is None or found > horizon:
                return None
            marked, _start, end = self.stretches.around(found)
            if marked != self.marked:
                return found
            instant = end
        return None

    def at_or_before(self, instant: datetime) -> datetime | None:
        horizon = later(instant, -HORIZON)
        for _stretch in range(MOST_STRETCHES):
            found = self.inner.at_or_before(instant)
            if found is None or found < horizon:
                return None
            marked, start, _end = self.stretches.around(found)
            if marked != self.marked:
                return found
            instant = start - MICROSECOND
        return None

    def describe(self, schedule: str) -> str:
        words = {"schedule": schedule, "calendar": self.stretches.calendar.name}
        return _("%(schedule)s, but not in the times of the calendar “%(calendar)s”") % words


class Only(Skipping):
    """Only the times in marked stretches."""

    marked = False

    def describe(self, schedule: str) -> str:
        words = {"schedule": schedule, "calendar": self.stretches.calendar.name}
        return _("%(schedule)s, but only in the times of the calendar “%(calendar)s”") % words


class Shifting:
    """Times on marked days moved to the next unmarked day (or, `step` -1, the one before), at the same time of day.

    Each unmarked day has its own times and those of the marked days just before (after) it.
    """

    def __init__(self, inner: Steps, stretches: Stretches, step: int, gap: str, fold: str) -> None:
        self.inner = inner
        self.stretches = stretches
        self.step = step
        self.gap = gap
        self.fold = fold

    def at_or_after(self, instant: datetime) -> datetime | None:
        horizon = later(instant, HORIZON)
        day, low = self.stretches.day(instant), instant
        for _day in range(MOST_STRETCHES):
            unmarked = self.stretches.unmarked_day(day, 1)
            if unmarked is None:
                return None
            if unmarked != day:
                day, low = unmarked, self.stretches.midnight(unmarked)
            sources = list(self._sources(day))
            found = [at for source in sources if (at := self._first(source, day, low)) is not None]
            if found:
                return min(found)
            # The day after is looked at next, or the one that the next time of the schedule goes to.
            following = self.inner.at_or_after(self.stretches.midnight(max(sources) + DAY))
            if following is None or following > horizon:
                return None
            target = self.stretches.unmarked_day(self.stretches.day(following), self.step)
            if target is None:
                return None
            day = max(target, day + DAY)
            low = self.stretches.midnight(day)
        return None

    def at_or_before(self, instant: datetime) -> datetime | None:
        horizon = later(instant, -HORIZON)
        day, high = self.stretches.day(instant), instant
        for _day in range(MOST_STRETCHES):
            unmarked = self.stretches.unmarked_day(day, -1)
            if unmarked is None:
                return None
            if unmarked != day:
                day, high = unmarked, self.stretches.midnight(unmarked + DAY) - MICROSECOND
            sources = list(self._sources(day))
            found = [at for source in sources if (at := self._last(source, day, high)) is not None]
            if found:
                return max(found)
            earlier = self.inner.at_or_before(self.stretches.midnight(min(sources)) - MICROSECOND)
            if earlier is None or earlier < horizon:
                return None
            target = self.stretches.unmarked_day(self.stretches.day(earlier), self.step)
            if target is None:
                return None
            day = min(target, day - DAY)
            high = self.stretches.midnight(day + DAY) - MICROSECOND
        return None

    def _sources(self, day: date) -> Iterator[date]:
        """The day itself and the marked days whose times go to it."""
        yield day
        source = day - self.step * DAY
        while self.stretches.is_marked_day(source) and abs((source - day).days) <= 366:
            yield source
            source -= self.step * DAY

    def _first(self, source: date, day: date, low: datetime) -> datetime | None:
        """The first time, at or after ``low``, that a source gives to a day."""
        end = self.stretches.midnight(source + DAY)
        found = self.inner.at_or_after(self._counterpart(low, day, source))
        while found is not None and found < end:
            moved = self._moved(found, source, day)
            if moved is not None and moved >= low:
                return moved
            found = self.inner.at_or_after(found + MICROSECOND)
        return None

    def _last(self, source: date, day: date, high: datetime) -> datetime | None:
        start = self.stretches.midnight(source)
        found = self.inner.at_or_before(self._counterpart(high, day, source))
        while found is not None and found >= start:
            moved = self._moved(found, source, day)
            if moved is not None and moved <= high:
                return moved
            found = self.inner.at_or_before(found - MICROSECOND)
        return None

    def _moved(self, found: datetime, source: date, day: date) -> datetime | None:
        if source == day:
            return found
        local = found.astimezone(self.stretches.line.tz).time()
        return moments.instant(datetime.combine(day, local), self.stretches.line, self.gap, self.fold)

    def _counterpart(self, instant: datetime, day: date, source: date) -> datetime:
        """The moment of the source day that has the time of day which ``instant`` has on its day."""
        if source == day:
            return instant
        local = instant.astimezone(self.stretches.line.tz).time().replace(fold=0)
        moment = datetime.combine(source, local)
        found = moments.instant(moment, self.stretches.line, "run_after", "first")
        assert found is not None  # noqa: S101  (after a gap there is always an instant)
        return found

    def describe(self, schedule: str) -> str:
        words = {"schedule": schedule, "calendar": self.stretches.calendar.name}
        if self.step > 0:
            return (
                _("%(schedule)s; on days of the calendar “%(calendar)s”, on the next other day instead")
                % words
            )
        return (
            _("%(schedule)s; on days of the calendar “%(calendar)s”, on the last other day before instead")
            % words
        )
