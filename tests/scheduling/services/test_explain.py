"""Why a task did, or did not, run: the answer names what the rows say."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from scheduling.clock import SettableClock
from scheduling.models import Calendar, Execution, Node, Pool, Task
from scheduling.services import (
    admission,
    calendars,
    claims,
    dependencies,
    explain,
    groups,
    lateness,
    nodes,
    queues,
    tasks,
)
from scheduling.services.actor import Actor
from scheduling.services.groups import Group
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


def node(clock: SettableClock, **values: Any) -> Node:
    made = nodes.register(
        clock.at,
        **{"queues": ["default"], "functions": ["noop"], "seats": {"thread": 9}, "lease_seconds": 15}
        | values,
    )
    nodes.set_state(made.pk, Node.State.ACTIVE, clock.at)
    return made


def answer(task: Task, at: Any = None) -> explain.Explanation:
    return explain.explain(Task.objects.get(pk=task.pk), at)


def test_a_run_is_told_with_its_times(clock: SettableClock, make_task: MakeTask) -> None:
    task, made = make_task(), node(clock)
    due = clock.at + timedelta(minutes=1)
    admission.admit_due(clock.move(seconds=62))
    claims.claim(made.pk, uuid.uuid4(), ["default"], 9, clock.at)
    running = answer(task, due)
    assert (running.code, running.execution_id) == ("runs", Execution.objects.get().pk)
    assert any("2.0 s after its time" in fact for fact in running.facts)
    Execution.objects.update(
        state="failed", reason="exception", detail="ValueError: no", finished_at=clock.at
    )
    ended = answer(task, due + timedelta(seconds=20))
    assert (ended.code, "ValueError: no" in ended.answer) == ("ran", True)


def test_skipped_and_missed_are_told_with_their_reason(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task()
    for _ in range(2):
        admission.admit_due(clock.move(minutes=1))
    skipped = answer(task, clock.at)
    assert skipped.code == "did_not_run"
    assert "as many runs as allowed" in skipped.answer
    gone = clock.at + timedelta(minutes=2)
    admission.admit_due(clock.move(minutes=5))
    missed = answer(task, gone)
    assert missed.code == "did_not_run"
    assert any("stands for all times until" in fact for fact in missed.facts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda task: tasks.disable(task.pk, actor=TESTER), "disabled"),
        (lambda task: tasks.pause(task.pk, actor=TESTER), "paused"),
    ],
)
def test_the_past_is_judged_by_the_version_of_that_time(
    clock: SettableClock, make_task: MakeTask, change: Callable[[Task], Any], words: str
) -> None:
    task = make_task()
    before = clock.at - timedelta(hours=1)
    clock.move(seconds=10)
    change(task)
    moment = clock.at + timedelta(minutes=5)
    clock.move(hours=1)
    tasks.enable(task.pk, actor=TESTER)
    tasks.resume(task.pk, actor=TESTER)
    told = answer(task, moment)
    assert (told.code, words in told.answer) == ("not_due", True)
    assert "did not exist yet" in answer(task, before).answer


def test_a_moment_between_two_times_was_not_due(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task(trigger_params={"expression": "0 3 * * *"})
    told = answer(task, clock.move(hours=1) - timedelta(minutes=30))
    assert told.code == "not_due"
    assert any("2026-06-02 03:00:00" in fact for fact in told.facts)


def test_what_stands_against_a_start_is_named(clock: SettableClock, make_task: MakeTask) -> None:
    pool = Pool.objects.create(key="db", capacity=1, paused=True)
    task = make_task(pool=pool)
    tasks.run_now(task.pk, actor=TESTER)
    assert "no live node takes from the queue default" in answer(task).answer
    made = node(clock, functions=[])
    assert "has the function noop" in answer(task).answer
    Node.objects.update(functions=["noop"], detail="claims nothing: 3 MB are free")
    assert "3 MB are free" in answer(task).answer
    Node.objects.update(detail="")
    queues.pause("default", actor=Actor(source="command", reason="maintenance"))
    assert "paused since" in answer(task).answer
    assert "maintenance" in answer(task).answer
    queues.resume("default", actor=TESTER)
    assert "the pool db is paused" in answer(task).answer
    Pool.objects.update(paused=False)
    other = make_task("other", pool=pool, priority=9)
    tasks.run_now(other.pk, actor=TESTER)
    claims.claim(made.pk, uuid.uuid4(), ["default"], 1, clock.at)
    assert "the pool db is full: 1 of 1" in answer(task).answer
    Pool.objects.update(capacity=9, tokens=0, tokens_per_minute=1, refilled_at=clock.at)
    assert "only 1 start in a minute" in answer(task).answer
    Pool.objects.update(tokens=1)
    assert answer(task).answer.endswith("nothing stands against it.")
    behind = tasks.run_now(task.pk, actor=TESTER)
    Execution.objects.filter(task=task, state="queued").update(state="succeeded", finished_at=clock.at)
    assert (answer(task).code, answer(task).execution_id) == ("waits", behind.pk)


def test_a_queued_run_behind_others_is_not_said_to_be_free(clock: SettableClock, make_task: MakeTask) -> None:
    made = node(clock)
    first, second = make_task("first", priority=9, max_concurrent=0), make_task("second")
    for _ in range(3):
        tasks.run_now(first.pk, actor=TESTER)
    claims.claim(made.pk, uuid.uuid4(), ["default"], 1, clock.at)
    tasks.run_now(second.pk, actor=TESTER)
    told = answer(second)
    assert told.code == "waits"
    assert "2 runs of the queue default and the executor thread come before it" in told.answer
    assert "1 run of the queue default and the executor thread is running now." in told.facts


def test_a_celery_run_without_a_worker(clock: SettableClock, make_task: MakeTask, settings: Any) -> None:
    settings.JOBSITE_CELERY_BROKER = "redis://127.0.0.1:6379/5"
    task = make_task(executor="celery")
    tasks.run_now(task.pk, actor=TESTER)
    node(clock)
    assert "no live Celery worker takes from the queue default" in answer(task).answer
    node(clock, kind=Node.Kind.WORKER, functions=[])
    assert "no Celery worker of the queue default has the function noop" in answer(task).answer
    Node.objects.update(functions=["noop"])
    assert answer(task).answer.endswith("nothing stands against it.")


def test_what_lies_ahead(clock: SettableClock, make_task: MakeTask) -> None:
    node(clock)
    group = groups.save(Group(key="g", name="g"), actor=TESTER)
    task, upstream = make_task("one", group=group), make_task("up")
    dependencies.save(task.pk, {upstream.pk: "failure"}, actor=TESTER)
    told = answer(task)
    assert told.answer == "It is not due, and nothing stands against it."
    assert any("up (failure)" in fact for fact in told.facts)
    assert any("Its next time is 2026-06-01 12:01:00" in fact for fact in told.facts)
    groups.pause(group.pk, actor=TESTER)
    assert "group of the task is paused" in answer(task, clock.at + timedelta(days=1)).answer


def test_lateness_is_told_part_by_part(clock: SettableClock, make_task: MakeTask) -> None:
    task, made = make_task(), node(clock)
    assert answer(task).lateness is None
    due = clock.at + timedelta(minutes=1)
    admission.admit_due(clock.move(seconds=62))
    claims.claim(made.pk, uuid.uuid4(), ["default"], 9, clock.move(seconds=3))
    Execution.objects.update(queued_at=due + timedelta(seconds=3.5))
    late = answer(task, due).lateness
    assert late == lateness.Lateness(2.0, 1.5, 1.5, None)
    end = clock.move(seconds=10)
    Execution.objects.update(state="succeeded", finished_at=end, run_ms=9_400)
    assert answer(task, due).lateness == lateness.Lateness(2.0, 1.5, 1.5, 0.6)
    Execution.objects.update(admitted_at=due - timedelta(hours=1), queued_at=due + timedelta(hours=1))
    assert answer(task, due).lateness == lateness.Lateness(0.0, 5.0, 0.0, 0.6), "a clock was set back"
    assert explain.of(Execution.objects.get()).code == "ran"


def test_who_was_in_the_way(clock: SettableClock, make_task: MakeTask) -> None:
    task, made = make_task(), node(clock)
    admission.admit_due(clock.move(minutes=1))
    claims.claim(made.pk, uuid.uuid4(), ["default"], 9, clock.at)
    first = Execution.objects.get()
    admission.admit_due(clock.move(minutes=1))
    told = answer(task, clock.at)
    assert told.code == "did_not_run"
    assert f"#{first.pk} ran at that moment: from 2026-06-01 12:01:00 UTC until now." in told.facts


def test_who_paused_it_and_why(clock: SettableClock, make_task: MakeTask, admin_user: Any) -> None:
    task = make_task()
    tasks.pause(task.pk, actor=Actor(user=admin_user, source="admin", reason="migration"))
    words = "The task is paused since 2026-06-01 12:00:00 UTC, by admin (migration)."
    assert answer(task).answer == words
    clock.move(hours=1)
    assert "by admin (migration)" in answer(task, clock.at - timedelta(minutes=30)).answer
    tasks.resume(task.pk, actor=TESTER)
    tasks.disable(task.pk, actor=TESTER)
    assert answer(task).answer == "The task is disabled since 2026-06-01 13:00:00 UTC, by command (a test)."


def test_a_calendar_that_left_the_moment_out_is_named(clock: SettableClock, make_task: MakeTask) -> None:
    calendar = Calendar(key="office", weekend=["MON"])
    calendars.save(calendar, actor=TESTER)
    task = make_task(calendar=calendar, calendar_policy="skip")
    moment = clock.at + timedelta(minutes=30)
    clock.move(hours=1)
    assert answer(task, moment).answer == "Its calendar left that moment out: office."


def test_a_node_that_died_is_told(clock: SettableClock, make_task: MakeTask) -> None:
    task, made = make_task(), node(clock)
    tasks.run_now(task.pk, actor=TESTER)
    claims.claim(made.pk, uuid.uuid4(), ["default"], 9, clock.at)
    Node.objects.update(state="dead", ended_at=clock.move(seconds=20))
    assert any("(dead since 2026-06-01 12:00:20 UTC)" in fact for fact in answer(task).facts)


def test_times_are_told_in_the_zone_in_use(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task()
    node(clock)
    with timezone.override(ZoneInfo("Asia/Shanghai")):
        assert "Its next time is 2026-06-01 20:01:00 CST." in answer(task).facts


def test_by_command(clock: SettableClock, make_task: MakeTask, capsys: pytest.CaptureFixture[str]) -> None:
    make_task("one")
    call_command("explain", "one", "--json")
    assert json.loads(capsys.readouterr().out)["code"] == "did_not_run"
    call_command("explain", "one", "--at", "2026-06-01T13:00:00+08:00")
    assert "did not exist yet" in capsys.readouterr().out
    for wrong in ("yesterday", "2026-06-01T12:00:00"):
        with pytest.raises(CommandError, match="--at"):
            call_command("explain", "one", "--at", wrong)
