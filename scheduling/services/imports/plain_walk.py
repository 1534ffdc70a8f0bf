"""Times by plain enumeration, day by day, without the engine of times: what imports are compared with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


def walk(
    zone: ZoneInfo,
    day_matches: Callable[[date], bool],
    hours: Collection[int],
    minutes: Collection[int],
    *,
    real_time: bool,
) -> Callable[[datetime, datetime, int], list[datetime]]:
    """The meaning of a schedule of days, hours and minutes, as cron has it.

    Where the clock is put forward, a missing time runs right after; where it is put back, a repeated one runs the
    first time. With ``real_time`` (wildcards) nothing is made up for and both run.
    """

    def times(after: datetime, until: datetime, most: int) -> list[datetime]:
        found: set[datetime] = set()
        day = after.astimezone(zone).date() - DAY
        last = until.astimezone(zone).date() + DAY
        # A little more than asked for: the first and last days are cut afterwards.
        while day <= last and len(found) <= most + 4 * len(hours) * len(minutes):
            if day_matches(day):
                for hour in hours:
                    for minute in minutes:
                        found.update(_instants(datetime.combine(day, time(hour, minute)), zone, real_time))
            day += DAY
        return sorted(at for at in found if after < at <= until)[:most]

    return times


def _instants(wall: datetime, zone: ZoneInfo, real_time: bool) -> Iterator[datetime]:
    """The instants at which the zone's clock shows a time: none, one or two of them."""
    both = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    shown = [at for at in both if at.astimezone(zone).replace(tzinfo=None, fold=0) == wall]
    if shown:
        yield shown[0]
        if real_time and shown[-1] != shown[0]:
            yield shown[-1]
    elif not real_time:
        # fold 0 takes the offset before the gap, fold 1 the one after it: the gap ends between the two.
        low, high = sorted(both)
        before = low.astimezone(zone).utcoffset()
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) / 2
            if middle.astimezone(zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        yield high.replace(microsecond=0)
