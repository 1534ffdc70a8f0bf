"""P3 when somebody removes a live row, or its time: what came due until that is mended is decided about, not forgotten.

Nothing else is: what was paused, or due by an older version, or has its execution, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django_apscheduler.models import DjangoJob

from scheduling.clock import SettableClock
from scheduling.models import Calendar, Execution, Group, State, Task
from scheduling.services import (
    admission,
    calendars,
    dependencies,
    following,
    groups,
    liverows,
    repair,
    retention,
    tasks,
)
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
Lose = Callable[[Task], None]

#: All that has come due is run, so that each instant shows.
ALL = {"misfire_policy": "run_all", "max_concurrent": 0}


def at(minutes: float) -> datetime:
    """So long after the tests' clock begins."""
    return datetime(2026, 6, 1, 12, tzinfo=UTC) + timedelta(minutes=minutes)


def remove(task: Task) -> None:
    liverows.delete(task.pk)


def empty(task: Task) -> None:
    DjangoJob.objects.filter(pk=str(task.pk)).update(next_run_time=None)


@pytest.fixture(params=[remove, empty])
def lose(request: pytest.FixtureRequest) -> Any:
    return request.param


def next_time(task: Task) -> datetime | None:
    found: datetime | None = DjangoJob.objects.values_list("next_run_time", flat=True).get(pk=str(task.pk))
    return found


def tick(clock: SettableClock, **delta: float) -> None:
    """So much later what is due is admitted, and has run."""
    admission.admit_due(clock.move(**delta))
    end(clock)


def end(clock: SettableClock) -> None:
    Execution.objects.filter(state=State.QUEUED).update(state=State.SUCCEEDED, finished_at=clock.at)


def mended(clock: SettableClock, task: Task, **delta: float) -> datetime | None:
    """The task's next time when the keeper has looked, so much later."""
    repair.mend_live_rows(clock.move(**delta))
    return next_time(task)


def instants(task: Task) -> list[datetime]:
    """What has a row of the task's."""
    rows = Execution.objects.filter(task=task, slot="").order_by("scheduled_for")
    return list(rows.values_list("scheduled_for", flat=True))


def test_what_came_due_meanwhile_is_told_by_the_misfire_policy(
    clock: SettableClock, make_task: MakeTask, lose: Lose
) -> None:
    task = make_task()
    tick(clock, seconds=60)
    lose(task)
    assert mended(clock, task, seconds=270) == at(2)
    tick(clock)
    rows = Execution.objects.order_by("scheduled_for").values_list("scheduled_for", "state", "covers_until")
    assert list(rows) == [
        (at(1), "succeeded", None), (at(2), "missed", at(4)), (at(5), "succeeded", None),
    ]  # fmt: skip
    assert next_time(task) == at(6)


def test_what_one_missed_row_stands_for_is_not_told_again(
    clock: SettableClock, make_task: MakeTask, lose: Lose
) -> None:
    task = make_task(
        misfire_policy="skip", misfire_grace_seconds=1, trigger_params={"expression": "*/2 * * * *"}
    )
    tick(clock, minutes=9)  # nobody was there: one row from 2 to 8
    lose(task)
    assert mended(clock, task, minutes=4) == at(10)


def test_before_the_first_run_and_beside_runs_by_hand(
    clock: SettableClock, make_task: MakeTask, lose: Lose
) -> None:
    task = make_task(**ALL)
    clock.move(seconds=30)
    lose(task)
    for _run in range(2):
        clock.move(seconds=60)
        tasks.run_now(task.pk, actor=TESTER)
    assert mended(clock, task) == at(1)
    tick(clock)
    assert instants(task) == [at(1), at(2)]


@pytest.mark.parametrize("rest", ["pause", "disable", "group"])
def test_of_a_rest_nothing_is_made_up(
    clock: SettableClock, make_task: MakeTask, lose: Lose, rest: str
) -> None:
    group = groups.save(Group(key="g", name="g"), actor=TESTER)
    task = make_task(group=group, **ALL)
    tick(clock, minutes=1)
    stop, go_on, id = {
        "pause": (tasks.pause, tasks.resume, task.pk),
        "disable": (tasks.disable, tasks.enable, task.pk),
        "group": (groups.pause, groups.resume, group.pk),
    }[rest]
    clock.move(seconds=90)
    stop(id, actor=TESTER)
    assert instants(task) == [at(1), at(2)]
    clock.move(minutes=8)
    go_on(id, actor=TESTER)
    lose(task)
    assert mended(clock, task, minutes=2) == at(11)


def test_a_rest_that_lasts_is_left_alone(clock: SettableClock, make_task: MakeTask) -> None:
    group = groups.save(Group(key="g", name="g"), actor=TESTER)
    task = make_task(group=group)
    groups.pause(group.pk, actor=TESTER)
    remove(task)
    assert mended(clock, task, minutes=5) is None
    groups.pause(group.pk, actor=TESTER)
    tasks.pause(task.pk, actor=TESTER)
    assert (instants(task), next_time(task)) == ([], None)


def test_what_the_version_before_would_have_done_is_over(
    clock: SettableClock, make_task: MakeTask, lose: Lose
) -> None:
    task = make_task(trigger_params={"expression": "0 9 * * *"})
    task.trigger_params = {"expression": "* * * * *"}
    clock.move(minutes=5)
    tasks.edit(task, actor=TESTER)
    lose(task)
    assert mended(clock, task, minutes=3) == at(6)


def test_a_change_of_what_it_runs_after_is_none_of_its_times(
    clock: SettableClock, make_task: MakeTask, lose: Lose
) -> None:
    task, other = make_task(), make_task("other", trigger="manual", trigger_params={})
    tick(clock, minutes=1)
    lose(task)
    clock.move(minutes=3)
    dependencies.save(task.pk, {other.pk: "end"}, actor=TESTER)
    assert mended(clock, task, minutes=1) == at(2)


def test_a_calendar_counts_from_its_last_change(
    clock: SettableClock, make_task: MakeTask, lose: Lose
) -> None:
    calendar = Calendar(
        key="days", name="days", windows=[{"weekdays": ["MON"], "from": "12:00", "to": "13:00"}]
    )
    calendars.save(calendar, actor=TESTER)
    task = make_task(calendar=calendar, calendar_policy="skip")
    clock.move(minutes=10)
    calendar.windows = [{"weekdays": ["MON"], "from": "12:20", "to": "12:30"}]
    calendars.save(calendar, actor=TESTER)
    lose(task)
    assert mended(clock, task, minutes=5) == at(11)
    tick(clock)
    lose(task)
    assert mended(clock, task, minutes=20) == at(16)
    tick(clock)
    missed = Execution.objects.get(state="missed", scheduled_for=at(16))
    assert (missed.covers_until, missed.covers_count) == (at(34), 9)


def test_an_interval_keeps_its_anchor_and_a_start_lies_ahead(
    clock: SettableClock, make_task: MakeTask, lose: Lose
) -> None:
    every = {"trigger": "interval", "trigger_params": {"minutes": 7}}
    task, later = make_task(**every), make_task("later", start_at=at(10), **every)
    tick(clock, minutes=8)
    clock.move(minutes=1)
    for each in (task, later):
        each.refresh_from_db()
        each.remark = "no matter"
        tasks.edit(each, actor=TESTER)
        lose(each)
    assert mended(clock, task, minutes=11) == at(14)
    assert next_time(later) == at(10)


def test_a_single_time_that_passed_meanwhile_runs_once(
    clock: SettableClock, make_task: MakeTask, lose: Lose
) -> None:
    once = {"trigger": "date", "trigger_params": {"run_date": at(5).isoformat()}}
    task, ran = (
        make_task(**once),
        make_task("ran", trigger="date", trigger_params={"run_date": at(1).isoformat()}),
    )
    ended: set[tuple[int, int]] = set()
    repair.mend_live_rows(clock.at, ended)
    tick(clock, minutes=2)
    lose(task)
    lose(ran)
    repair.mend_live_rows(clock.move(minutes=10), ended)
    assert (next_time(task), next_time(ran)) == (at(5), None)
    tick(clock)
    assert repair.mend_live_rows(clock.move(minutes=10), ended) == {}
    assert (instants(task), instants(ran)) == ([at(5)], [at(1)])


def test_after_the_end_of_the_schedule_its_last_times_are_told(
    clock: SettableClock, make_task: MakeTask, lose: Lose
) -> None:
    task = make_task(end_at=at(3), **ALL)
    tick(clock, minutes=1)
    lose(task)
    assert mended(clock, task, minutes=60) == at(2)
    tick(clock)
    assert (instants(task), next_time(task)) == ([at(1), at(2), at(3)], None)


def test_a_maximum_of_runs_holds(clock: SettableClock, make_task: MakeTask, lose: Lose) -> None:
    task = make_task(max_runs=2, **ALL)
    tick(clock, minutes=1)
    lose(task)
    assert mended(clock, task, minutes=10) == at(2)
    tick(clock)
    assert instants(task) == [at(1), at(2)]
    lose(task)
    assert mended(clock, task, minutes=10) is None


@pytest.mark.parametrize("state", ["failed", "missed"])
def test_what_retention_has_removed_does_not_run_again(
    clock: SettableClock, make_task: MakeTask, lose: Lose, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0)
    once = {"trigger": "date", "trigger_params": {"run_date": at(1).isoformat()}}
    yearly = {"trigger": "cron", "trigger_params": {"expression": "1 12 1 6 *"}}
    made = [make_task("once", **once), make_task("yearly", **yearly)]
    tick(clock, minutes=1)
    until = at(1) if state == "missed" else None
    Execution.objects.update(state=state, reason="late", covers_until=until)
    retention.prune(clock.move(days=100))
    assert not Execution.objects.exists()
    for task in made:
        lose(task)
    # However long executions are kept from now on.
    assert mended(clock, made[0]) is None
    assert next_time(made[1]) == datetime(2027, 6, 1, 12, 1, tzinfo=UTC)
    stored = Task.objects.get(key="once")
    stored.remark = "an edit keeps that in mind"
    assert (
        tasks.edit_many(
            [Task(**values) for values in Task.objects.filter(pk=stored.pk).values()], actor=TESTER
        )
        == []
    )
    assert Task.objects.get(pk=stored.pk).pruned_until == at(1)


def test_counted_from_the_end_of_a_run(clock: SettableClock, make_task: MakeTask, lose: Lose) -> None:
    task = make_task(trigger="interval", trigger_params={"minutes": 10, "after_end": True})
    lose(task)
    repair.mend_live_rows(clock.move(minutes=25))
    following.follow(clock.at)
    assert next_time(task) == at(10)  # the first one, as when it was made
    tick(clock)
    lose(task)
    repair.mend_live_rows(clock.move(minutes=15))
    following.follow(clock.at)
    assert next_time(task) == at(35)  # ten minutes after the end, due at once
    tick(clock)
    clock.move(minutes=5)
    tasks.pause(task.pk, actor=TESTER)
    clock.move(minutes=30)
    tasks.resume(task.pk, actor=TESTER)
    lose(task)
    repair.mend_live_rows(clock.move(minutes=1))
    following.follow(clock.at)
    assert next_time(task) == at(80)  # not while it was paused


def test_a_schedule_that_failed_for_a_while_tells_what_it_left_out(
    clock: SettableClock, make_task: MakeTask
) -> None:
    task = make_task()
    tick(clock, minutes=1)
    Task.objects.update(trigger_params={"expression": "nonsense"}, version=2)
    tick(clock, minutes=1)
    assert mended(clock, task, minutes=1) is None
    task.refresh_from_db()
    assert "nonsense" in task.schedule_error
    Task.objects.update(trigger_params={"expression": "* * * * *"}, version=3)
    assert mended(clock, task, minutes=1) == at(2)


def test_a_trigger_that_raises_does_not_keep_the_others_from_being_mended(
    clock: SettableClock, make_task: MakeTask, lose: Lose, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scheduling.triggers.interval import IntervalTrigger

    def broken(*_args: Any) -> None:
        raise ZeroDivisionError("a third party's mistake")

    odd = make_task("odd", trigger="interval", trigger_params={"minutes": 1})
    task = make_task()
    lose(odd)
    lose(task)
    monkeypatch.setattr(IntervalTrigger, "at_or_before", broken)
    assert mended(clock, task, minutes=2) == at(1)
    odd.refresh_from_db()
    assert (next_time(odd), odd.schedule_error) == (None, "ZeroDivisionError: a third party's mistake")


# --- changes before the keeper has looked


def by_edit(task: Task) -> None:
    task.trigger_params = {"expression": "0 9 * * *"}
    tasks.edit(task, actor=TESTER)


def by_file(task: Task) -> None:
    task.trigger_params = {"expression": "0 9 * * *"}
    assert tasks.edit_many([task], actor=TESTER) == []


def by_pause(task: Task) -> None:
    tasks.pause(task.pk, actor=TESTER)


def by_pause_of_the_group(task: Task) -> None:
    assert task.group is not None
    groups.pause(task.group.pk, actor=TESTER)


def by_calendar(task: Task) -> None:
    assert task.calendar is not None
    task.calendar.weekend = ["MON"]
    calendars.save(task.calendar, actor=TESTER)


@pytest.mark.parametrize("change", [by_edit, by_file, by_pause, by_pause_of_the_group, by_calendar])
def test_a_change_decides_first_what_came_due_of_a_lost_row(
    clock: SettableClock, make_task: MakeTask, lose: Lose, change: Callable[[Task], None]
) -> None:
    group = groups.save(Group(key="g", name="g"), actor=TESTER)
    calendar = Calendar(key="days", name="days")
    calendars.save(calendar, actor=TESTER)
    task = make_task(group=group, calendar=calendar, **ALL)
    tick(clock, minutes=1)
    lose(task)
    clock.move(seconds=150)
    change(task)
    assert instants(task) == [at(1), at(2), at(3)]
    repair.mend_live_rows(clock.move(seconds=60))
    tick(clock)
    assert instants(task) == [at(1), at(2), at(3)]


def test_who_waited_for_a_change_gives_no_instant_before_it(
    clock: SettableClock, make_task: Callable[..., Task]
) -> None:
    """Found by a storm: the keeper's present was from before the edit that it had to wait for."""
    task = make_task(trigger="interval", trigger_params={"seconds": 1})
    before = clock.now()
    clock.move(seconds=1.5)
    task.end_at = clock.now()
    tasks.edit(task, actor=TESTER, allow_past=True)
    repair.mend(task.pk, before)
    assert liverows.next_time(task.pk) is None
