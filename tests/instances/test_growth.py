from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import pytest

from instances.models import DatabaseSize, DatabaseSizeAggregate
from instances.services import growth
from tests.instances.test_aggregation import at

TODAY = date(2026, 6, 30)


def samples(count: int, size: Any) -> list[tuple[date, int]]:
    """``size(n)`` for the last ``count`` days; n is 0 today and negative before."""
    return [(TODAY + timedelta(days=n), round(size(n))) for n in range(1 - count, 1)]


@pytest.mark.parametrize(
    ("percent", "word"),
    [(None, None), (5.0, "stable"), (5.1, "growing"), (-5.0, "stable"), (-5.1, "shrinking"), (0.0, "stable")],
)
def test_trend(percent: float | None, word: str | None) -> None:
    assert growth.trend(percent) == word


def test_a_straight_line() -> None:
    found = growth.forecast(samples(30, lambda n: 1_000_000 + 1_000 * n), 1_100_500, 30, today=TODAY)
    assert (found.samples, found.days_linear) == (30, 101)  # 100.5 days are not enough
    assert found.bytes_per_day == pytest.approx(1_000)


def test_compound_growth() -> None:
    """One percent a day doubles in ln 2 / ln 1.01 = 69.66 days."""
    found = growth.forecast(samples(90, lambda n: 1e9 * 1.01**n), 2_000_000_000, 90, today=TODAY)
    assert found.percent_per_day == pytest.approx(1.0, abs=1e-4)
    assert found.days_compound == math.ceil(math.log(2) / math.log(1.01)) == 70


def test_only_the_window_counts() -> None:
    """Flat for months, growing for thirty days."""
    found = samples(180, lambda n: 1_000_000 + max(0, 30 + n) * 1_000)
    by_window = {days: growth.forecast(found, 2_000_000, days, today=TODAY) for days in growth.WINDOWS}
    rates = [by_window[days].bytes_per_day or 0 for days in growth.WINDOWS]
    assert rates[0] == pytest.approx(1_000, rel=0.01)
    assert rates[0] > rates[1] > rates[2] > 0
    assert [by_window[days].samples for days in growth.WINDOWS] == [30, 90, 180]


@pytest.mark.parametrize(
    ("points", "limit", "linear", "compound"),
    [
        ([], 10, None, None),
        (samples(1, lambda _n: 5), 10, None, None),
        (samples(5, lambda _n: 5), 10, None, None),  # it does not grow
        (samples(5, lambda n: 50 - n), 100, None, None),  # it shrinks
        (samples(5, lambda n: 50 + n), 50, 0, 0),  # it is there already
        (samples(5, lambda n: 4 + n), 10, 6, None),  # of nothing, nothing is a percentage
    ],
)
def test_without_growth_there_is_no_day(
    points: list[tuple[date, int]], limit: int, linear: int | None, compound: int | None
) -> None:
    found = growth.forecast(points, limit, 30, today=TODAY)
    assert (found.samples, found.days_linear, found.days_compound) == (len(points), linear, compound)


def test_gaps_are_ranges_of_days() -> None:
    days = [TODAY - timedelta(days=back) for back in (9, 8, 5, 1)]
    found = growth.gaps(days, TODAY - timedelta(days=10), TODAY)
    assert [((TODAY - first).days, (TODAY - last).days) for first, last in found] == [
        (10, 10),
        (7, 6),
        (4, 2),
        (0, 0),
    ]
    assert growth.gaps([], TODAY, TODAY) == [(TODAY, TODAY)]
    assert growth.gaps([TODAY], TODAY, TODAY) == []


@pytest.mark.django_db
def test_forecasts_read_the_stored_days(make_instance: Any) -> None:
    instance = make_instance()
    for day, size in [*samples(10, lambda n: 100 + n), (TODAY - timedelta(days=200), 5)]:
        DatabaseSize.objects.create(
            instance=instance, database="a", date=day, total_bytes=size, collected_at=at(str(day))
        )
    found = growth.forecasts(instance, "a", 110, today=TODAY)
    assert [(one.window_days, one.samples, one.days_linear) for one in found] == [
        (30, 10, 10),
        (90, 10, 10),
        (180, 10, 10),
    ]
    assert growth.forecasts(instance, None, 110, today=TODAY)[0].samples == 0


@pytest.mark.django_db
def test_the_fastest_growing_by_signed_growth(make_instance: Any) -> None:
    instance = make_instance()
    same = dict.fromkeys(
        ("samples", "first_bytes", "last_bytes", "min_bytes", "max_bytes", "average_bytes"), 1
    )
    for name, change in {"a": -900, "b": 5, "c": 70, "d": None, "e": 70}.items():
        DatabaseSizeAggregate.objects.create(
            instance=instance, database=name, period="month", start="2026-06-01", end="2026-06-30", final=True,
            first_date="2026-06-01", last_date="2026-06-01", change_bytes=change, computed_at=at("2026-06-30"), **same,
        )  # fmt: skip
    assert [row.database for row in growth.fastest("month", date(2026, 6, 1))] == ["c", "e", "b", "a"]
    assert [row.database for row in growth.fastest("month", date(2026, 6, 1), 1)] == ["c"]
