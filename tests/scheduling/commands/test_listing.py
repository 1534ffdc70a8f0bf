"""``list_tasks`` and ``list_executions``: one line each, the same names as the API's."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from scheduling.clock import SettableClock
from scheduling.models import Execution, Task
from scheduling.services import tasks
from scheduling.services.actor import Actor

KEYS = [
    "id", "task", "function", "origin", "scheduled_for", "state", "reason", "detail", "queue", "node", "attempt",
    "queued_at", "started_at", "finished_at", "duration_seconds", "error",
]  # fmt: skip


def said(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().splitlines()


def objects(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(*arguments, "--json")]


@pytest.fixture
def three(make_task: Callable[..., Task], clock: SettableClock) -> list[Execution]:
    """Two runs of one task and then one of another, asked for by hand."""
    one, two = make_task("one", max_concurrent=0), make_task("two")
    return [tasks.run_now(task.pk, actor=Actor(source="command")) for task in (one, one, two)]


def test_executions_newest_first_with_the_names_of_the_api(three: list[Execution]) -> None:
    rows = objects("list_executions")
    assert [row["id"] for row in rows] == [each.pk for each in reversed(three)]
    assert list(rows[0]) == KEYS
    assert (rows[0]["task"], rows[0]["state"], rows[0]["error"]) == ("two", "queued", None)
    assert rows[0]["scheduled_for"] == "2026-06-01T12:00:00+00:00"


def test_executions_by_task_state_and_number(three: list[Execution]) -> None:
    assert [row["id"] for row in objects("list_executions", "--task", "one")] == [three[1].pk, three[0].pk]
    assert [row["id"] for row in objects("list_executions", "--limit", "1")] == [three[2].pk]
    assert objects("list_executions", "--state", "failed") == []
    assert len(said("list_executions", "--state", "queued")) == 3


FAULTS = [
    (("--task", "oen"), "Did you mean 'one'?"),
    (("--state", "faild"), "--state: 'faild' is not known. Did you mean 'failed'?"),
    (("--limit", "0"), "--limit: 0 is out of range: 1 to 100000 is allowed."),
    (("--limit", "100001"), "--limit"),
]


@pytest.mark.parametrize(("arguments", "part"), FAULTS)
def test_a_fault_names_the_argument(three: list[Execution], arguments: tuple[str, ...], part: str) -> None:
    with pytest.raises(CommandError) as caught:
        said("list_executions", *arguments)
    assert part in str(caught.value)


def test_tasks_with_their_next_time(make_task: Callable[..., Task], clock: SettableClock) -> None:
    make_task("b")
    tasks.pause(make_task("a").pk, actor=Actor(source="command"))
    rows = objects("list_tasks")
    assert [(row["key"], row["paused"], row["next_run_time"]) for row in rows] == [
        ("a", True, None), ("b", False, "2026-06-01T12:01:00+00:00"),
    ]  # fmt: skip
    assert [line.split()[:2] for line in said("list_tasks")] == [["a", "paused"], ["b", "enabled"]]


def test_one_unusable_schedule_does_not_hide_the_others(make_task: Callable[..., Task]) -> None:
    Task.objects.filter(pk=make_task("a").pk).update(time_zone="Gone/Zone")
    make_task("b")
    lines = said("list_tasks")
    assert "Gone/Zone" in lines[0]
    assert lines[1].startswith("b ")
