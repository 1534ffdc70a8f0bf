"""Admission: one row per occurrence, the overlap policies, and runs asked for by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django_apscheduler.models import DjangoJob

from scheduling.clock import SettableClock
from scheduling.exceptions import Refused
from scheduling.models import Execution, Group, Reason, State, Task
from scheduling.services import admission, groups, tasks
from scheduling.services.actor import Actor
from scheduling.services.liverows import guard

pytestmark = pytest.mark.django_db
ACTOR = Actor(source="command")
MakeTask = Callable[..., Task]


def states(task: Task) -> list[tuple[str, str]]:
    return list(
        Execution.objects.filter(task=task).order_by("scheduled_for", "id").values_list("state", "reason")
    )


def next_time(task: Task) -> datetime | None:
    return DjangoJob.objects.get(pk=str(task.pk)).next_run_time


def test_a_due_task_gets_one_row_and_its_next_time(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task(parameters={})
    assert next_time(task) == clock.at + timedelta(minutes=1)
    admission.admit_due(clock.move(seconds=61))
    execution = Execution.objects.get(task=task)
    assert execution.scheduled_for == clock.at - timedelta(seconds=1)
    assert (execution.state, execution.origin, execution.slot) == (State.QUEUED, "schedule", "")
    assert (execution.task_key, execution.task_version, execution.function) == ("task", 1, "noop")
    assert next_time(task) == clock.at + timedelta(seconds=59)


def test_many_that_wait_for_room_keep_no_other_task_from_going_on(
    clock: SettableClock, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd, other = make_task("crowd", overlap_policy="queue_all"), make_task("other")
    for _number in range(4):
        tasks.run_now(crowd.pk, actor=ACTOR)
    later = tasks.run_now(other.pk, actor=ACTOR, run_at=clock.at + timedelta(seconds=10))
    monkeypatch.setattr(admission, "WAITING_CAP", 3)
    admission.promote(clock.move(seconds=20), [crowd.pk, other.pk])
    assert Execution.objects.get(pk=later.pk).state == "queued"
    assert [state for state, _reason in states(crowd)] == ["queued", "waiting", "waiting", "waiting"]


def test_what_is_not_due_is_left_alone(clock: SettableClock, make_task: MakeTask) -> None:
    make_task()
    admission.admit_due(clock.move(seconds=59))
    assert not Execution.objects.exists()


def test_admitting_the_same_instant_again_leaves_the_row_untouched(
    clock: SettableClock, make_task: MakeTask
) -> None:
    """P1: also when the live row is set back by hand."""
    task = make_task()
    due = next_time(task)
    admission.admit_due(clock.move(minutes=1))
    Execution.objects.update(state=State.SUCCEEDED, finished_at=clock.at)
    DjangoJob.objects.update(next_run_time=due)
    admission.admit_due(clock.at)
    assert states(task) == [(State.SUCCEEDED, "")]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("skip", [("queued", ""), ("skipped", "overlap"), ("skipped", "overlap")]),
        ("queue_one", [("queued", ""), ("waiting", "overlap"), ("skipped", "overlap")]),
        ("queue_all", [("queued", ""), ("waiting", "overlap"), ("waiting", "overlap")]),
    ],
)
def test_overlap_policies(
    clock: SettableClock, make_task: MakeTask, policy: str, expected: list[object]
) -> None:
    """Pain 20: each policy leaves a row with its reason."""
    task = make_task(overlap_policy=policy)
    for _ in range(3):
        admission.admit_due(clock.move(minutes=1))
    assert states(task) == expected


def test_no_limit_lets_all_run(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task(max_concurrent=0)
    for _ in range(3):
        admission.admit_due(clock.move(minutes=1))
    assert states(task) == [("queued", "")] * 3


def test_a_retry_that_waits_counts(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task()
    admission.admit_due(clock.move(minutes=1))
    Execution.objects.update(
        state=State.WAITING, reason=Reason.RETRY, available_at=clock.at + timedelta(hours=1)
    )
    admission.admit_due(clock.move(minutes=1))
    assert states(task) == [("waiting", "retry"), ("skipped", "overlap")]


def test_the_queue_of_waiting_ones_is_bounded(
    clock: SettableClock, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "WAITING_CAP", 2)
    task = make_task(overlap_policy="queue_all")
    for _ in range(5):
        admission.admit_due(clock.move(minutes=1))
    assert states(task)[3:] == [("skipped", "queue_full")] * 2
    with pytest.raises(Refused, match="waiting already"):
        tasks.run_now(task.pk, actor=ACTOR)


def test_catching_up_lets_the_runs_wait_for_each_other(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task(misfire_policy="run_all", catch_up_limit=3)
    admission.admit_due(clock.move(minutes=5))
    assert states(task) == [
        ("missed", "over_limit"),
        ("queued", ""),
        ("waiting", "overlap"),
        ("waiting", "overlap"),
    ]


def test_an_outage_becomes_one_row_that_states_its_range(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task()
    first = next_time(task)
    admission.admit_due(clock.move(minutes=10))
    missed, latest = Execution.objects.filter(task=task).order_by("scheduled_for")
    assert (missed.state, missed.reason, missed.covers_count) == ("missed", "coalesced", 9)
    assert (missed.scheduled_for, missed.covers_until) == (first, clock.at - timedelta(minutes=1))
    assert latest.scheduled_for == clock.at


def test_a_task_whose_trigger_fails_does_not_stop_the_others(
    clock: SettableClock, make_task: MakeTask
) -> None:
    """Pain 4."""
    bad, good = make_task("bad"), make_task("good")
    Task.objects.filter(pk=bad.pk).update(trigger_params={"expression": "nonsense"}, version=2)
    admitted = admission.admit_due(clock.move(minutes=1))
    bad.refresh_from_db()
    assert admitted.broken.keys() == {bad.pk}
    assert "nonsense" in bad.schedule_error
    assert next_time(bad) is None
    assert states(good) == [("queued", "")]


def test_live_rows_of_others_are_left_alone(clock: SettableClock, make_task: MakeTask) -> None:
    make_task()
    for id in ("their-job", "987654321"):
        DjangoJob.objects.create(id=id, next_run_time=clock.at, job_state=b"theirs")
    admitted = admission.admit_due(clock.move(minutes=1))
    assert sorted(admitted.strangers) == ["987654321", "their-job"]
    assert (
        DjangoJob.objects.filter(job_state=b"theirs", next_run_time=clock.at - timedelta(minutes=1)).count()
        == 2
    )
    assert not admission.admit_due(clock.at, strangers=admitted.strangers).taken


def test_the_guard_of_a_live_row_raises_if_somebody_runs_it() -> None:
    import pickle

    from apscheduler.util import ref_to_obj

    with pytest.raises(RuntimeError, match="live schedule entry"):
        ref_to_obj(pickle.loads(guard())["func"])()


class TestRunNow:
    def test_it_queues_one_and_leaves_the_schedule_alone(
        self, clock: SettableClock, make_task: MakeTask
    ) -> None:
        task = make_task()
        before = next_time(task)
        execution = tasks.run_now(task.pk, actor=ACTOR)
        assert (execution.state, execution.origin, execution.scheduled_for) == ("queued", "manual", clock.at)
        assert next_time(task) == before

    @pytest.mark.parametrize("verb", [tasks.pause, tasks.disable])
    def test_a_task_at_rest_runs_too(
        self, clock: SettableClock, make_task: MakeTask, verb: Callable[..., Task]
    ) -> None:
        task = make_task()
        verb(task.pk, actor=ACTOR)
        assert tasks.run_now(task.pk, actor=ACTOR).state == "queued"
        task.refresh_from_db()
        assert task.is_at_rest

    def test_it_waits_behind_a_run_and_says_which(self, clock: SettableClock, make_task: MakeTask) -> None:
        task = make_task()
        first, second, third = (tasks.run_now(task.pk, actor=ACTOR) for _ in range(3))
        assert [second.state, third.state] == ["waiting", "waiting"]
        assert second.detail == f"waits behind #{first.pk} (queued)"

    def test_force_lets_it_run_beside(self, clock: SettableClock, make_task: MakeTask) -> None:
        task = make_task()
        assert [tasks.run_now(task.pk, actor=ACTOR, force=True).state for _ in range(2)] == [
            "queued",
            "queued",
        ]

    def test_an_idempotency_key_runs_once_a_day(self, clock: SettableClock, make_task: MakeTask) -> None:
        task = make_task()
        first = tasks.run_now(task.pk, actor=ACTOR, idempotency_key="k")
        clock.move(hours=23)
        assert tasks.run_now(task.pk, actor=ACTOR, idempotency_key="k").pk == first.pk
        clock.move(hours=2)
        assert tasks.run_now(task.pk, actor=ACTOR, idempotency_key="k").pk != first.pk

    def test_parameters_replace_those_of_the_task_and_are_checked(
        self, clock: SettableClock, make_task: MakeTask
    ) -> None:
        task = make_task(function="sleep", parameters={"seconds": 5})
        assert tasks.run_now(task.pk, actor=ACTOR, parameters={"seconds": 1}).parameters == {"seconds": 1}
        with pytest.raises(ValidationError) as raised:
            tasks.run_now(task.pk, actor=ACTOR, parameters={"seconds": "long"})
        assert "seconds" in raised.value.message_dict["parameters"][0]
        assert Execution.objects.count() == 1

    def test_a_deleted_task_is_refused(self, clock: SettableClock, make_task: MakeTask) -> None:
        task = make_task()
        tasks.delete(task.pk, actor=ACTOR)
        with pytest.raises(Refused):
            tasks.run_now(task.pk, actor=ACTOR)


class TestPromote:
    def test_the_oldest_waiting_one_goes_on_when_there_is_room(
        self, clock: SettableClock, make_task: MakeTask
    ) -> None:
        task = make_task(overlap_policy="queue_all")
        for _ in range(3):
            admission.admit_due(clock.move(minutes=1))
        assert admission.promote(clock.at, [task.pk]) == 0
        Execution.objects.filter(state=State.QUEUED).update(state=State.SUCCEEDED, finished_at=clock.at)
        assert admission.tasks_waiting(clock.at) == [task.pk]
        assert admission.promote(clock.at, [task.pk]) == 1
        assert [state for state, _ in states(task)] == ["succeeded", "queued", "waiting"]

    def test_a_retry_goes_on_at_its_time(self, clock: SettableClock, make_task: MakeTask) -> None:
        task = make_task()
        tasks.run_now(task.pk, actor=ACTOR)
        Execution.objects.update(
            state=State.WAITING, reason=Reason.RETRY, available_at=clock.at + timedelta(hours=1)
        )
        assert admission.tasks_waiting(clock.move(minutes=59)) == []
        assert admission.tasks_waiting(clock.move(minutes=1)) == [task.pk]
        admission.promote(clock.at, [task.pk])
        assert states(task) == [("queued", "")]

    def test_what_comes_of_age_without_room_waits_for_its_turn(
        self, clock: SettableClock, make_task: MakeTask
    ) -> None:
        task = make_task()
        later = tasks.run_now(task.pk, actor=ACTOR)
        Execution.objects.filter(pk=later.pk).update(state=State.WAITING, reason=Reason.FUNCTION_MISSING)
        tasks.run_now(task.pk, actor=ACTOR)
        admission.promote(clock.move(minutes=1), [task.pk])
        later.refresh_from_db()
        assert (later.state, later.reason) == ("waiting", "overlap")


def test_a_paused_group_holds_its_tasks(clock: SettableClock, make_task: MakeTask) -> None:
    group = groups.save(Group(key="night", name="Night"), actor=ACTOR)
    task, other = make_task(group=group), make_task("other")
    admission.admit_due(clock.move(minutes=1))
    assert groups.pause(group.pk, actor=ACTOR) == 1
    assert states(task) == [("waiting", "paused")]
    assert next_time(task) is None
    admission.admit_due(clock.move(minutes=5))
    assert states(task) == [("waiting", "paused")]
    groups.resume(group.pk, actor=ACTOR)
    assert next_time(task) == clock.at + timedelta(minutes=1)
    admission.promote(clock.at, [task.pk])
    assert states(task) == [("queued", "")]
    assert next_time(other) is not None
