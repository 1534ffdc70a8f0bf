"""What cron expressions and named fields mean."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from scheduling import triggers


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def occurrences(params: dict[str, object], after: str, count: int = 3, **terms: str) -> list[str]:
    trigger = triggers.build("cron", params, **terms)
    found = trigger.between(utc(after), utc("2200-01-01"), count)
    return [instant.strftime("%Y-%m-%d %H:%M:%S") for instant in found]


# 2026-01-01 is a Thursday.
EXPRESSIONS = [
    ("0 3 * * *", ["2026-01-01 03:00:00", "2026-01-02 03:00:00"]),
    ("30 0 3 * * *", ["2026-01-01 03:00:30", "2026-01-02 03:00:30"]),
    ("*/20 * * * * *", ["2026-01-01 00:00:20", "2026-01-01 00:00:40"]),
    ("5/25 * * * *", ["2026-01-01 00:05:00", "2026-01-01 00:30:00"]),
    ("10-30/15 * * * *", ["2026-01-01 00:10:00", "2026-01-01 00:25:00"]),
    ("08 09 * * *", ["2026-01-01 09:08:00", "2026-01-02 09:08:00"]),
    ("0 0 * * 0", ["2026-01-04 00:00:00", "2026-01-11 00:00:00"]),
    ("0 0 * * 7", ["2026-01-04 00:00:00", "2026-01-11 00:00:00"]),
    ("0 0 * * sun", ["2026-01-04 00:00:00", "2026-01-11 00:00:00"]),
    ("0 0 * * fri-7", ["2026-01-02 00:00:00", "2026-01-03 00:00:00"]),
    ("0 0 * * Mon,wEd", ["2026-01-05 00:00:00", "2026-01-07 00:00:00"]),
    ("0 0 1 feb,OCT *", ["2026-02-01 00:00:00", "2026-10-01 00:00:00"]),
    ("0 0 L * *", ["2026-01-31 00:00:00", "2026-02-28 00:00:00"]),
    ("0 0 15,L 2 *", ["2026-02-15 00:00:00", "2026-02-28 00:00:00"]),
    ("0 0 LW * *", ["2026-01-30 00:00:00", "2026-02-27 00:00:00"]),
    ("0 0 * * FRI#3", ["2026-01-16 00:00:00", "2026-02-20 00:00:00"]),
    ("0 0 * * 5#3", ["2026-01-16 00:00:00", "2026-02-20 00:00:00"]),
    ("0 0 * * 5#5", ["2026-01-30 00:00:00", "2026-05-29 00:00:00"]),
    ("0 0 * * 7#1", ["2026-01-04 00:00:00", "2026-02-01 00:00:00"]),
    ("0 0 * * FRIL", ["2026-01-30 00:00:00", "2026-02-27 00:00:00"]),
    ("0 0 * * 0L", ["2026-01-25 00:00:00", "2026-02-22 00:00:00"]),
    ("0 0 31 * *", ["2026-01-31 00:00:00", "2026-03-31 00:00:00"]),
    ("0 0 29 2 *", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
    # Debian: either day field is enough when both are restricted …
    ("0 0 10 * FRI", ["2026-01-02 00:00:00", "2026-01-09 00:00:00"]),
    # … but both must match when one begins with a star
    ("0 0 */10 * SUN", ["2026-01-11 00:00:00", "2026-02-01 00:00:00"]),
    ("0 0 13 * */5", ["2026-02-13 00:00:00", "2026-03-13 00:00:00"]),
    # the longest wait there is: 29 February on one weekday, across 2100
    ("0 0 */28 2 SUN#5", ["2032-02-29 00:00:00", "2060-02-29 00:00:00"]),
    ("@hourly", ["2026-01-01 01:00:00", "2026-01-01 02:00:00"]),
    ("@daily", ["2026-01-02 00:00:00", "2026-01-03 00:00:00"]),
    ("@Midnight", ["2026-01-02 00:00:00", "2026-01-03 00:00:00"]),
    ("@weekly", ["2026-01-04 00:00:00", "2026-01-11 00:00:00"]),
    ("@monthly", ["2026-02-01 00:00:00", "2026-03-01 00:00:00"]),
    ("@yearly", ["2027-01-01 00:00:00", "2028-01-01 00:00:00"]),
    ("@annually", ["2027-01-01 00:00:00", "2028-01-01 00:00:00"]),
    ("  0\t3 *  * *\n", ["2026-01-01 03:00:00", "2026-01-02 03:00:00"]),
    ("0 */24 * * *", ["2026-01-02 00:00:00", "2026-01-03 00:00:00"]),
]


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_expression(expression: str, expected: list[str]) -> None:
    assert occurrences({"expression": expression}, "2026-01-01", 2) == expected
    assert occurrences({"expression": expression, "dialect": "unix"}, "2026-01-01", 2) == expected


NAMED = [
    ({"hour": 3}, ["2026-01-01 03:00:00", "2026-01-02 03:00:00"]),
    ({"hour": "3"}, ["2026-01-01 03:00:00", "2026-01-02 03:00:00"]),
    ({"hour": 3, "minute": 30}, ["2026-01-01 03:30:00", "2026-01-02 03:30:00"]),
    ({"minute": 15}, ["2026-01-01 00:15:00", "2026-01-01 01:15:00"]),
    ({"minute": "*/5"}, ["2026-01-01 00:05:00", "2026-01-01 00:10:00"]),
    ({"second": "*/30"}, ["2026-01-01 00:00:30", "2026-01-01 00:01:00"]),
    ({"day": 1}, ["2026-02-01 00:00:00", "2026-03-01 00:00:00"]),
    ({"day": "L", "hour": 4}, ["2026-01-31 04:00:00", "2026-02-28 04:00:00"]),
    ({"month": 6}, ["2026-06-01 00:00:00", "2027-06-01 00:00:00"]),
    ({"month": 6, "hour": 1}, ["2026-06-01 01:00:00", "2026-06-02 01:00:00"]),
    ({"day_of_week": "mon"}, ["2026-01-05 00:00:00", "2026-01-12 00:00:00"]),
    ({"day_of_week": 0}, ["2026-01-04 00:00:00", "2026-01-11 00:00:00"]),
    ({"day_of_week": 7, "hour": 2}, ["2026-01-04 02:00:00", "2026-01-11 02:00:00"]),
    ({"day_of_week": "mon-fri", "hour": 9, "minute": 0}, ["2026-01-01 09:00:00", "2026-01-02 09:00:00"]),
    ({"month": 3, "day_of_week": "mon"}, ["2026-03-02 00:00:00", "2026-03-09 00:00:00"]),
    ({"year": 2030}, ["2030-01-01 00:00:00"]),
    ({"year": "2027,2099", "month": 2, "day": 3}, ["2027-02-03 00:00:00", "2099-02-03 00:00:00"]),
    ({"year": 2020}, []),
    ({"hour": 3, "minute": None, "day": None}, ["2026-01-01 03:00:00", "2026-01-02 03:00:00"]),
]


@pytest.mark.parametrize(("params", "expected"), NAMED)
def test_named_fields(params: dict[str, object], expected: list[str]) -> None:
    assert occurrences(params, "2026-01-01", 2) == expected


def test_years_are_a_filter_in_both_directions() -> None:
    trigger = triggers.build("cron", {"year": "2000,2010", "month": 2, "day": 29})
    assert trigger.latest(utc("2026-01-01"), utc("1970-01-01")) == utc("2000-02-29")
    assert trigger.next_after(utc("2000-02-29")) is None


def test_an_occurrence_is_later_than_any_part_of_its_second() -> None:
    trigger = triggers.build("cron", {"expression": "* * * * * *"})
    assert trigger.next_after(utc("2026-01-01T00:00:00.000001")) == utc("2026-01-01T00:00:01")
    assert trigger.next_after(utc("2025-12-31T23:59:59.999999")) == utc("2026-01-01T00:00:00")
    assert trigger.latest(utc("2026-01-01T00:00:00.999999"), utc("2025-01-01")) == utc("2026-01-01T00:00:00")


def test_start_and_end_are_inclusive() -> None:
    trigger = triggers.build(
        "cron", {"hour": 3}, zone="Asia/Shanghai", start_at="2026-01-02 03:00", end_at="2026-01-04 03:00"
    )
    all_of_them = [utc("2026-01-01T19:00"), utc("2026-01-02T19:00"), utc("2026-01-03T19:00")]
    assert trigger.between(utc("1990-01-01"), utc("2100-01-01"), 10) == all_of_them
    assert trigger.latest(utc("2100-01-01"), utc("1990-01-01")) == all_of_them[-1]
    assert trigger.latest(utc("2026-01-01T18:59:59"), utc("1990-01-01")) is None
    assert trigger.next_after(all_of_them[-1]) is None


def test_between_is_bounded_and_half_open() -> None:
    trigger = triggers.build("cron", {"minute": "*"})
    after, until = utc("2026-01-01"), utc("2026-01-01T00:03")
    assert trigger.between(after, until, 100) == [after + timedelta(minutes=n) for n in (1, 2, 3)]
    assert trigger.between(after, until, 2) == [after + timedelta(minutes=n) for n in (1, 2)]
    assert trigger.between(after, until, 0) == []
    assert trigger.between(until, after, 5) == []


def test_apscheduler_face() -> None:
    trigger = triggers.build("cron", {"hour": 3}, zone="Asia/Shanghai")
    three = utc("2026-01-01T19:00")
    assert trigger.get_next_fire_time(None, three) == three
    assert trigger.get_next_fire_time(three, three) == three + timedelta(days=1)


def test_survives_pickling() -> None:
    trigger = triggers.build("cron", {"expression": "30 2 * * FRI#2"}, zone="America/New_York")
    again = pickle.loads(pickle.dumps(trigger))
    assert again.next_after(utc("2026-01-01")) == trigger.next_after(utc("2026-01-01"))


@pytest.mark.parametrize("instant", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
@pytest.mark.parametrize("params", [{"expression": "0 0 29 2 *"}, {"expression": "* * * * * *"}])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
def test_the_ends_of_time(params: dict[str, object], zone: str, instant: datetime) -> None:
    trigger = triggers.build("cron", params, zone=zone)
    following = trigger.next_after(instant)
    assert following is None or following > instant
    assert trigger.latest(instant, instant) is None
    local = instant.replace(tzinfo=triggers.zone(zone))
    assert trigger.latest(local, local) is None


def test_naive_instants_are_a_mistake_of_the_caller() -> None:
    trigger = triggers.build("cron", {"hour": 3})
    with pytest.raises(ValueError, match="time zone"):
        trigger.next_after(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("expression", ["*/5 * * * *", "30 2 * * *", "0 9 * * 1-5", "0 0 1 1 *"])
def test_a_step_is_cheap(expression: str) -> None:
    """In calls, since machines differ: room for another turn, not for a walk from minute to minute or day to day."""
    trigger = triggers.build("cron", {"expression": expression}, zone="America/New_York")
    start, end = utc("2026-01-01"), utc("2400-01-01")
    trigger.between(start, end, 100)  # the zone's clock changes are looked up once
    calls = Counter[str]()
    sys.setprofile(lambda _frame, event, _arg: calls.update([event]))
    try:
        found = trigger.between(start, end, 100)
    finally:
        sys.setprofile(None)
    assert len(found) == 100
    assert (calls["call"] + calls["c_call"]) / 100 < 100
