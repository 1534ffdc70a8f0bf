"""Loading again: new ones are added, untouched ones updated, what a person decided stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_apscheduler.models import DjangoJob

from scheduling.clock import SettableClock
from scheduling.models import Execution, Task, TaskVersion
from scheduling.services import tasks
from scheduling.services.actor import Actor
from tests.scheduling.definitions.files import Loading, entry, tasks_file

PERSON = Actor(source="admin")


def stored(key: str = "one") -> Task:
    return Task.objects.present().get(key=key)


def change(key: str = "one", **values: Any) -> None:
    task = stored(key)
    for name, value in values.items():
        setattr(task, name, value)
    tasks.edit(task, actor=PERSON)


def test_a_new_task_has_its_version_and_its_next_time(load: Loading, clock: SettableClock) -> None:
    loaded = load(tasks_file(entry(name="One", retries="2")))
    assert (loaded.counts, loaded.failed) == ("1 added, 0 updated, 0 unchanged, 0 kept, 0 refused", False)
    task = stored()
    assert (task.name, task.retries, task.version) == ("One", 2, 1)
    version = TaskVersion.objects.get(task=task)
    assert (version.source, version.verb, version.definition) == ("yaml", "create", task.definition())
    assert DjangoJob.objects.get(pk=str(task.pk)).next_run_time == datetime(2026, 6, 2, 3, tzinfo=UTC)


def test_loading_the_same_again_writes_nothing(load: Loading) -> None:
    load(tasks_file(entry()))
    assert "1 unchanged" in load(tasks_file(entry()), "--reload").counts
    assert TaskVersion.objects.count() == 1


def test_an_untouched_task_follows_the_file_also_in_what_it_no_longer_says(
    load: Loading, clock: SettableClock
) -> None:
    load(tasks_file(entry(retries="3", trigger_params="{hour: 3}")))
    assert "1 updated" in load(tasks_file(entry(trigger_params="{hour: 5}"))).counts
    task = stored()
    assert (task.retries, task.version) == (0, 2)
    assert DjangoJob.objects.get(pk=str(task.pk)).next_run_time == datetime(2026, 6, 2, 5, tzinfo=UTC)


def test_what_a_person_edited_stays_and_is_told(load: Loading) -> None:
    load(tasks_file(entry(), entry("two")))
    change(name="Mine")
    loaded = load(tasks_file(entry(name="Theirs"), entry("two", name="Theirs")))
    assert loaded.counts == "0 added, 1 updated, 0 unchanged, 1 kept, 0 refused"
    assert "kept as edited by a person: one" in loaded.said
    assert (stored().name, stored("two").name) == ("Mine", "Theirs")


def test_force_overwrites_an_edit_and_the_file_is_in_charge_again(load: Loading) -> None:
    load(tasks_file(entry()))
    change(name="Mine", retries=4)
    assert "1 updated" in load(tasks_file(entry(name="Theirs")), "--force").counts
    assert (stored().name, stored().retries) == ("Theirs", 0)
    assert "1 updated" in load(tasks_file(entry(name="Newer"))).counts


def test_disabling_counts_as_an_edit_and_pausing_does_not(load: Loading) -> None:
    load(tasks_file(entry(), entry("two")))
    tasks.pause(stored().pk, actor=PERSON)
    tasks.disable(stored("two").pk, actor=PERSON)
    loaded = load(tasks_file(entry(name="New"), entry("two")))
    assert loaded.counts == "0 added, 1 updated, 0 unchanged, 1 kept, 0 refused"
    assert stored().paused
    assert not stored("two").enabled
    assert DjangoJob.objects.get(pk=str(stored().pk)).next_run_time is None


@pytest.mark.parametrize("key", ["one", "k" * 100])
def test_a_deleted_task_comes_back_only_by_force(load: Loading, key: str) -> None:
    load(tasks_file(entry(key)))
    tasks.delete(stored(key).pk, actor=PERSON)
    loaded = load(tasks_file(entry(key)))
    assert "1 kept" in loaded.counts
    assert f"because a person deleted it: {key}" in loaded.said
    assert not Task.objects.present().exists()
    assert "1 added" in load(tasks_file(entry(key)), "--force").counts
    assert stored(key).deleted_at is None


def test_a_dry_run_writes_nothing(load: Loading) -> None:
    text = "groups: [{key: g}]\npools: [{key: p, capacity: 2}]\n" + tasks_file(entry(group="g", pool="p"))
    loaded = load(text, "--dry-run")
    assert loaded.counts == "dry run: 1 added, 0 updated, 0 unchanged, 0 kept, 0 refused"
    assert not Task.objects.exists()
    assert "1 added" in load(text).counts
    assert (stored().group.key, stored().pool.capacity) == ("g", 2)  # type: ignore[union-attr]


def test_built_in_is_set_by_a_file_and_not_taken_back_by_silence(load: Loading) -> None:
    load(tasks_file(entry()))
    assert "1 updated" in load(tasks_file(entry(built_in="true"))).counts
    assert stored().built_in
    assert "1 unchanged" in load(tasks_file(entry())).counts
    assert stored().built_in


def test_a_date_that_has_passed_is_stored_ended_with_a_warning(load: Loading, clock: SettableClock) -> None:
    past = {"trigger": "date", "trigger_params": "{run_date: 2020-01-01 03:00:00}"}
    loaded = load(tasks_file(entry(**past)))
    assert not loaded.failed
    assert loaded.problems == [
        "5: one: trigger_params: The schedule has no time after now: the task is stored, but has ended."
    ]
    assert DjangoJob.objects.get(pk=str(stored().pk)).next_run_time is None
    assert "1 updated" in load(tasks_file(entry(name="Past", **past))).counts


def test_names_of_earlier_systems(load: Loading) -> None:
    text = """default_tasks:
  - {id: old, name: Old, function: sleep, trigger_type: interval, trigger_params: {minutes: 5},
     timezone: Asia/Shanghai, misfire_grace_time: 60, max_instances: 3, coalesce: false, timeout: 9,
     parameters: {seconds: 1}, start_at: 2030-01-01 08:00:00}
"""
    assert "1 added" in load(text).counts
    task = stored("old")
    assert (task.misfire_grace_seconds, task.max_concurrent, task.misfire_policy) == (60, 3, "run_all")
    assert (task.timeout_seconds, task.time_zone) == (9, "Asia/Shanghai")
    assert task.start_at == task.anchor_at == datetime(2030, 1, 1, 0, tzinfo=UTC)


def test_a_function_gives_its_defaults_where_the_file_is_silent(load: Loading) -> None:
    load(
        tasks_file(
            entry("a", function="prune_history"), entry("b", function="prune_history", timeout_seconds="7")
        )
    )
    assert [stored(key).timeout_seconds for key in "ab"] == [4 * 3600, 7]


def test_what_was_due_before_the_load_is_admitted_under_the_old_definition(
    load: Loading, clock: SettableClock
) -> None:
    load(tasks_file(entry(trigger_params="{minute: 1}")))
    clock.move(minutes=1)
    load(tasks_file(entry(trigger_params="{minute: 30}")))
    execution = Execution.objects.get()
    assert (execution.scheduled_for, execution.task_version) == (clock.now(), 1)
    assert DjangoJob.objects.get(pk=str(stored().pk)).next_run_time == datetime(
        2026, 6, 1, 12, 30, tzinfo=UTC
    )


def test_disabling_by_a_file_cancels_what_is_queued(load: Loading) -> None:
    load(tasks_file(entry()))
    execution = tasks.run_now(stored().pk, actor=PERSON)
    load(tasks_file(entry(enabled="false")))
    execution.refresh_from_db()
    assert (execution.state, execution.reason) == ("cancelled", "task_disabled")
    assert DjangoJob.objects.get(pk=str(stored().pk)).next_run_time is None


def test_a_task_that_somebody_changed_meanwhile_is_left_alone(load: Loading) -> None:
    load(tasks_file(entry(), entry("two")))
    one, two = stored(), stored("two")
    change(name="Mine")
    one.name = two.name = "Theirs"
    assert tasks.edit_many([one, two], actor=Actor(source="yaml")) == [one]
    assert (stored().name, stored("two").name, stored("two").version) == ("Mine", "Theirs", 2)


def test_many_tasks_load_in_few_statements(load: Loading) -> None:
    """Ten seconds are allowed for two thousand (benchmarks tell); what takes the time are statements."""
    text = tasks_file(*(entry(f"t{number}", description="d", retries="1") for number in range(600)))
    with CaptureQueriesContext(connection) as queries:
        assert "600 added" in load(text).counts
    assert len(queries) < 100
    assert (Task.objects.count(), TaskVersion.objects.count(), DjangoJob.objects.count()) == (600,) * 3
    assert "600 unchanged" in load(text).counts
    with CaptureQueriesContext(connection) as queries:
        assert "600 updated" in load(text.replace("retries: 1", "retries: 2")).counts
    assert len(queries) < 600 + 100
