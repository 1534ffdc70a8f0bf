"""Groups, pools, nodes, functions, previews, figures, health."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError
from django.test import Client

from scheduling import clock
from scheduling.clock import SettableClock
from scheduling.models import Execution, Group, Node, Pool, Task
from scheduling.services import health, tallies, tasks
from tests.api.conftest import Api, errors
from tests.api.test_executions import ended
from tests.conftest import TESTER

MakeTask = Callable[..., Task]


def a_node(**values: object) -> Node:
    now = clock.now()
    fields = {
        "state": "active",
        "heartbeat_at": now,
        "started_at": now,
        "lease_seconds": 15,
        "host": "h",
        "pid": 7,
    }
    functions = {
        "version": "1",
        "queues": ["default"],
        "functions": ["noop"],
        "seats": {"thread": 4, "process": 2},
    }
    return Node.objects.create(**fields | functions | values)


def test_groups(api: Api, make_task: MakeTask) -> None:
    answer = api.post("groups/", {"key": "night", "name": "Night"})
    assert (answer.status_code, answer.data) == (
        201, {"key": "night", "name": "Night", "description": "", "paused": False},
    )  # fmt: skip
    make_task("one", group=Group.objects.get())
    assert api.post("groups/night/pause/").data == {"tasks": 1}
    assert (api.get("groups/night/").data["paused"], api.get("tasks/one/").data["state"]) == (True, "paused")
    assert api.post("groups/night/resume/").data == {"tasks": 1}
    assert api.patch("groups/night/", {"name": "N"}).data["name"] == "N"
    answer = api.delete("groups/night/")
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (409, "in_use")
    assert "already exists" in errors(api.post("groups/", {"key": "night", "name": "x"}))["key"]
    api.delete("tasks/one/")
    assert api.delete("groups/night/").status_code == 204
    assert api.get("groups/").data == {"next": None, "results": []}


def test_pools(api: Api, make_task: MakeTask) -> None:
    made = api.post("pools/", {"key": "db", "capacity": 3}).data
    assert (made["key"], made["name"], made["capacity"], made["paused"]) == ("db", "", 3, False)
    make_task("one", pool=Pool.objects.get(), weight=3)
    assert "at least" in errors(api.patch("pools/db/", {"capacity": 2}))["capacity"]
    assert api.patch("pools/db/", {"capacity": 5, "paused": True}).data["paused"] is True
    assert api.delete("pools/db/").status_code == 409
    assert "capacity" in errors(api.put("pools/db/", {"key": "db"}))
    run = tasks.run_now(Task.objects.get().pk, actor=TESTER)
    Execution.objects.filter(pk=run.pk).update(state="running", node=a_node(), started_at=clock.now())
    for row in (api.get("pools/db/").data, api.get("pools/").data["results"][0]):
        assert (row["used"], row["running"], row["queued"]) == (3, 1, 0)


def test_nodes_and_drain(api: Api, make_task: MakeTask) -> None:
    node = a_node()
    execution = tasks.run_now(make_task("one").pk, actor=TESTER)
    Execution.objects.filter(pk=execution.pk).update(state="running", node=node, started_at=clock.now())
    row = api.get("nodes/").data["results"][0]
    assert (row["id"], row["running"], row["queues"], "functions" in row) == (
        str(node.pk),
        1,
        ["default"],
        False,
    )
    assert row["seats"] == {"thread": {"used": 1, "total": 4}, "process": {"used": 0, "total": 2}}
    assert api.get(f"nodes/{node.pk}/").data["functions"] == ["noop"]
    answer = api.post(f"nodes/{node.pk}/drain/")
    assert answer.status_code == 202
    assert answer.data["drain_asked_at"]
    Node.objects.update(state="stopped")
    answer = api.post(f"nodes/{node.pk}/drain/")
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (409, "node_ended")
    assert len(api.get("nodes/", state="stopped").data["results"]) == 1
    worker = a_node(kind=Node.Kind.WORKER)
    assert [row["id"] for row in api.get("nodes/", kind="worker").data["results"]] == [str(worker.pk)]


def test_queues(api: Api, make_task: MakeTask) -> None:
    make_task("one", queue="slow")
    a_node()
    rows = {row["name"]: row for row in api.get("queues/").data}
    assert {name: row["nodes"] for name, row in rows.items()} == {"default": 1, "slow": 0}
    assert api.post("queues/slow/pause/", {"reason": "night"}).status_code == 204
    row = next(row for row in api.get("queues/").data if row["name"] == "slow")
    assert (row["paused"], row["paused_by"], row["reason"]) == (True, "root", "night")
    assert api.post("queues/slow/resume/").status_code == 204
    answer = api.post("queues/slow/resume/")
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (409, "queue_not_paused")


def test_functions_have_a_schema(api: Api) -> None:
    found = {row["name"]: row for row in api.get("functions/").data}
    assert {"noop", "echo", "collect_database_sizes"} <= set(found)
    one = api.get("functions/sleep/").data
    assert one == found["sleep"]
    assert one["schema"]["properties"]["seconds"]["type"] == "number"
    answer = api.get("functions/slep/")
    assert answer.status_code == 404
    assert "sleep" in answer.data["errors"][0]["detail"]


def test_preview(api: Api) -> None:
    body = {"trigger": "cron", "trigger_params": {"hour": 3}, "time_zone": "Europe/Berlin", "count": 2}
    answer = api.post("triggers/preview/", body | {"after": "2026-06-01T00:00:00Z"})
    assert answer.data["times"] == ["2026-06-01T01:00:00Z", "2026-06-02T01:00:00Z"]
    assert [change["kind"] for change in answer.data["clock_changes"]] == ["overlap", "gap"]
    assert answer.data["description"]
    wrong = {"trigger": "crn", "time_zone": "Mars", "start_at": "x", "count": 0, "after": "2026-06-01"}
    assert set(errors(api.post("triggers/preview/", body | wrong))) == {"start_at", "count", "after"}
    answer = api.post("triggers/preview/", body | {"trigger": "crn", "time_zone": "Mars"})
    assert set(errors(answer)) == {"trigger", "time_zone"}


def test_figures(api: Api, make_task: MakeTask, clock: SettableClock) -> None:
    task = make_task("one")
    for state in ("succeeded", "succeeded", "failed"):
        ended(tasks.run_now(task.pk, actor=TESTER, force=True), state, finished_at=clock.at)
    tallies.count(tallies.quarter_of(clock.at), clock.at)
    found = api.get("stats/", days=2, time_zone="UTC").data
    assert [day["day"] for day in found["days"]] == ["2026-05-31", "2026-06-01"]
    assert found["days"][1]["counts"] == {"succeeded": 2, "failed": 1}
    assert found["days"][1]["failures"] == 1
    one = api.get("stats/tasks/one/", time_zone="UTC").data
    assert (one["total"]["total"], one["total"]["p50_seconds"], one["runs"], one["complete"]) == (
        3,
        1.5,
        3,
        True,
    )
    assert api.get("stats/tasks/nobody/").status_code == 404
    for query, field in (
        ({"time_zone": "Mars"}, "time_zone"),
        ({"days": "0"}, "days"),
        ({"dys": "1"}, "dys"),
    ):
        assert field in errors(api.get("stats/", **query))


class TestHealth:
    def test_503_with_the_reason_while_nobody_beats(self, db: None) -> None:
        for place in ("/api/v1/health", "/api/v1/health/", "/healthz/scheduler"):
            answer = Client().get(place)
            assert answer.status_code == 503, place
            assert "no scheduler is running" in answer.content.decode()

    def test_healthy_and_what_single_tasks_suffer_only_for_those_who_may_see(
        self, api: Api, make_task: MakeTask
    ) -> None:
        a_node()
        make_task("secret-task", function="echo", parameters={"values": 1})
        known, stranger = api.get("health"), Api().get("health")
        assert (known.status_code, known.data["status"], known.data["nodes"]) == (200, "healthy", 1)
        assert "secret-task" in known.data["warnings"][0]
        assert (stranger.status_code, stranger.data["warnings"]) == (200, [])
        assert Client().get("/healthz/scheduler").status_code == 200

    def test_a_task_that_nobody_admits(self, api: Api, make_task: MakeTask) -> None:
        a_node()
        now = clock.now()
        with clock.use(SettableClock(now - timedelta(hours=1))):
            make_task("late")
        answer = api.get("health")
        assert answer.status_code == 503
        assert "has been due" in answer.data["reasons"][0]

    def test_a_database_that_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away() -> None:
            raise DatabaseError("server closed the connection")

        monkeypatch.setattr(health, "check", away)
        answer = Client().get("/healthz/scheduler")
        assert (answer.status_code, "server closed" in answer.content.decode()) == (503, False)

    def test_ready_and_never_because_of_a_scheduler(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        assert Client().get("/readyz").status_code == 200
        assert Client().get("/healthz").status_code == 200


def test_any_other_address_is_told_in_the_same_body(api: Api) -> None:
    for place in ("", "nowhere/", "tasks/Upper/", "tasks/a/b/c/"):
        answer = api.get(place)
        assert (answer.status_code, answer.data["type"]) == (404, "client_error"), place


def test_a_moment_is_utc(api: Api) -> None:
    node = a_node(started_at=datetime(2026, 6, 1, 12, tzinfo=UTC))
    assert api.get(f"nodes/{node.pk}/").data["started_at"] == "2026-06-01T12:00:00Z"


def test_calendars(api: Api, make_task: MakeTask) -> None:
    answer = api.post("calendars/", {"key": "de", "weekend": ["SUN"], "time_zone": "Europe/Berlin"})
    assert (answer.status_code, answer.data["version"]) == (201, 1)
    assert api.patch("calendars/de/", {"name": "Germany"}).data["version"] == 2
    answer = api.patch("calendars/de/", {"name": "D", "version": 1})
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (409, "edited_meanwhile")
    assert api.patch("calendars/de/", {"weekend": ["someday"]}).status_code == 400
    days = api.get("calendars/de/days/?year=2027").data
    assert len(days) == 52
    assert days[0] == {"date": "2027-01-03", "kind": "marked", "name": "", "windows": []}
    for wrong in ("1969", "2100", "x", ""):
        assert api.get(f"calendars/de/days/?year={wrong}").status_code == 400, wrong
    assert api.get("calendars/de/days/?yaer=2027").status_code == 400
    make_task("one")
    assert api.patch("tasks/one/", {"calendar": "de"}).data["calendar"] == "de"
    assert api.delete("calendars/de/").status_code == 409
    api.patch("tasks/one/", {"calendar": None})
    assert api.delete("calendars/de/").status_code == 204


def test_dependencies(api: Api, make_task: MakeTask) -> None:
    make_task("one")
    make_task("two")
    body = {"mode": "any", "dependencies": [{"task": "one", "on": "end"}]}
    assert api.put("tasks/two/dependencies/", body).data == body
    assert api.get("tasks/two/dependencies/").data == body
    circle = api.put("tasks/one/dependencies/", {"dependencies": [{"task": "two"}]})
    assert (circle.status_code, list(errors(circle))) == (400, ["dependencies"])
    assert (
        "nobody"
        in errors(api.put("tasks/one/dependencies/", {"dependencies": [{"task": "nobody"}]}))["dependencies"]
    )
    answer = api.delete("tasks/one/")
    assert (answer.status_code, answer.data["type"]) == (409, "client_error")
    assert api.put("tasks/two/dependencies/", {"dependencies": []}).data["dependencies"] == []
    assert api.delete("tasks/one/").status_code == 204
