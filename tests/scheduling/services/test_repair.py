"""Live rows and tasks disagree only by a fault somewhere; it is mended and told (pain 25, P6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django_apscheduler.models import DjangoJob

from scheduling.clock import SettableClock
from scheduling.models import Task
from scheduling.services import repair, tasks
from scheduling.services.actor import Actor

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
