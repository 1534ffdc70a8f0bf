from __future__ import annotations

from datetime import date

import pytest

from instances.services import periods
from instances.services.periods import Span, containing


@pytest.mark.parametrize(
    ("period", "day", "start", "end"),
    [
        ("day", "2024-02-29", "2024-02-29", "2024-02-29"),
        # Monday to Sunday, also over the end of a year and over the 29th of February.
        ("week", "2026-06-01", "2026-06-01", "2026-06-07"),
        ("week", "2026-06-07", "2026-06-01", "2026-06-07"),
        ("week", "2025-01-01", "2024-12-30", "2025-01-05"),
        ("week", "2024-02-29", "2024-02-26", "2024-03-03"),
        ("month", "2024-02-29", "2024-02-01", "2024-02-29"),
        ("month", "2023-02-28", "2023-02-01", "2023-02-28"),
        ("month", "2100-02-28", "2100-02-01", "2100-02-28"),
        ("month", "2026-12-31", "2026-12-01", "2026-12-31"),
        # Three months, not two.
        ("quarter", "2024-01-01", "2024-01-01", "2024-03-31"),
        ("quarter", "2024-06-30", "2024-04-01", "2024-06-30"),
        ("quarter", "2024-09-30", "2024-07-01", "2024-09-30"),
        ("quarter", "2024-10-01", "2024-10-01", "2024-12-31"),
        ("quarter", "2024-12-31", "2024-10-01", "2024-12-31"),
    ],
)
def test_the_period_of_a_day(period: str, day: str, start: str, end: str) -> None:
    found = containing(period, date.fromisoformat(day))
    assert found == Span(period, date.fromisoformat(start), date.fromisoformat(end))


@pytest.mark.parametrize(
    ("period", "day", "days", "days_before"),
    [
        ("quarter", "2024-05-05", 91, 91),  # April to June after January to March of a leap year
        ("quarter", "2023-05-05", 91, 90),
        ("quarter", "2024-01-31", 91, 92),
        ("month", "2024-03-31", 31, 29),
        ("month", "2024-01-31", 31, 31),
        ("week", "2024-03-04", 7, 7),
        ("day", "2024-03-01", 1, 1),
    ],
)
def test_the_period_before_touches_it(period: str, day: str, days: int, days_before: int) -> None:
    found = containing(period, date.fromisoformat(day))
    before = found.previous()
    assert (found.days(), before.days()) == (days, days_before)
    assert before.end + periods.DAY == found.start
    assert before.next() == found


def test_what_is_due_on_the_first_day_of_everything() -> None:
    """The 1st of January 2024 was a Monday."""
    found = [(span.period, str(span.start), str(span.end)) for span in periods.due(date(2024, 1, 1))]
    assert found == [
        ("day", "2023-12-31", "2023-12-31"), ("day", "2024-01-01", "2024-01-01"),
        ("week", "2023-12-25", "2023-12-31"), ("week", "2024-01-01", "2024-01-07"),
        ("month", "2023-12-01", "2023-12-31"), ("month", "2024-01-01", "2024-01-31"),
        ("quarter", "2023-10-01", "2023-12-31"), ("quarter", "2024-01-01", "2024-03-31"),
    ]  # fmt: skip
    assert [span.is_over(date(2024, 1, 1)) for span in periods.due(date(2024, 1, 1))] == [True, False] * 4


def test_a_range_is_covered_without_holes() -> None:
    found = list(periods.between("week", date(2023, 12, 20), date(2024, 1, 3)))
    assert [str(span.start) for span in found] == ["2023-12-18", "2023-12-25", "2024-01-01"]
    assert list(periods.between("day", date(2024, 3, 2), date(2024, 3, 1))) == []
