"""Sizes by period, against tables computed by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from instances.models import (
    DatabaseSize,
    DatabaseSizeAggregate,
    Instance,
    InstanceSize,
    InstanceSizeAggregate,
    SizeAnomaly,
    SyncSession,
)
from instances.services import aggregate_retention, aggregation, anomalies, periods
from instances.services.sessions import RowCounts

pytestmark = pytest.mark.django_db

MIB = 1024 * 1024


@pytest.fixture
def instance(make_instance: Any, settings: Any) -> Instance:
    settings.JOBSITE_TASK_TIME_ZONE = "UTC"
    found: Instance = make_instance()
    return found


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T04:00:00+00:00")


def put(instance: Instance, database: str, sizes: dict[str, int | None]) -> None:
    """Daily rows, and those of the instance as the sum of its databases."""
    for day, size in sizes.items():
        DatabaseSize.objects.create(
            instance=instance, database=database, date=day, total_bytes=size, collected_at=at(day)
        )
        known = DatabaseSize.objects.filter(instance=instance, date=day, total_bytes__isnull=False)
        totals = list(known.values_list("total_bytes", flat=True))
        count = DatabaseSize.objects.filter(instance=instance, date=day).count()
        InstanceSize.objects.update_or_create(
            instance=instance, date=day,
            defaults={
                "total_bytes": sum(totals) if totals else None, "database_count": count,
                "unknown_count": count - len(totals), "collected_at": at(day),
            },
        )  # fmt: skip


def compute(instance: Instance, now: str, *spans: tuple[str, str]) -> RowCounts:
    chosen = [periods.containing(period, date.fromisoformat(day)) for period, day in spans]
    return aggregation.compute(instance, chosen, now=at(now))


def row(period: str, start: str, database: str = "a") -> tuple[Any, ...]:
    found = DatabaseSizeAggregate.objects.get(period=period, start=start, database=database)
    return (
        found.samples, found.first_bytes, found.last_bytes, found.min_bytes, found.max_bytes, found.average_bytes,
        found.change_bytes, None if found.change_percent is None else round(found.change_percent, 6),
        found.growth_per_day_bytes, found.final,
    )  # fmt: skip


def test_a_month_of_a_leap_year_with_gaps(instance: Instance) -> None:
    put(
        instance,
        "a",
        {"2024-01-31": 100, "2024-02-01": 100, "2024-02-10": 130, "2024-02-29": 181, "2024-03-01": 999},
    )
    assert compute(instance, "2024-03-01", ("month", "2024-02-15")) == RowCounts(created=2)
    # Average (100 + 130 + 181) / 3 = 137; before 100: + 37, 37 %; (181 − 100) / 28 days = 2.89 → 3.
    assert row("month", "2024-02-01") == (3, 100, 181, 100, 181, 137, 37, 37.0, 3, True)


def test_a_quarter_has_three_months(instance: Instance) -> None:
    put(instance, "a", {"2024-01-01": 10, "2024-02-15": 20, "2024-03-31": 60})
    put(instance, "a", {"2024-04-01": 60, "2024-05-15": 75, "2024-06-30": 90, "2024-07-01": 1000})
    compute(instance, "2024-07-02", ("quarter", "2024-02-01"), ("quarter", "2024-05-01"))
    assert row("quarter", "2024-01-01") == (3, 10, 60, 10, 60, 30, None, None, 1, True)  # 50 / 90 = 0.56
    assert row("quarter", "2024-04-01") == (3, 60, 90, 60, 90, 75, 45, 150.0, 0, True)  # 30 / 90 = 0.33


def test_a_week_over_the_end_of_a_year(instance: Instance) -> None:
    put(instance, "a", {"2024-12-29": 7, "2024-12-30": 100, "2025-01-05": 40, "2025-01-06": 9})
    compute(instance, "2025-01-06", ("week", "2025-01-01"))
    # Sunday the 29th belongs to the week before: its average is 7. (40 − 100) / 6 = −10.
    assert row("week", "2024-12-30") == (2, 100, 40, 40, 100, 70, 63, 900.0, -10, True)


def test_a_first_period_has_nothing_to_compare_with(instance: Instance) -> None:
    put(instance, "a", {"2026-06-01": 5})
    compute(instance, "2026-06-02", ("day", "2026-06-01"))
    assert row("day", "2026-06-01") == (1, 5, 5, 5, 5, 5, None, None, None, True)


def test_growth_from_nothing_is_no_percentage(instance: Instance) -> None:
    put(instance, "a", {"2026-06-01": 0, "2026-06-02": 5})
    compute(instance, "2026-06-03", ("day", "2026-06-02"))
    assert row("day", "2026-06-02")[6:8] == (5, None)


def test_a_dropped_database_has_periods_as_far_as_it_has_samples(instance: Instance) -> None:
    put(instance, "a", {"2026-05-30": 10, "2026-06-01": 20})
    put(instance, "b", {"2026-06-01": 1, "2026-06-30": 3})
    compute(instance, "2026-08-01", *(("month", f"2026-0{month}-01") for month in (5, 6, 7)))
    assert row("month", "2026-06-01") == (1, 20, 20, 20, 20, 20, 10, 100.0, None, True)
    assert not DatabaseSizeAggregate.objects.filter(start="2026-07-01").exists()


def test_an_unknown_size_is_a_gap(instance: Instance) -> None:
    put(instance, "a", {"2026-06-01": 4, "2026-06-02": None, "2026-06-03": 6})
    compute(instance, "2026-07-01", ("month", "2026-06-01"))
    assert row("month", "2026-06-01")[:6] == (2, 4, 6, 4, 6, 5)


def test_averages_are_rounded_halves_up(instance: Instance) -> None:
    put(instance, "a", {"2026-06-01": 1, "2026-06-02": 2})
    put(instance, "big", {"2026-06-01": 2**52 + 1, "2026-06-02": 2**52 + 2, "2026-06-03": 2**52 + 2})
    compute(instance, "2026-07-01", ("month", "2026-06-01"))
    assert row("month", "2026-06-01")[5] == 2
    assert row("month", "2026-06-01", "big")[5] == 2**52 + 2
    assert aggregation.divide(-3, 2) == -1


def test_the_running_period_is_not_final_until_it_is_over(instance: Instance) -> None:
    put(instance, "a", {"2026-06-29": 10})
    spans = ("month", "2026-06-29"), ("week", "2026-06-29")
    compute(instance, "2026-06-30", *spans)
    assert [
        row(period, start)[-1] for period, start in (("month", "2026-06-01"), ("week", "2026-06-29"))
    ] == [False, False]
    put(instance, "a", {"2026-06-30": 20})
    assert compute(instance, "2026-07-01", *spans) == RowCounts(updated=4)
    assert row("month", "2026-06-01") == (2, 10, 20, 10, 20, 15, None, None, 10, True)
    assert row("week", "2026-06-29")[-1] is False


def test_twice_changes_nothing_and_late_samples_do(instance: Instance) -> None:
    put(instance, "a", {"2026-06-01": 10})
    compute(instance, "2026-07-01", ("month", "2026-06-01"))
    before = list(DatabaseSizeAggregate.objects.values()), list(InstanceSizeAggregate.objects.values())
    assert compute(instance, "2026-07-02", ("month", "2026-06-01")) == RowCounts(unchanged=2)
    assert (
        list(DatabaseSizeAggregate.objects.values()),
        list(InstanceSizeAggregate.objects.values()),
    ) == before
    put(instance, "a", {"2026-06-30": 30})
    assert compute(instance, "2026-07-03", ("month", "2026-06-01")) == RowCounts(updated=2)
    assert row("month", "2026-06-01")[5] == 20


def test_when_samples_are_gone_what_rests_on_more_of_them_stays(instance: Instance) -> None:
    put(instance, "a", {"2026-03-31": 10, "2026-04-01": 20, "2026-05-01": 40})
    compute(instance, "2026-07-01", ("quarter", "2026-03-01"), ("quarter", "2026-05-01"))
    DatabaseSize.objects.filter(date__lt="2026-05-01").delete()
    InstanceSize.objects.filter(date__lt="2026-05-01").delete()
    before = list(DatabaseSizeAggregate.objects.values())
    assert compute(instance, "2026-07-02", ("quarter", "2026-03-01"), ("quarter", "2026-05-01")) == RowCounts(
        unchanged=2
    )
    assert list(DatabaseSizeAggregate.objects.values()) == before
    # A later period is still compared with the row of the one whose samples are gone.
    put(instance, "a", {"2026-07-01": 60})
    DatabaseSize.objects.filter(date__lt="2026-07-01").delete()
    compute(instance, "2026-07-02", ("quarter", "2026-07-01"))
    assert row("quarter", "2026-07-01")[6] == 30


def test_the_instance_has_statistics_of_its_own(instance: Instance) -> None:
    put(instance, "a", {"2026-06-01": 10, "2026-06-02": 30})
    put(instance, "b", {"2026-06-02": 50})
    put(instance, "hidden", {"2026-06-02": None})
    compute(instance, "2026-07-01", ("month", "2026-06-01"))
    found = InstanceSizeAggregate.objects.get()
    # Daily totals 10 and 80: their average is 45. Of the three known sizes of databases it is 30.
    assert (found.samples, found.first_bytes, found.last_bytes, found.average_bytes) == (2, 10, 80, 45)
    assert (found.database_count, found.average_database_bytes) == (3, 30)


def test_the_night_run_makes_a_session_and_says_whom_it_failed_for(
    instance: Instance, make_instance: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_instance("other")
    put(instance, "a", {"2026-05-31": 10, "2026-06-01": 20})
    real = aggregation.compute

    def compute_or_fail(chosen: Instance, *rest: Any, **named: Any) -> RowCounts:
        if chosen == other:
            raise OverflowError("too much")
        return real(chosen, *rest, **named)

    monkeypatch.setattr(aggregation, "compute", compute_or_fail)
    session = aggregation.run([instance, other], origin="schedule")
    assert (session.category, session.status, session.succeeded, session.failed) == (
        "aggregation",
        "partly_failed",
        1,
        1,
    )
    assert "too much" in session.records.get(instance=other).error
    # Sunday the 31st of May and Monday the 1st of June: every kind has two periods but the quarter.
    kinds = list(DatabaseSizeAggregate.objects.order_by("start").values_list("period", "start", "final"))
    assert sorted((kind, str(start), final) for kind, start, final in kinds) == [
        ("day", "2026-05-31", True), ("day", "2026-06-01", False),
        ("month", "2026-05-01", True), ("month", "2026-06-01", False),
        ("quarter", "2026-04-01", False),
        ("week", "2026-05-25", True), ("week", "2026-06-01", False),
    ]  # fmt: skip


def test_few_statements_whatever_the_number_of_databases(
    instance: Instance, django_assert_max_num_queries: Any
) -> None:
    rows = [
        DatabaseSize(instance=instance, database=f"d{n}", date=day, total_bytes=n, collected_at=at("2026-06-02"))
        for n in range(300) for day in ("2026-06-01", "2026-06-02")
    ]  # fmt: skip
    DatabaseSize.objects.bulk_create(rows)
    with django_assert_max_num_queries(20):
        compute(instance, "2026-07-01", ("month", "2026-06-01"))
    assert DatabaseSizeAggregate.objects.count() == 300


def test_old_periods_go_in_small_steps(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregate_retention, "BATCH", 2)
    days = [f"2025-01-{number:02}" for number in range(27, 32)] + ["2025-02-01"]
    put(instance, "a", dict.fromkeys(days, 1))
    compute(
        instance,
        "2026-06-01",
        *(("day", day) for day in days),
        ("month", "2025-01-27"),
        ("month", "2025-02-01"),
    )
    removed = aggregate_retention.cleanup({"day": 16, "month": 17}, today=date(2026, 6, 15))
    assert removed == {"day": 10, "month": 0}
    left = DatabaseSizeAggregate.objects.order_by("start").values_list("period", "start")
    assert [(kind, str(start)) for kind, start in left] == [
        ("month", "2025-01-01"),
        ("day", "2025-02-01"),
        ("month", "2025-02-01"),
    ]


class TestAnomalies:
    def steady(self, days: int, *, growth: int, noise: int = 0) -> list[tuple[date, int]]:
        first = date(2026, 1, 1)
        return [
            (first + timedelta(days=n), 10_000 * MIB + n * growth + (n % 3 - 1) * noise) for n in range(days)
        ]

    def jumps(self, samples: list[tuple[date, int]]) -> list[date]:
        return [one.after[0] for one in anomalies.jumps(samples, samples[0][0])]

    def test_steady_growth_has_none(self) -> None:
        assert self.jumps(self.steady(60, growth=100 * MIB, noise=30 * MIB)) == []

    @pytest.mark.parametrize("jump", [2_000 * MIB, -2_000 * MIB])
    def test_a_jump_is_found_once_and_does_not_become_usual(self, jump: int) -> None:
        samples = self.steady(60, growth=10 * MIB, noise=3 * MIB)
        jumped = [*samples[:30], *((day, size + jump) for day, size in samples[30:])]
        assert self.jumps(jumped) == [samples[30][0]]

    def test_a_gap_spreads_its_growth(self) -> None:
        samples = self.steady(60, growth=400 * MIB)
        assert self.jumps([*samples[:20], *samples[45:]]) == []

    def test_small_things_are_no_news(self) -> None:
        samples = [(date(2026, 1, 1) + timedelta(days=n), 1_000) for n in range(20)]
        assert self.jumps([*samples[:15], *((day, 900_000) for day, _size in samples[15:])]) == []

    def test_too_few_days_tell_nothing(self) -> None:
        samples = self.steady(6, growth=MIB)
        assert self.jumps([*samples, (date(2026, 1, 7), 99_000 * MIB)]) == []

    def test_they_are_stored_once_and_go_when_the_sample_is_corrected(self, instance: Instance) -> None:
        samples = self.steady(30, growth=MIB)
        put(
            instance,
            "a",
            {str(day): size for day, size in samples[:29]} | {str(samples[29][0]): 90_000 * MIB},
        )
        today = samples[29][0]
        for _ in range(2):
            assert anomalies.detect(instance, today, now=datetime.now(UTC)) == 1
        found = SizeAnomaly.objects.get()
        assert (found.date, found.usual_bytes, found.before_date) == (today, MIB, samples[28][0])
        DatabaseSize.objects.filter(date=today).update(total_bytes=samples[29][1])
        assert anomalies.detect(instance, today, now=datetime.now(UTC)) == 0
        assert not SizeAnomaly.objects.exists()


def test_a_cancelled_run_cancels_the_rest(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    from scheduling.context import NullRun, RunCancelled

    class Cancelled(NullRun):
        def check_cancelled(self) -> None:
            raise RunCancelled("by_person")

    monkeypatch.setattr(aggregation, "current_run", Cancelled)
    with pytest.raises(RunCancelled):
        aggregation.run([instance], origin="schedule")
    assert SyncSession.objects.get().status == "cancelled"
