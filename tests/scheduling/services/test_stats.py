"""Numbers for pages: days of a zone, durations, strips; none of them reads history."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scheduling.clock import SettableClock
from scheduling.models import Execution, State, Tally, Task
from scheduling.services import durations, stats, tallies

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
SHANGHAI = ZoneInfo("Asia/Shanghai")
KATHMANDU = ZoneInfo("Asia/Kathmandu")
numbers = itertools.count()


def ended(
    task: Task, at: datetime, state: str = "succeeded", run_ms: int | None = 1_000, **more: Any
) -> Execution:
    return Execution(
        task=task, task_key=task.key, task_version=1, function="noop", scheduled_for=at,
        slot=str(next(numbers)), origin="schedule", queue="default", available_at=at, queued_at=at, state=state,
        reason="" if state == "succeeded" else "exception", finished_at=at, run_ms=run_ms, **more,
    )  # fmt: skip


def test_days_are_those_of_the_zone(make_task: MakeTask, clock: SettableClock) -> None:
    """16:00 UTC is midnight in Shanghai; 18:15 UTC is midnight in Kathmandu."""
    task = make_task()
    at = datetime(2026, 5, 31, 16, 0, tzinfo=UTC)
    Execution.objects.bulk_create(
        [
            ended(task, at - timedelta(seconds=1)),
            ended(task, at),
            ended(task, datetime(2026, 5, 31, 18, 14, 59, tzinfo=UTC), "failed"),
            ended(task, datetime(2026, 5, 31, 18, 15, tzinfo=UTC)),
        ]
    )
    tallies.catch_up(clock.now())
    last, today = stats.by_day(2, SHANGHAI, clock.now())
    assert (last.day, last.counts) == (date(2026, 5, 31), {"succeeded": 1})
    assert (today.day, today.counts) == (date(2026, 6, 1), {"succeeded": 2, "failed": 1})
    assert (today.total, today.failures) == (3, 1)
    last, today = stats.by_day(2, KATHMANDU, clock.now())
    assert (last.counts, today.counts) == ({"succeeded": 2, "failed": 1}, {"succeeded": 1})
    assert stats.since(clock.now() - timedelta(hours=24)).counts == {"succeeded": 3, "failed": 1}
    assert [day.counts for day in stats.by_day(1, SHANGHAI, clock.now() + timedelta(days=9))] == [{}]


def test_a_zone_whose_clock_changes_has_days_of_23_and_25_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    length = {}
    for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 1)):
        begin, end = stats.bounds(day, berlin)
        length[day.month] = (end.astimezone(UTC) - begin.astimezone(UTC)) / timedelta(hours=1)
    assert length == {3: 23, 10: 25, 6: 24}


def test_counting_again_gives_the_same_and_late_results_are_found(
    make_task: MakeTask, clock: SettableClock
) -> None:
    task = make_task()
    at = clock.now() - timedelta(hours=2)
    Execution.objects.bulk_create([ended(task, at), ended(task, at, "lost", None)])
    assert tallies.catch_up(clock.now()) > 0
    assert tallies.uncounted(clock.now()) == tallies.stale(clock.now()) == []
    tallies.count(tallies.quarter_of(at), clock.now())
    assert stats.since(at).counts == {"succeeded": 1, "lost": 1}
    # Held back by an outage of two hours, recorded now.
    Execution.objects.bulk_create([ended(task, at + timedelta(minutes=1))])
    clock.move(hours=1, seconds=1)
    assert tallies.quarter_of(at) in tallies.uncounted(clock.now())
    tallies.catch_up(clock.now())
    assert stats.since(at).counts == {"succeeded": 2, "lost": 1}
    clock.move(days=2)
    tallies.catch_up(clock.now())
    clock.move(days=20)
    wanted = tallies.uncounted(clock.now())
    assert tallies.quarter_of(at) not in wanted  # complete: never again
    tallies.forget_old(clock.move(days=400))
    assert not Tally.objects.exists()


@pytest.mark.parametrize("share", [0.5, 0.95, 1.0])
def test_percentiles_of_buckets_are_right_to_six_percent(share: float) -> None:
    taken = [int(1.01**power) for power in range(1, 1_500)]
    buckets: dict[int, int] = {}
    for run_ms in taken:
        bucket = math.floor(math.log(run_ms + 1) * durations.STEPS)
        buckets[bucket] = buckets.get(bucket, 0) + 1
    exact = durations.exact(taken, share)
    assert exact is not None
    assert durations.percentile(buckets, share) == pytest.approx(exact, rel=0.06, abs=1)
    assert durations.percentile({}, share) is durations.exact([], share) is None


def test_durations_of_a_day_come_from_its_buckets(make_task: MakeTask, clock: SettableClock) -> None:
    task = make_task()
    at = clock.now() - timedelta(minutes=1)
    taken = [0, 1, 90, 100, 110, 2_000, 60_000]
    Execution.objects.bulk_create([ended(task, at, run_ms=run_ms) for run_ms in taken])
    Execution.objects.bulk_create([ended(task, at, "cancelled", 5_000_000)])
    tallies.count(tallies.quarter_of(at), clock.now())
    [today] = stats.by_day(1, ZoneInfo("UTC"), clock.now())
    assert today.p50_ms == pytest.approx(100, rel=0.06)
    assert today.p95_ms == pytest.approx(60_000, rel=0.06)
    assert today.counts == {"succeeded": 7, "cancelled": 1}


def test_strips_hold_the_last_of_each_task(make_task: MakeTask, clock: SettableClock) -> None:
    busy, quiet, new = make_task("busy"), make_task("quiet"), make_task("new")
    at = clock.now()
    rows = [ended(busy, at + timedelta(minutes=minute), run_ms=minute * 10) for minute in range(30)]
    rows.append(ended(quiet, at, "failed"))
    Execution.objects.bulk_create(rows)
    with CaptureQueriesContext(connection) as queries:
        strips = stats.strips([busy.pk, quiet.pk, new.pk])
    assert len(queries) == 2
    assert [run.run_ms for run in strips[busy.pk]] == [minute * 10 for minute in range(10, 30)]
    assert [run.state for run in strips[quiet.pk]] == ["failed"]
    assert strips[new.pk] == []
    assert stats.expected([busy.pk, quiet.pk, new.pk], most=11) == {busy.pk: 240}
    assert stats.strips([]) == {}


def test_the_figures_of_a_task(make_task: MakeTask, clock: SettableClock) -> None:
    task = make_task()
    at = datetime(2026, 5, 31, 15, 0, tzinfo=UTC)
    Execution.objects.bulk_create(
        [
            ended(task, at, run_ms=100),
            ended(task, at, run_ms=300),
            ended(task, at + timedelta(hours=2), "failed", 900),
            Execution(
                task=task, task_key="task", task_version=1, function="noop", scheduled_for=clock.now(), queue="default",
                origin="schedule", available_at=clock.now(), queued_at=clock.now(), state="queued",
            ),
        ]
    )  # fmt: skip
    figures = stats.of_task(task.pk, SHANGHAI)
    assert (figures.total.counts, figures.total.p50_ms, figures.total.p95_ms) == (
        {"succeeded": 2, "failed": 1}, 300, 900,
    )  # fmt: skip
    assert [(day.day.day, day.total, day.p50_ms) for day in figures.days] == [(31, 2, 100), (1, 1, 900)]
    assert figures.complete
    assert not stats.of_task(task.pk, SHANGHAI, most=2).complete


def test_executions_by_state_in_one_question_where_the_database_can(
    make_task: MakeTask, clock: SettableClock
) -> None:
    task = make_task()
    Execution.objects.bulk_create([ended(task, clock.now()) for _ in range(3)])
    Execution.objects.bulk_create([ended(task, clock.now(), "failed") for _ in range(3)])
    with CaptureQueriesContext(connection) as queries:
        rows = stats.by_state(
            [(State.FAILED, 2, True), (State.LOST, 2, True), (State.SUCCEEDED, 1, False)], ("id", "state")
        )
    assert len(queries) == (3 if connection.vendor == "sqlite" else 1)
    assert sorted(row["state"] for row in rows) == ["failed", "failed", "succeeded"]
    newest = Execution.objects.filter(state=State.FAILED).order_by("-id").values_list("id", flat=True)[0]
    assert newest in {row["id"] for row in rows}
    assert stats.count_active() == 0
