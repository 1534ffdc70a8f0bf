"""What a change does to the next days, asked before it is made and kept with it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from scheduling import clock as clocks
from scheduling.models import Execution, Reason, State, Task, TaskVersion
from scheduling.services import admission, definitions, impact, tasks
from tests.conftest import TESTER

MakeTask = Callable[..., Task]
pytestmark = pytest.mark.django_db


def cron(expression: str) -> dict[str, Any]:
    return {"trigger": "cron", "trigger_params": {"expression": expression}}


def changed(task: Task, **values: Any) -> Task:
    after = copy(task)
    for name, value in values.items():
        setattr(after, name, value)
    return after


def utc(day: int, hour: int) -> datetime:
    return datetime(2026, 6, day, hour, tzinfo=UTC)


def test_added_removed_moved_kept(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    """Monday noon. Every day at 9 becomes at 9 and 18 on weekdays, except that Wednesday's is at 10."""
    task = make_task(**cron("0 9 * * *"))
    after = changed(task, trigger="any_of", trigger_params={"triggers": [
        {"trigger": "cron", "params": {"expression": "0 9,18 * * MON,TUE,THU,FRI"}},
        {"trigger": "cron", "params": {"expression": "0 10 * * WED"}},
    ]})  # fmt: skip
    found = impact.of_change(task, after)
    assert (found.days, found.complete, found.until) == (7, True, utc(8, 12))
    # Tue 2, Thu 4, Fri 5, Mon 8 keep 9:00; Wed 3 moves; Sat 6 and Sun 7 go; 18:00 comes on 1, 2, 4, 5.
    assert (found.kept, found.moved, found.removed, found.added) == (4, 1, 2, 4)
    assert found.first_moved == [(utc(3, 9), utc(3, 10))]
    assert found.first_removed == [utc(6, 9), utc(7, 9)]
    assert found.first_added == [utc(1, 18), utc(2, 18), utc(4, 18), utc(5, 18)]
    assert impact.of_change(task, after, days=90).kept > 50
    assert impact.of_change(task, task).kept == 7
    assert impact.of_change(None, task).added == 7
    assert impact.of_change(task, changed(task, enabled=False)).removed == 7
    assert impact.of_change(task, changed(task, max_runs=2)).removed == 5


def test_very_many_occurrences_are_looked_at_as_far_as_they_go(
    clock: clocks.SettableClock, make_task: MakeTask
) -> None:
    task = make_task(**cron("* * * * * *"))
    found = impact.of_change(task, changed(task, **cron("*/2 * * * * *")))
    assert not found.complete
    assert (found.kept, found.removed, found.added) == (2500, 2500, 0)
    assert found.until < utc(1, 14)


def test_it_is_kept_with_the_change(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    task = make_task(retries=3, **cron("0 13 * * *"))
    clock.move(hours=2)
    admission.admit_due(clock.now())
    Execution.objects.update(state=State.WAITING, reason=Reason.RETRY)
    task.trigger_params = {"expression": "0 15 * * *"}
    task = tasks.edit(task, actor=TESTER)
    stored = TaskVersion.objects.get(task=task, version=2).impact
    assert (stored["moved"], stored["added"], stored["removed"]) == (6, 1, 1)
    assert (stored["retries"], stored["queued"]) == (1, 0)
    assert stored["first_moved"][0] == ["2026-06-02T13:00:00+00:00", "2026-06-02T15:00:00+00:00"]
    task.remark = "About nothing"
    task = tasks.edit(task, actor=TESTER)
    assert TaskVersion.objects.get(task=task, version=3).impact is None
    tasks.pause(task.pk, actor=TESTER)
    assert TaskVersion.objects.get(task=task, version=4).impact["removed"] == 7
    tasks.resume(task.pk, actor=TESTER)
    tasks.delete(task.pk, actor=TESTER)
    assert TaskVersion.objects.get(task=task, version=6).impact["removed"] == 7


def test_it_is_kept_with_a_change_by_a_file(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    """Many tasks at once share what one of them looks at; those whose times stay as they are have none."""
    definitions.load(FILE % ("0 13", "a"), actor=TESTER)
    definitions.load(FILE % ("0 15", "b"), actor=TESTER)
    versions = {version.task.key: version.impact for version in TaskVersion.objects.filter(version=2)}
    assert (versions["one"]["moved"], versions["one"]["kept"]) == (7, 0)
    assert versions["two"] is None


FILE = """
tasks:
  - {id: one, function: noop, timezone: UTC, trigger: cron, trigger_params: {expression: "%s * * *"}}
  - {id: two, name: "not %s", function: noop, timezone: UTC, trigger: manual, trigger_params: {}}
"""


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("impact", *arguments, stdout=out)
    return out.getvalue()


def test_a_command_asks_as_the_form_does(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    task = make_task(retries=3, **cron("0 13 * * *"))
    clock.move(hours=2)
    admission.admit_due(clock.now())
    Execution.objects.update(state=State.WAITING, reason=Reason.RETRY)
    found = json.loads(command("task", "--cron", "0 15 * * *", "--days", "30", "--json"))
    expected = impact.of_change(
        task, impact.as_edited(task, changed(task, **cron("0 15 * * *")), clock.at), days=30
    )
    assert found == expected.as_json()
    assert (found["moved"], found["retries"], found["days"]) == (29, 1, 30)
    said = command("task", "--cron", "0 15 * * *")
    assert "next 7 days: 1 added, 1 removed, 6 moved, 0 kept" in said
    assert "> 2026-06-02T13:00:00+00:00  2026-06-02T15:00:00+00:00" in said
    assert "tried again: 1" in said
    assert "7 removed" in command("task", "manual", "--params", "{}")
    assert "0 added, 4 removed" in command("task", "--end", "2026-06-05")
    assert "0 added, 0 removed, 0 moved, 7 kept" in command(
        "task", "--cron", "0 13 * * *", "--dialect", "unix"
    )
    assert Task.objects.get().version == 1
    for arguments, part in (
        (("taks", "--cron", "* * * * *"), "Did you mean"),
        (("task", "--cron", "61 * * * *"), "61"),
        (("task", "--days", "6"), "--days: 6 is out of range: 7 to 90"),
        (("task", "interval"), "--params: needed"),
        (("task", "--calendar", "nothing"), "no calendar"),
        (("task", "--start", "soon"), "start_at"),
    ):
        with pytest.raises(CommandError, match=part):
            command(*arguments)
