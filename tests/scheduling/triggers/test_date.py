"""One moment, once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from scheduling import triggers


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


MOMENTS = [
    ("2026-12-01 03:00", "Asia/Shanghai", {}, "2026-11-30T19:00"),
    ("2026-12-01T03:00:00+02:00", "Asia/Shanghai", {}, "2026-12-01T01:00"),
    ("2026-12-01T03:00:00Z", "Asia/Shanghai", {}, "2026-12-01T03:00"),
    ("2026-12-01", "Asia/Shanghai", {}, "2026-11-30T16:00"),
    (date(2026, 12, 1), "Asia/Shanghai", {}, "2026-11-30T16:00"),
    (datetime(2026, 12, 1, 3), "Asia/Shanghai", {}, "2026-11-30T19:00"),  # noqa: DTZ001
    (datetime(2026, 12, 1, 3, tzinfo=UTC), "Asia/Shanghai", {}, "2026-12-01T03:00"),
    ("2026-12-01 03:00:00.25", "UTC", {}, "2026-12-01T03:00:00.25"),
    ("2026-03-08 02:30", "America/New_York", {}, "2026-03-08T07:00"),
    ("2026-11-01 01:30", "America/New_York", {}, "2026-11-01T05:30"),
    ("2026-11-01 01:30", "America/New_York", {"fold": "second"}, "2026-11-01T06:30"),
    ("2026-11-01 01:30", "America/New_York", {"fold": "both"}, "2026-11-01T05:30"),
    ("2011-12-30 12:00", "Pacific/Apia", {}, "2011-12-30T10:00"),
]


@pytest.mark.parametrize(("written", "zone", "terms", "expected"), MOMENTS)
def test_moment(written: object, zone: str, terms: dict[str, str], expected: str) -> None:
    trigger = triggers.build("date", {"run_date": written}, zone=zone, **terms)
    instant = utc(expected)
    tick = timedelta(microseconds=1)
    assert trigger.next_after(utc("1999-01-01")) == instant
    assert trigger.next_after(instant - tick) == instant
    assert trigger.next_after(instant) is None
    assert trigger.latest(instant, instant - tick) == instant
    assert trigger.latest(instant - tick, utc("1999-01-01")) is None
    assert trigger.latest(utc("2100-01-01"), instant) is None
    assert trigger.between(utc("1999-01-01"), utc("2100-01-01"), 10) == [instant]


def test_description_is_in_the_zone() -> None:
    trigger = triggers.build("date", {"run_date": "2026-12-01T03:00:00Z"}, zone="Asia/Shanghai")
    assert trigger.describe() == "Once, on 2026-12-01 at 11:00:00"


@pytest.mark.parametrize(
    ("written", "fold", "warning"),
    [
        ("2026-03-08 02:30", "first", "02:30:00 does not exist on this day: runs once, at 03:00:00."),
        ("2026-11-01 01:30", "first", "01:30:00 comes twice on this day: runs once, the first time."),
        ("2026-11-01 01:30", "second", "01:30:00 comes twice on this day: runs once, the second time."),
    ],
)
def test_warns_of_clock_changes(written: str, fold: str, warning: str) -> None:
    trigger = triggers.build("date", {"run_date": written}, zone="America/New_York", fold=fold)
    assert trigger.warnings() == [warning]


def test_no_warning_on_ordinary_days() -> None:
    assert triggers.build("date", {"run_date": "2026-03-09 02:30"}, zone="America/New_York").warnings() == []
