"""Executions by API: the history by cursor, one in full, its log, cancel and retry."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from scheduling import clock as clocks
from scheduling.api.execution_serializers import SHORT
from scheduling.management.json_rows import execution_row
from scheduling.models import Attempt, Execution, ExecutionLog, Node, Task
from scheduling.services import tasks
from tests.api.conftest import Api, errors
from tests.conftest import TESTER

MakeTask = Callable[..., Task]
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def ended(execution: Execution, state: str = "succeeded", **values: Any) -> Execution:
    if state != "succeeded":
        values = {"reason": "exception"} | values
    fields = {"state": state, "started_at": AT, "finished_at": AT, "attempt": 1, "run_ms": 1_500} | values
    Execution.objects.filter(pk=execution.pk).update(**fields)
    execution.refresh_from_db()
    return execution


@pytest.fixture
def history(make_task: MakeTask) -> list[Execution]:
    one, two = make_task("one"), make_task("two")
    rows = [tasks.run_now(task.pk, actor=TESTER, force=True) for task in (one, two, one, two, one)]
    ended(rows[0], result={"a": 1})
    ended(rows[1], "failed", message="boom", traceback="Traceback", error_class="ValueError")
    return rows


def test_the_names_are_those_of_the_command(api: Api, history: list[Execution]) -> None:
    row = api.get("executions/", limit=1).data["results"][0]
    assert tuple(row) == SHORT == tuple(execution_row(history[-1]))
    short = {
        name: row[name] for name in ("id", "task", "state", "queue", "node", "duration_seconds", "error")
    }
    assert short == {name: execution_row(history[-1])[name] for name in short}


def test_newest_first_by_cursor_and_filters(
    api: Api, history: list[Execution], django_assert_max_num_queries: Any
) -> None:
    ids = [row.pk for row in history]
    first = api.get("executions/", limit=2).data
    second = api.get(first["next"]).data
    assert [row["id"] for row in first["results"] + second["results"]] == ids[::-1][:4]
    assert [row["id"] for row in api.get("executions/", task="two").data["results"]] == [ids[3], ids[1]]
    assert [row["id"] for row in api.get("executions/", state="failed").data["results"]] == [ids[1]]
    states = api.get("executions/?state=failed&state=succeeded").data["results"]
    assert [row["id"] for row in states] == [ids[1], ids[0]]
    assert len(api.get("executions/", origin="manual").data["results"]) == 5
    assert api.get("executions/", node=str(uuid.uuid4())).data["results"] == []
    assert [row["id"] for row in api.get("executions/", ordering="id", limit=2).data["results"]] == ids[:2]
    for query, field in (
        ({"cursor": "x"}, "cursor"),
        ({"state": "runing"}, "state"),
        ({"node": "x"}, "node"),
        ({"since": "x"}, "since"),
        ({"colour": "x"}, "colour"),
    ):
        assert field in errors(api.get("executions/", **query))
    with django_assert_max_num_queries(8):
        api.get("executions/", task="one")


def test_by_time(api: Api, make_task: MakeTask) -> None:
    task = make_task("one")
    ids = []
    for hour in range(3):
        with clocks.use(clocks.SettableClock(AT.replace(hour=12 + hour))):
            ids.append(tasks.run_now(task.pk, actor=TESTER, force=True).pk)
    found = api.get("executions/", since="2026-06-01T13:00:00Z", until="2026-06-01T22:00:00+08:00").data[
        "results"
    ]
    assert [row["id"] for row in found] == [ids[1]]


def test_one_in_full(api: Api, history: list[Execution]) -> None:
    ok, failed = history[:2]
    Attempt.objects.create(execution=failed, attempt=1, state="failed", reason="exception", message="first")
    shown = api.get(f"executions/{ok.pk}/").data
    assert (shown["result"], shown["duration_seconds"], shown["requested_by"]) == ({"a": 1}, 1.5, None)
    type(ok).objects.filter(pk=ok.pk).update(memory_limit_mb=512, cpu_limit_seconds=9)
    shown = api.get(f"executions/{ok.pk}/").data
    assert (shown["memory_limit_mb"], shown["cpu_limit_seconds"]) == (512, 9)
    shown = api.get(f"executions/{failed.pk}/").data
    assert (shown["error"], shown["traceback"], shown["error_class"]) == ("boom", "Traceback", "ValueError")
    assert [(each["attempt"], each["error"]) for each in shown["attempts"]] == [(1, "first")]
    for missing in ("999999999", "999999999999999999999", "x"):
        assert api.get(f"executions/{missing}/").status_code == 404


def test_the_log_goes_on_after_what_was_read(api: Api, history: list[Execution]) -> None:
    running = history[4]
    node = Node.objects.create(heartbeat_at=AT, started_at=AT, lease_seconds=15, host="h", pid=1, version="1")
    Execution.objects.filter(pk=running.pk).update(state="running", node=node, started_at=AT, attempt=2)
    for attempt, seq in ((1, 0), (1, 1), (2, 0), (2, 1)):
        ExecutionLog.objects.create(
            execution=running, attempt=attempt, seq=seq, at=AT, level="INFO", text=f"{attempt}.{seq}"
        )
    first = api.get(f"executions/{running.pk}/log/").data
    assert [line["text"] for line in first["lines"]] == ["1.0", "1.1", "2.0", "2.1"]
    assert (first["state"], first["ended"], first["after"]) == ("running", False, "2.1")
    later = api.get(f"executions/{running.pk}/log/", after="1.1").data
    assert [line["text"] for line in later["lines"]] == ["2.0", "2.1"]
    ended(running)
    last = api.get(f"executions/{running.pk}/log/", after="2.1").data
    assert (last["lines"], last["after"], last["ended"]) == ([], "2.1", True)
    for wrong in ("2", "x.y", "1.99999999999", "٣.١"):
        assert "after" in errors(api.get(f"executions/{running.pk}/log/", after=wrong))


def test_cancel(api: Api, history: list[Execution]) -> None:
    answer = api.post(f"executions/{history[2].pk}/cancel/")
    assert (answer.status_code, answer.data["state"], answer.data["reason"]) == (
        202,
        "cancelled",
        "cancel_requested",
    )
    assert "root" in answer.data["detail"]
    answer = api.post(f"executions/{history[2].pk}/cancel/")
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (409, "execution_ended")


def test_retry(api: Api, history: list[Execution]) -> None:
    ok, waiting = history[0], history[4]
    answer = api.post(f"executions/{ok.pk}/retry/", {"force": True})
    assert (answer.status_code, answer.data["state"], answer.data["task"]) == (202, "queued", "one")
    assert api.get(f"executions/{answer.data['id']}/").data["rerun_of"] == ok.pk
    answer = api.post(f"executions/{waiting.pk}/retry/")
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (409, "execution_active")
    answer = api.post(f"executions/{ok.pk}/retry/", {"parameters": [1]})
    assert "parameters" in errors(answer)


def test_retry_with_other_parameters(api: Api, make_task: MakeTask) -> None:
    task = make_task("talks", function="echo", parameters={"values": "first"})
    old = ended(tasks.run_now(task.pk, actor=TESTER))
    answer = api.post(f"executions/{old.pk}/retry/", {"parameters": {"values": "other"}})
    assert answer.status_code == 202, answer.data
    new = Execution.objects.get(pk=answer.data["id"])
    assert (new.parameters, new.rerun_of_id) == ({"values": "other"}, old.pk)
    old.refresh_from_db()
    assert old.parameters == {"values": "first"}
