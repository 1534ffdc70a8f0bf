"""Intervals that are counted from the end of the run before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django_apscheduler.models import DjangoJob

from scheduling import clock as clocks
from scheduling.models import Execution, State, Task
from scheduling.services import admission, following, repair, tasks
from tests.conftest import TESTER

MakeTask = Callable[..., Task]
AFTER = {"trigger": "interval", "trigger_params": {"minutes": 10, "after_end": True}}
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def next_time(task: Task) -> datetime | None:
    at: datetime | None = DjangoJob.objects.values_list("next_run_time", flat=True).get(pk=str(task.pk))
    return at


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def end(now: datetime, state: State = State.SUCCEEDED) -> None:
    Execution.objects.filter(state=State.QUEUED).update(state=state, reason="by_task", finished_at=now)


def test_the_next_time_is_known_when_the_run_has_ended(
    clock: clocks.SettableClock, make_task: MakeTask
) -> None:
    task = make_task(**AFTER)
    assert task.build_trigger().describe() == "10 minutes after the end of the run before"
    assert (task.follows_end, next_time(task)) == (True, at(10))
    clock.move(minutes=10)
    admission.admit_due(clock.now())
    assert next_time(task) is None
    assert following.follow(clock.now()) == 0  # it is still active
    assert repair.mend_live_rows(clock.now()) == {}
    clock.move(minutes=25)  # longer than the interval: nothing is missed, nothing overlaps
    end(clock.now())
    assert following.follow(clock.now()) == 1
    assert following.follow(clock.now()) == 0
    assert next_time(task) == at(45)
    clock.move(hours=3)  # nobody was there: the one that is due runs, once
    admission.admit_due(clock.now())
    assert list(Execution.objects.order_by("id").values_list("scheduled_for", flat=True)) == [at(10), at(45)]
    clock.move(minutes=1)
    end(clock.now(), State.FAILED)
    following.follow(clock.now())
    assert next_time(task) == clock.now() + timedelta(minutes=10)


def test_runs_by_hand_count_and_skipped_ones_do_not(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    task = make_task(**AFTER)
    clock.move(minutes=9)
    tasks.run_now(task.pk, actor=TESTER)
    clock.move(minutes=1)
    admission.admit_due(clock.now())  # skipped: one runs already
    assert Execution.objects.filter(state=State.SKIPPED).count() == 1
    clock.move(minutes=1)
    end(clock.now())
    following.follow(clock.now())
    assert next_time(task) == at(21)


def test_rest_limits_and_edits(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    task = make_task(max_runs=1, **AFTER)
    other = make_task("other", **AFTER)
    clock.move(minutes=10)
    admission.admit_due(clock.now())
    tasks.pause(other.pk, actor=TESTER)
    end(clock.now())
    assert following.follow(clock.now()) == 0  # one has run enough, one is paused
    tasks.resume(other.pk, actor=TESTER)
    assert next_time(other) == at(20)
    other.refresh_from_db()
    other.trigger_params = {"minutes": 7}
    other = tasks.edit(other, actor=TESTER)
    assert (other.follows_end, next_time(other)) == (False, at(17))
    assert next_time(task) is None
    assert repair.mend_live_rows(clock.now()) == {}
