"""The forecast: runs and seats by minute against plain arithmetic, collisions, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from scheduling import clock as clocks
from scheduling import triggers
from scheduling.models import Execution, Origin, Pool, State, Task
from scheduling.services import forecast, pools, tasks
from scheduling.triggers.density import minutes
from tests.conftest import TESTER, new_task

MakeTask = Callable[..., Task]
BEGIN = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    forecast.forget()
    yield
    forecast.forget()


def cron(expression: str, dialect: str = "unix") -> dict[str, Any]:
    return {"trigger": "cron", "trigger_params": {"expression": expression, "dialect": dialect}}


def lasted(task: Task, *seconds: float) -> None:
    """Gives a task runs that took so long."""
    at = BEGIN - timedelta(hours=1)
    Execution.objects.bulk_create(
        Execution(
            task_id=task.pk, task_key=task.key, task_version=1, function=task.function, origin=Origin.MANUAL,
            scheduled_for=at, slot=str(number), state=State.SUCCEEDED, queue="default", available_at=at,
            queued_at=at, started_at=at, finished_at=at, run_ms=round(length * 1000),
        )
        for number, length in enumerate(seconds)
    )  # fmt: skip


@pytest.mark.django_db
def test_runs_and_seats(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    pool = pools.save(Pool(key="db", capacity=4), actor=TESTER)
    long = make_task("long", pool=pool, weight=3, queue="slow", **cron("0 13,14 * * *"))
    lasted(long, *[150.0] * 30)
    other = make_task("other", function="echo", parameters={"values": {}}, **cron("*/20 * * * *"))
    lasted(other, *[6.0] * 30, 60.0, 60.0, 60.0)
    make_task("paused", **cron("* * * * *"))
    tasks.pause(Task.objects.get(key="paused").pk, actor=TESTER)
    make_task("manual", trigger="manual", trigger_params={})
    found = forecast.of_hours(24)
    assert (found.begin, found.count, found.tasks, found.unmeasured, found.broken) == (BEGIN, 1440, 2, 0, [])
    assert found.total.runs == 2 + 3 * 24
    assert [minute for minute, number in enumerate(found.queues["slow"].starts) if number] == [60, 120]
    slow = found.queues["slow"].busy_p50
    assert list(slow[59:62]) == [0, 1, 1]
    assert slow[62] == pytest.approx(0.5, abs=0.35)  # two and a half minutes, give or take the rounding
    assert slow[64] == 0
    busy = found.pools["db"]
    assert (busy.capacity, busy.busy_p50[60], busy.minutes_over) == (4, 3, 0)
    default = found.queues["default"]
    assert default.busy_p50[20] == pytest.approx(0.1, rel=0.2)
    assert default.busy_p95[20] == pytest.approx(1, rel=0.2)
    assert forecast.summary(found, step=60)["total"]["starts"][:3] == [3, 4, 4]


@pytest.mark.django_db
def test_collisions_and_warnings(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    for number in range(25):
        make_task(f"at-three-{number:02}", parameters={}, **cron("0 3 * * *"))
    make_task("alone", **cron("30 3 * * *"))
    found = forecast.of_hours()
    (collision,) = found.collisions
    assert (collision.at, collision.runs) == (BEGIN + timedelta(hours=15), 25)
    assert collision.tasks == [f"at-three-{number:02}" for number in range(10)]
    three, half_past = BEGIN + timedelta(hours=15), BEGIN + timedelta(hours=15, minutes=30)
    assert str(forecast.crowd_of(new_task("new"), [half_past, three], found)) == (
        "2026-06-02 03:00 UTC is in the same minute as 25 other runs."
    )
    assert str(forecast.crowd_of(new_task("new", time_zone="Asia/Shanghai"), [three], found)) == (
        "2026-06-02 11:00 CST is in the same minute as 25 other runs."
    )
    assert forecast.crowd_of(new_task("new"), [half_past], found) is None
    # An edit is seen at once, though the forecast is kept.
    task = Task.objects.get(key="alone")
    task.trigger_params = {"expression": "0 3 * * *"}
    tasks.edit(task, actor=TESTER)
    assert forecast.of_hours().collisions[0].runs == 26


@bounds(max_examples=150, deadline=None)
@given(
    expression=st.sampled_from(
        ["* * * * *", "*/7 1-4 * * *", "0 9 * * MON-FRI", "30 2 * * *", "0,30 0 1,L * *", "15 23 31 12 *"]
    ),
    zone=st.sampled_from(
        ["UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati"]
    ),
    begin=st.integers(0, 366 * 1440).map(
        lambda number: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    ),
    count=st.integers(1, 2_000),
)
def test_minutes_are_those_of_the_steps(expression: str, zone: str, begin: datetime, count: int) -> None:
    trigger = triggers.build("cron", {"expression": expression}, zone=zone)
    found, each = minutes(trigger, begin, count)
    end = begin + timedelta(minutes=count) - timedelta(seconds=1)
    expected = [
        (at - begin) // timedelta(minutes=1)
        for at in trigger.between(begin - timedelta(seconds=1), end, 9_999)
    ]
    assert (sorted(found), each) == (expected, 1)


def test_rhythms_too_fast_to_be_walked_go_on_alike() -> None:
    trigger = triggers.build("interval", {"seconds": 10})
    found, each = minutes(trigger, BEGIN, 1440)
    assert each == 1
    assert sum(1 for _minute in found) == pytest.approx(6 * 1440, rel=0.02)
    seconds = triggers.build("cron", {"expression": "*/15 * * * * *"})
    numbers, each = minutes(seconds, BEGIN, 60)
    assert (list(numbers), each) == (list(range(60)), 4)


@pytest.mark.django_db
def test_many_tasks(clock: clocks.SettableClock) -> None:
    """Computed once, then given again; what ten thousand take is measured by benchmarks/forecast.py."""
    rhythms = ["{m} {h} * * *", "{m} * * * *", "{m}-59/15 * * * *", "{m} {h} * * MON", "*/10 * * * *"]
    rows = [
        new_task(f"task-{number}", **cron(rhythms[number % 5].format(m=number % 60, h=number // 60 % 24)))
        for number in range(2_000)
    ]
    for row in rows:
        tasks.prepare_new(row, clock.now())
    Task.objects.bulk_create(rows)
    found = forecast.of_hours()
    assert found.tasks == 2_000
    assert found.total.runs > 400 * (1 + 24 + 24 * 2 + 144)
    assert forecast.of_hours() is found


def test_who_knows_the_hosts_must_exist(settings: Any) -> None:
    """A wrong path stops the start; an empty one means that nobody knows."""

    def found() -> list[str | None]:
        return [message.id for message in run_checks(tags=["scheduling"])]

    assert "scheduling.E015" not in found()
    settings.SCHEDULER = settings.SCHEDULER | {"hosts": "instances.services.hosts.nobody"}
    assert "scheduling.E015" in found()
    settings.SCHEDULER = settings.SCHEDULER | {"hosts": ""}
    assert "scheduling.E015" not in found()
