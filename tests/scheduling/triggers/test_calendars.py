"""Calendars: what they mark, and each policy against its plain reading, day by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling import triggers
from scheduling.exceptions import InvalidCalendar

START = datetime(2026, 1, 1, tzinfo=UTC)


def calendar(**values: Any) -> triggers.CalendarRules:
    return triggers.CalendarRules.from_values(values)


def marked(rules: triggers.CalendarRules, *days: str) -> list[bool]:
    return [date.fromisoformat(day) in rules.marked_days(int(day[:4])) for day in days]


def local_days(found: list[datetime], zone: str) -> list[str]:
    return [at.astimezone(triggers.zone(zone)).strftime("%m-%d %H:%M") for at in found]


def test_china_with_its_make_up_days() -> None:
    rules = calendar(country="CN", weekend=["SAT", "SUN"])
    # New Year's Day, the day off for 4 January, an ordinary Saturday, and that Sunday: worked.
    assert marked(rules, "2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04") == [True, True, True, False]
    # National Day week, its make-up days, and a plain Saturday after it.
    days = ("2026-10-01", "2026-10-07", "2026-10-08", "2026-09-20", "2026-10-10", "2026-10-17")
    assert marked(rules, *days) == [True, True, False, False, False, True]
    assert rules.marked_days(2026)[date(2026, 2, 17)] == "Chinese New Year (Spring Festival)"


def test_countries_with_subdivisions_own_dates_and_worked_days() -> None:
    assert marked(calendar(country="US"), "2026-07-03", "2026-03-31") == [True, False]
    assert marked(calendar(country="US", subdivision="CA"), "2026-03-31") == [True]
    rules = calendar(
        country="de",
        dates=["12-24", {"date": "2026-05-04", "until": "2026-05-06", "name": "Works outing"},
               {"date": "2026-05-01", "working": True}, "02-29"],
    )  # fmt: skip
    days = ("2026-12-24", "2027-12-24", "2026-05-05", "2026-05-07", "2026-05-01", "2027-05-01", "2028-02-29")
    assert marked(rules, *days) == [True, True, True, False, False, True, True]


def build(
    expression: str, rules: triggers.CalendarRules, policy: str, zone: str, **terms: Any
) -> triggers.Trigger:
    return triggers.build(
        "cron", {"expression": expression}, zone=zone, calendar=rules, calendar_policy=policy, **terms
    )


def test_each_policy_around_national_day() -> None:
    rules = calendar(country="CN", weekend=["SAT", "SUN"], name="China")
    until, low = datetime(2026, 10, 12, 12, tzinfo=UTC), datetime(2026, 9, 28, tzinfo=UTC)

    def days(policy: str, expression: str = "0 9 * * *") -> list[str]:
        found = build(expression, rules, policy, "Asia/Shanghai").between(low, until, 99)
        return [text[:5] for text in local_days(found, "Asia/Shanghai")]

    assert days("skip") == ["09-28", "09-29", "09-30", "10-08", "10-09", "10-10", "10-12"]
    assert days("only") == ["10-01", "10-02", "10-03", "10-04", "10-05", "10-06", "10-07", "10-11"]
    # on Thursdays: 1 October is one; it moves over the week's holidays
    assert days("shift_next", "0 9 * * THU") == ["10-08"]
    assert days("shift_previous", "0 9 * * THU") == ["09-30", "10-08"]
    text = build("0 9 * * *", rules, "skip", "Asia/Shanghai").describe()
    assert text == "Every day at 09:00:00, but not in the times of the calendar “China”"


def test_windows() -> None:
    rules = calendar(
        windows=[
            {"weekdays": ["SAT"], "from": "22:00", "to": "06:00"},
            {"start": "2026-01-14 08:00", "end": "2026-01-14 12:30"},
        ]
    )
    low, high = datetime(2026, 1, 9, 23, tzinfo=UTC), datetime(2026, 1, 14, 16, tzinfo=UTC)
    left_out = local_days(build("0 */4 * * *", rules, "only", "UTC").between(low, high, 99), "UTC")
    assert left_out == ["01-11 00:00", "01-11 04:00", "01-14 08:00", "01-14 12:00"]
    rest = build("0 */4 * * *", rules, "skip", "UTC").between(low, high, 99)
    assert len(rest) == 29 - 4
    assert not {"01-11 00:00", "01-14 12:00"} & set(local_days(rest, "UTC"))
    # A calendar may have a zone of its own: the same instants for all tasks.
    shanghai = calendar(
        windows=[{"weekdays": ["MON"], "from": "00:00", "to": "08:00"}], time_zone="Asia/Shanghai"
    )
    only = build("0 * * * *", shanghai, "only", "America/New_York").between(
        START, START + timedelta(days=7), 99
    )
    assert only[0] == datetime(2026, 1, 4, 16, tzinfo=UTC)
    assert len(only) == 8


def test_every_second_passes_a_long_holiday_in_one_step() -> None:
    rules = calendar(dates=[{"date": "2026-02-01", "until": "2026-12-31"}])
    trigger = build("* * * * * *", rules, "skip", "UTC")
    assert trigger.next_after(datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)) == datetime(
        2027, 1, 1, tzinfo=UTC
    )
    found = trigger.latest(datetime(2026, 12, 1, tzinfo=UTC), START)
    assert found == datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)


def test_a_calendar_that_leaves_nothing_ends_the_schedule() -> None:
    always = calendar(weekend=["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"])
    for policy in ("skip", "shift_next", "shift_previous"):
        assert build("0 9 * * *", always, policy, "UTC").next_after(START) is None
        assert (
            build("0 9 * * *", always, policy, "UTC").latest(START, datetime(2020, 1, 1, tzinfo=UTC)) is None
        )
    assert build("0 9 * * *", calendar(), "only", "UTC").next_after(START) is None
    sundays = calendar(weekend=["SUN"])
    assert build("0 9 * * SUN", sundays, "skip", "UTC").next_after(START) is None


EXPRESSIONS = [
    "0 9 * * *",
    "30 0,23 * * *",
    "0 9 * * FRI",
    "0 */5 * * *",
    "0 2 1,15 * *",
    "45 1,2 * * SUN",
    "0 0 L * *",
]


def test_a_time_that_a_clock_change_moved_is_shifted_as_it_was_meant() -> None:
    """Santiago has no 00:30 on that Sunday: Saturday's 00:30 stands for it too, not Saturday's 01:00."""
    trigger = build("30 0 * * *", calendar(weekend=["SUN"]), "shift_previous", "America/Santiago")
    found = trigger.between(datetime(2026, 9, 4, 12, tzinfo=UTC), datetime(2026, 9, 7, 12, tzinfo=UTC), 10)
    assert found == [datetime(2026, 9, 5, 4, 30, tzinfo=UTC), datetime(2026, 9, 7, 3, 30, tzinfo=UTC)]


@settings(max_examples=150, deadline=None)
@given(
    expression=st.sampled_from(EXPRESSIONS),
    weekend=st.sets(st.sampled_from(["FRI", "SAT", "SUN"]), max_size=3),
    offsets=st.sets(st.integers(0, 75), max_size=12),
    policy=st.sampled_from(triggers.CALENDAR_POLICIES),
    zone=st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/Santiago"]),
    first=st.dates(date(2026, 1, 1), date(2027, 1, 1)),
)
def test_policies(
    expression: str, weekend: set[str], offsets: set[int], policy: str, zone: str, first: date
) -> None:
    """By enumeration: each time of 75 days is left, dropped or moved by itself."""
    own = [(first + timedelta(days=number)).isoformat() for number in offsets]
    rules = calendar(weekend=sorted(weekend), dates=own)
    tz = triggers.zone(zone)
    plain = triggers.build("cron", {"expression": expression}, zone=zone)
    begin = datetime(first.year, first.month, first.day, tzinfo=tz).astimezone(UTC)
    nominal = plain.between(begin, begin + timedelta(days=75), 5_000)

    def is_marked(day: date) -> bool:
        return day in rules.marked_days(day.year)

    expected = set()
    for at in nominal:
        local = at.astimezone(tz)
        day = local.date()
        if not is_marked(day):
            if policy != "only":
                expected.add(at)
        elif policy == "only":
            expected.add(at)
        elif policy != "skip":
            if (at - timedelta(hours=3)).astimezone(tz).utcoffset() != local.utcoffset():
                return  # may stand for a time that did not exist, by which it is moved: the vectors have those
            step = timedelta(days=1 if policy == "shift_next" else -1)
            while is_marked(day):
                day += step
            moved = datetime.combine(day, local.time().replace(fold=0), tz).astimezone(UTC)
            if moved.astimezone(tz).time() != local.time().replace(fold=0):
                return  # within a clock change: the vectors have those
            expected.add(moved)
    low, high = begin + timedelta(days=20), begin + timedelta(days=55)
    wanted = sorted(at for at in expected if low < at <= high)
    trigger = build(expression, rules, policy, zone)
    assert trigger.between(low, high, 5_000) == wanted
    backwards, at = [], trigger.latest(high, low)
    while at is not None:
        backwards.append(at)
        at = trigger.latest(at - timedelta(microseconds=1), low)
    assert backwards[::-1] == wanted


REFUSED: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"country": "Atlantis"}, "country", ["“Atlantis”", "CN, DE, US"]),
    ({"country": 5}, "country", ["5"]),
    ({"country": "US", "subdivision": "XX"}, "subdivision", ["“XX”", "CA"]),
    ({"subdivision": "CA"}, "subdivision", ["no subdivisions"]),
    ({"time_zone": "Mars"}, "time_zone", ["“Mars”"]),
    ({"weekend": ["SATURDAY"]}, "weekend", ["“SATURDAY”", "MON, TUE"]),
    ({"weekend": 6}, "weekend", ["6", "MON, TUE"]),
    ({"dates": "2026-01-01"}, "dates", ["list"]),
    ({"dates": [5]}, "dates", ["dates[1]", "date, until"]),
    ({"dates": [{"date": "2026-13-01"}]}, "dates", ["dates[1]", "“2026-13-01”", "05-01"]),
    ({"dates": ["2026-01-01", "13-01"]}, "dates", ["dates[2]", "“2000-13-01”"]),
    ({"dates": [{"date": "2026-02-01", "until": "2026-01-01"}]}, "dates", ["dates[1]", "until"]),
    ({"dates": [{"date": "02-01", "until": "02-03"}]}, "dates", ["dates[1]", "until"]),
    ({"dates": [{"date": "2026-01-01", "working": "yes"}]}, "dates", ["working", "true or false"]),
    ({"dates": [{"day": "2026-01-01"}]}, "dates", ["dates[1]", "“day”"]),
    ({"windows": [{}]}, "windows", ["windows[1]", "start and end"]),
    ({"windows": [{"start": "2026-01-01"}]}, "windows", ["windows[1]", "start and end"]),
    ({"windows": [{"start": "2026-01-02", "end": "2026-01-01"}]}, "windows", ["later than the start"]),
    ({"windows": [{"start": "x", "end": "2026-01-01"}]}, "windows", ["windows[1], start", "“x”"]),
    ({"windows": [{"weekdays": [], "from": "1:00", "to": "2:00"}]}, "windows", ["weekdays"]),
    ({"windows": [{"weekdays": ["MON"], "from": "25:00", "to": "02:00"}]}, "windows", ["from", "“25:00”"]),
    ({"windows": [{"weekdays": ["XXX"], "from": "01:00", "to": "02:00"}]}, "windows", ["“XXX”", "MON"]),
]


@pytest.mark.parametrize(("values", "field", "fragments"), REFUSED)
def test_refused(values: dict[str, Any], field: str, fragments: list[str]) -> None:
    with pytest.raises(InvalidCalendar) as caught:
        calendar(**values)
    assert list(caught.value.errors) == [field]
    (message,) = caught.value.errors[field]
    assert [fragment for fragment in fragments if fragment not in message] == []
