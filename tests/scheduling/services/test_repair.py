"""Live rows and tasks disagree only by a fault somewhere; it is mended and told (pain 25, P6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django_apscheduler.models import DjangoJob

from scheduling.clock import SettableClock
from scheduling.models import Task
from scheduling.services import liverows, repair, tasks
from scheduling.services.actor import Actor
from tests.conftest import new_task

pytestmark = pytest.mark.django_db
ACTOR = Actor(source="command")
MakeTask = Callable[..., Task]


def test_in_order_nothing_is_touched(clock: SettableClock, make_task: MakeTask) -> None:
    make_task()
    tasks.pause(make_task("paused").pk, actor=ACTOR)
    before = list(DjangoJob.objects.values())
    assert repair.mend_live_rows(clock.at) == {}
    assert list(DjangoJob.objects.values()) == before


def test_each_disagreement_is_mended(clock: SettableClock, make_task: MakeTask) -> None:
    missing, still, restless, deleted = (
        make_task(key) for key in ("missing", "still", "restless", "deleted")
    )
    tasks.pause(restless.pk, actor=ACTOR)
    tasks.delete(deleted.pk, actor=ACTOR)
    rows = DjangoJob.objects
    rows.filter(pk=str(missing.pk)).delete()
    rows.filter(pk=str(still.pk)).update(next_run_time=None)
    rows.filter(pk=str(restless.pk)).update(next_run_time=clock.at)
    assert repair.mend_live_rows(clock.at) == {"missing": 1, "still": 1, "restless": 1, "deleted": 1}
    later = clock.at + timedelta(minutes=1)
    found = {key: rows.get(pk=str(key)).next_run_time for key in (missing.pk, still.pk, restless.pk)}
    assert found == {missing.pk: later, still.pk: later, restless.pk: None}
    assert not rows.filter(pk=str(deleted.pk)).exists()
    assert repair.mend_live_rows(clock.at) == {}


def test_a_broken_schedule_heals_by_itself(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task()
    Task.objects.filter(pk=task.pk).update(schedule_error="it was broken once")
    DjangoJob.objects.update(next_run_time=None)
    assert repair.mend_live_rows(clock.at) == {"still": 1}
    task.refresh_from_db()
    assert task.schedule_error == ""


def test_rows_of_others_are_named_and_kept(clock: SettableClock, make_task: MakeTask) -> None:
    make_task()
    DjangoJob.objects.create(id="theirs", next_run_time=clock.at, job_state=b"")
    repair.mend_live_rows(clock.at)
    assert repair.strangers() == ["theirs"]
    assert DjangoJob.objects.filter(pk="theirs").exists()


def test_tasks_that_have_had_their_last_run_cost_a_start_no_lock_each(
    clock: SettableClock, django_assert_max_num_queries: Any
) -> None:
    common = {"anchor_at": clock.at, "created_at": clock.at, "updated_at": clock.at}
    once = {"trigger": "date", "trigger_params": {"run_date": clock.at.isoformat()}}
    Task.objects.bulk_create([new_task(f"over-{number}", **once, **common) for number in range(300)])
    ids = list(Task.objects.values_list("pk", flat=True))
    liverows.create_many((id, None) for id in ids)
    ended: set[tuple[int, int]] = set()
    with django_assert_max_num_queries(12):
        assert repair.mend_live_rows(clock.at, ended) == {}
    assert {id for id, _version in ended} == set(ids)
