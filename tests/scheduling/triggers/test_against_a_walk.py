"""Cron schedules against a walk through real time, second by second, that shares no code with the engine.

The oracle is the definition itself: every second of a window is shown on the zone's wall clock; a schedule's
occurrences are the seconds whose wall-clock time matches, put right by the policies. The expressions are made
from sets of numbers, so that the oracle does not read cron either.
"""

from __future__ import annotations

import calendar
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling import triggers
from scheduling.triggers import zones

HOUR = timedelta(hours=1)
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

#: Zone, and a moment near which its clock changes (or, for the last two, does not).
SHIFTS = [
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Europe/Berlin", "2027-03-28T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("Europe/Dublin", "2026-03-29T01:00"),
    ("Europe/Dublin", "2026-10-25T01:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("America/Santiago", "2026-09-06T04:00"),
    ("America/Santiago", "2026-04-05T03:00"),
    ("Asia/Beirut", "2026-03-28T22:00"),
    ("Asia/Beirut", "2026-10-24T21:00"),
    ("Antarctica/Troll", "2026-03-29T01:00"),
    ("Antarctica/Troll", "2026-10-25T01:00"),
    ("Africa/Casablanca", "2026-02-15T02:00"),
    ("Asia/Pyongyang", "2018-05-04T15:00"),
    ("Asia/Kathmandu", "2026-05-01T00:00"),
    ("UTC", "2026-02-28T23:00"),
]


@dataclass(frozen=True)
class Tick:
    """One second of real time and what the wall clock shows in it."""

    instant: datetime  # naive UTC: the fastest to handle
    wall: datetime


@cache
def ticks(zone: str, around: str, hours: int, seconds: int) -> tuple[Tick, ...]:
    """The walk: every n-th second of a window around a moment."""
    tz = zones.zone(zone)
    middle = datetime.fromisoformat(around).replace(tzinfo=UTC)
    steps = range(0, 2 * hours * 3600, seconds)
    instants = (middle - hours * HOUR + timedelta(seconds=step) for step in steps)
    return tuple(
        Tick(instant.replace(tzinfo=None), instant.astimezone(tz).replace(tzinfo=None, fold=0))
        for instant in instants
    )


@dataclass(frozen=True)
class Days:
    """The two day fields: as text, and as a rule of the test's own."""

    month_text: str
    week_text: str
    month_days: frozenset[int] | str | None  # None: any
    weekdays: frozenset[int] | tuple[int, int] | None  # (weekday, nth); nth 0 is the last

    def matches(self, day: datetime) -> bool:
        by_number, by_weekday = self._by_number(day), self._by_weekday(day)
        if self.month_text.startswith("*") or self.week_text.startswith("*"):
            return by_number and by_weekday
        return by_number or by_weekday

    def _by_number(self, day: datetime) -> bool:
        if self.month_days is None:
            return True
        length = calendar.monthrange(day.year, day.month)[1]
        if self.month_days == "L":
            return day.day == length
        if self.month_days == "LW":
            workdays = [n for n in range(1, length + 1) if day.replace(day=n).isoweekday() <= 5]
            return day.day == workdays[-1]
        return day.day in self.month_days

    def _by_weekday(self, day: datetime) -> bool:
        weekday = day.isoweekday() % 7
        if self.weekdays is None:
            return True
        if isinstance(self.weekdays, frozenset):
            return weekday in self.weekdays
        wanted, nth = self.weekdays
        length = calendar.monthrange(day.year, day.month)[1]
        same = [n for n in range(1, length + 1) if day.replace(day=n).isoweekday() % 7 == wanted]
        return day.day in (same[-1:] if nth == 0 else same[nth - 1 : nth])


@dataclass(frozen=True)
class Schedule:
    """An expression, and what it means."""

    second_text: str
    minute_text: str
    hour_text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: Days

    @property
    def expression(self) -> str:
        days = self.days
        return f"{self.second_text} {self.minute_text} {self.hour_text} {days.month_text} * {days.week_text}"

    @property
    def real_time(self) -> bool:
        return self.minute_text.startswith("*") or self.hour_text.startswith("*")

    def matches(self, wall: datetime) -> bool:
        return (
            wall.second in self.seconds
            and wall.minute in self.minutes
            and wall.hour in self.hours
            and self.days.matches(wall)
        )


def truth(schedule: Schedule, walk: tuple[Tick, ...], gap: str, fold: str) -> list[datetime]:
    """The occurrences within a walk, by definition; the times within a gap are those it lacks."""
    shown: dict[datetime, list[datetime]] = {}
    for tick in walk:
        if schedule.matches(tick.wall):
            shown.setdefault(tick.wall, []).append(tick.instant)
    found: set[datetime] = set()
    for instants in shown.values():
        if schedule.real_time or fold == "both":
            found.update(instants)
        else:
            found.add(instants[0 if fold == "first" else -1])
    if gap == "run_after" and not schedule.real_time:
        step = walk[1].instant - walk[0].instant
        for before, after in pairwise(walk):
            missing = before.wall + step
            while missing < after.wall:
                if schedule.matches(missing):
                    found.add(after.instant)
                    break
                missing += step
    return sorted(found)


def field(low: int, high: int, most: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field as text with the set it means: a list, a range, a step, or everything."""
    numbers = st.integers(low, high)
    listed = st.lists(numbers, min_size=1, max_size=most, unique=True).map(
        lambda chosen: (",".join(f"{number:02}" for number in chosen), frozenset(chosen))
    )
    ranged = st.tuples(numbers, numbers, st.integers(1, 7)).map(
        lambda pick: (
            f"{min(pick[:2])}-{max(pick[:2])}/{pick[2]}",
            frozenset(range(min(pick[:2]), max(pick[:2]) + 1, pick[2])),
        )
    )
    stepped = st.integers(1, high).map(lambda step: (f"*/{step}", frozenset(range(low, high + 1, step))))
    opened = st.tuples(numbers, st.integers(1, high)).map(
        lambda pick: (f"{pick[0]}/{pick[1]}", frozenset(range(pick[0], high + 1, pick[1])))
    )
    everything = st.just(("*", frozenset(range(low, high + 1))))
    return st.one_of(listed, ranged, stepped, opened, everything)


def month_day_field() -> st.SearchStrategy[tuple[str, frozenset[int] | str | None]]:
    return st.one_of(
        st.just(("*", None)), st.sampled_from([("L", "L"), ("LW", "LW"), ("l", "L")]), field(1, 31, 4)
    )


def weekday_field() -> st.SearchStrategy[tuple[str, frozenset[int] | tuple[int, int] | None]]:
    names = st.lists(st.integers(0, 7), min_size=1, max_size=4).map(
        lambda chosen: (
            ",".join(WEEKDAYS[n] if n < 7 else "7" for n in chosen),
            frozenset(n % 7 for n in chosen),
        )
    )
    nth = st.tuples(st.integers(0, 6), st.integers(1, 5)).map(
        lambda pick: (f"{WEEKDAYS[pick[0]].lower()}#{pick[1]}", pick)
    )
    last = st.integers(0, 7).map(lambda weekday: (f"{weekday}L", (weekday % 7, 0)))
    return st.one_of(st.just(("*", None)), names, nth, last)


@st.composite
def schedules(draw: st.DrawFn, with_seconds: bool, any_day: bool) -> Schedule:
    second_text, seconds = draw(field(0, 59, 2)) if with_seconds else ("0", frozenset({0}))
    minute_text, minutes = draw(field(0, 59, 3))
    hour_text, hours = draw(field(0, 23, 6))
    if any_day:
        days = Days("*", "*", None, None)
    else:
        (month_text, month_days), (week_text, weekdays) = draw(month_day_field()), draw(weekday_field())
        days = Days(month_text, week_text, month_days, weekdays)
    return Schedule(second_text, minute_text, hour_text, seconds, minutes, hours, days)


def possible(expression: str, **terms: str) -> triggers.Trigger | None:
    """The trigger, or None when it is refused because it can never fire."""
    try:
        return triggers.build("cron", {"expression": expression}, **terms)
    except triggers.InvalidTrigger as refusal:
        if "can never fire" in str(refusal):
            return None
        raise


def check(
    schedule: Schedule, zone: str, walk: tuple[Tick, ...], gap: str, fold: str, margin: timedelta
) -> None:
    """Compare forwards, backwards, and from any point on. The margin keeps the walk's ends out of it."""
    trigger = possible(schedule.expression, zone=zone, gap=gap, fold=fold)
    if trigger is None:
        assert not truth(schedule, walk, gap, fold)
        return
    low, high = walk[0].instant + margin, walk[-1].instant - margin
    expected = [
        instant.replace(tzinfo=UTC) for instant in truth(schedule, walk, gap, fold) if low < instant <= high
    ]
    start, end = low.replace(tzinfo=UTC), high.replace(tzinfo=UTC)
    assert trigger.between(start, end, len(walk)) == expected

    backwards = []
    instant = trigger.latest(end, start)
    while instant is not None:
        backwards.append(instant)
        instant = trigger.latest(instant - timedelta(microseconds=1), start)
    assert backwards[::-1] == expected

    change = walk[len(walk) // 2].instant.replace(tzinfo=UTC)
    nearby = [change + timedelta(minutes=minutes) for minutes in (-75, -45, -15, 0, 15, 45, 75)]
    for now in (start, *nearby, start + (end - start) / 5):
        index = bisect_right(expected, now)
        assert trigger.latest(now, start) == (expected[index - 1] if index else None)
        if index < len(expected):
            assert trigger.next_after(now) == expected[index]


@settings(max_examples=150, deadline=None)
@given(
    schedule=schedules(with_seconds=True, any_day=True),
    shift=st.sampled_from(SHIFTS),
    gap=st.sampled_from(triggers.GAP_POLICIES),
    fold=st.sampled_from(triggers.FOLD_POLICIES),
)
def test_seconds_near_clock_changes(schedule: Schedule, shift: tuple[str, str], gap: str, fold: str) -> None:
    check(schedule, shift[0], ticks(*shift, hours=5, seconds=1), gap, fold, margin=2 * HOUR)


@settings(max_examples=200, deadline=None)
@given(
    schedule=schedules(with_seconds=False, any_day=False),
    shift=st.sampled_from(SHIFTS),
    gap=st.sampled_from(triggers.GAP_POLICIES),
    fold=st.sampled_from(triggers.FOLD_POLICIES),
)
def test_days_near_clock_changes(schedule: Schedule, shift: tuple[str, str], gap: str, fold: str) -> None:
    check(schedule, shift[0], ticks(*shift, hours=5 * 24, seconds=60), gap, fold, margin=2 * HOUR)


@settings(max_examples=60, deadline=None)
@given(
    schedule=schedules(with_seconds=False, any_day=True),
    shift=st.sampled_from([("Pacific/Apia", "2011-12-30T10:00"), ("Pacific/Kwajalein", "1993-08-21T12:00")]),
    gap=st.sampled_from(triggers.GAP_POLICIES),
    fold=st.sampled_from(triggers.FOLD_POLICIES),
)
def test_days_that_a_zone_skipped(schedule: Schedule, shift: tuple[str, str], gap: str, fold: str) -> None:
    check(schedule, shift[0], ticks(*shift, hours=3 * 24, seconds=60), gap, fold, margin=26 * HOUR)


def fixed(minute: str, hour: str, minutes: set[int], hours: set[int]) -> Schedule:
    days = Days("*", "*", None, None)
    return Schedule("0", minute, hour, frozenset({0}), frozenset(minutes), frozenset(hours), days)


EVERY_ZONE = [
    fixed("0", "0", {0}, {0}),
    fixed("30", "1,2", {30}, {1, 2}),
    fixed("0,15,45", "0-3", {0, 15, 45}, {0, 1, 2, 3}),
    fixed("15", "*/2", {15}, set(range(0, 24, 2))),
    fixed("*/30", "1-2", {0, 30}, {1, 2}),
]


def clock_changes(zone: str) -> list[str]:
    """The days between 2020 and 2036 in which the zone's offset changes."""
    tz = zones.zone(zone)
    days = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(0, 16 * 365, 2)]
    offsets = [day.astimezone(tz).utcoffset() for day in days]
    return [
        days[n].replace(tzinfo=None).isoformat() for n in range(len(days) - 1) if offsets[n] != offsets[n + 1]
    ]


def one_zone_for_each_history() -> dict[tuple[str, ...], str]:
    """Zones with clock changes ahead or lately, one of those that share their changes' days and offset."""
    found: dict[tuple[str, ...], str] = {}
    for name in sorted(zones.names()):
        days = clock_changes(name)
        if days:
            offset = str(datetime(2020, 1, 1, tzinfo=UTC).astimezone(zones.zone(name)).utcoffset())
            found.setdefault((offset, *days), name)
    return found


def test_every_zone_whose_clock_changes() -> None:
    """All zones with a change from 2020 to 2035: two changes of each, under all policies."""
    compared = 0
    for (_offset, *days), zone in one_zone_for_each_history().items():
        for day in (days[0], days[-1]):
            walk = ticks.__wrapped__(zone, (datetime.fromisoformat(day) + 24 * HOUR).isoformat(), 30, 60 * 15)
            for schedule in EVERY_ZONE[:4] if len(days) > 8 else EVERY_ZONE:
                if not all(minute % 15 == 0 for minute in schedule.minutes):
                    continue
                for gap in triggers.GAP_POLICIES:
                    for fold in triggers.FOLD_POLICIES:
                        check(schedule, zone, walk, gap, fold, margin=2 * HOUR)
                        compared += 1
    assert compared > 1000


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Shanghai"])
@pytest.mark.parametrize("year", [2024, 2027])
def test_no_day_is_lost_in_a_year(zone: str, year: int) -> None:
    """P8: a time that exists once on a day runs once on it."""
    trigger = triggers.build("cron", {"expression": "0 4 * * *"}, zone=zone)
    tz = zones.zone(zone)
    start, end = datetime(year, 1, 1, tzinfo=tz), datetime(year + 1, 1, 1, tzinfo=tz)
    days = [found.astimezone(tz).date() for found in trigger.between(start, end, 1000)]
    assert days == [start.date() + timedelta(days=n) for n in range((end.date() - start.date()).days)]
