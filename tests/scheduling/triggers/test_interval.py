"""Intervals: steps of real time from an anchor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling import triggers

units = st.fixed_dictionaries(
    {},
    optional={
        "weeks": st.integers(0, 5),
        "days": st.integers(0, 40),
        "hours": st.integers(0, 100),
        "minutes": st.integers(0, 500),
        "seconds": st.integers(0, 5000),
    },
).filter(lambda given: any(given.values()))
moments = st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(params=units, anchor=moments, now=moments)
def test_occurrences_are_the_anchor_plus_whole_periods(
    params: dict[str, int], anchor: datetime, now: datetime
) -> None:
    period = timedelta(**params)
    trigger = triggers.build("interval", params, anchor_at=anchor)
    following = trigger.next_after(now)
    assert following is not None
    assert now < following <= now + period
    assert (following - anchor) % period == timedelta(0)
    assert trigger.latest(following, now) == following
    previous = trigger.latest(now, now - period)
    assert previous == following - period
    assert trigger.between(now, now + 3 * period, 10) == [following + n * period for n in range(3)]


def test_restarts_do_not_shift_it() -> None:
    for start in ("2026-01-01T00:00", "2026-01-01T00:07", "2026-05-05T05:05:05.5"):
        trigger = triggers.build("interval", {"minutes": 10}, anchor_at=utc("2025-12-31T23:58:30"))
        found = trigger.next_after(utc(start))
        assert found is not None
        assert (found.minute % 10, found.second) == (8, 30)


def test_anchor_is_the_start_or_else_1970() -> None:
    now = utc("2026-01-01")
    plain = triggers.build("interval", {"days": 1})
    assert plain.next_after(now) == utc("2026-01-02")
    started = triggers.build("interval", {"days": 1}, zone="Asia/Shanghai", start_at="2026-01-05 03:00")
    assert started.between(now, utc("2027-01-01"), 2) == [utc("2026-01-04T19:00"), utc("2026-01-05T19:00")]
    assert started.latest(utc("2026-01-04"), utc("1990-01-01")) is None


def test_real_time_across_a_clock_change() -> None:
    trigger = triggers.build(
        "interval", {"hours": 1}, zone="America/New_York", anchor_at=utc("2026-01-01T00:30")
    )
    found = trigger.between(utc("2026-03-08T05:00"), utc("2026-03-08T09:00"), 10)
    assert found == [utc(f"2026-03-08T0{hour}:30") for hour in (5, 6, 7, 8)]


def test_age_costs_nothing() -> None:
    trigger = triggers.build("interval", {"seconds": 1})
    now = utc("2999-01-01")
    assert trigger.latest(now, utc("1970-01-01")) == now
    assert trigger.next_after(now) == now + timedelta(seconds=1)


@pytest.mark.parametrize("instant", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_the_ends_of_time(instant: datetime) -> None:
    trigger = triggers.build("interval", {"weeks": 500}, anchor_at=utc("2026-01-01"))
    trigger.latest(instant, instant)
    following = trigger.next_after(instant)
    assert following is None or following > instant


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"seconds": 1}, "Every second"),
        ({"minutes": 5}, "Every 5 minutes"),
        ({"hours": 1}, "Every hour"),
        ({"days": 1}, "Every 24 hours"),
        ({"weeks": 2}, "Every 2 weeks"),
        ({"hours": 2, "minutes": 30}, "Every 2 hours, 30 minutes"),
        ({"hours": 0, "minutes": 1}, "Every minute"),
    ],
)
def test_description(params: dict[str, int], text: str) -> None:
    assert triggers.build("interval", params).describe() == text
