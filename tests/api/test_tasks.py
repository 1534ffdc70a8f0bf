"""Tasks by API: CRUD by key, verbs, locking, runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django_apscheduler.models import DjangoJob

from scheduling.api.task_bulk import RELOAD
from scheduling.clock import SettableClock
from scheduling.models import Execution, Group, Pool, Task, TaskVersion
from scheduling.services import dependencies, tasks
from tests.api.conftest import Api, errors
from tests.conftest import TESTER

MakeTask = Callable[..., Task]
NEW = {
    "key": "nightly", "name": "Nightly", "function": "echo", "parameters": {"values": {"a": 1}}, "trigger": "cron",
    "trigger_params": {"hour": 3}, "time_zone": "Asia/Shanghai",
}  # fmt: skip


def test_create_shows_all_there_is_to_know(api: Api, clock: SettableClock) -> None:
    Group.objects.create(key="night", name="Night")
    Pool.objects.create(key="db", capacity=3)
    answer = api.post(
        "tasks/", NEW | {"group": "night", "pool": "db", "owner": "root", "reason": "asked for"}
    )
    assert answer.status_code == 201, answer.data
    data = answer.data
    assert answer["ETag"] == '"1"'
    assert {name: data[name] for name in NEW} == NEW
    assert (data["group"], data["pool"], data["owner"]) == ("night", "db", "root")
    assert (data["state"], data["next_run_time"], data["version"]) == ("enabled", "2026-06-01T19:00:00Z", 1)
    assert "03:00" in data["schedule"]
    assert "reason" not in data
    version = TaskVersion.objects.get()
    assert (version.source, version.by, version.reason) == ("api", api.user, "asked for")
    assert api.get("tasks/nightly/").data == data


def test_what_is_left_out_is_what_the_function_declares(api: Api) -> None:
    body = NEW | {"function": "http_request", "parameters": {"url": "https://example.org/"}}
    declared = api.post("tasks/", body).data
    assert (declared["timeout_seconds"], declared["executor"]) == (120, "thread")
    said = api.post("tasks/", body | {"key": "other", "timeout_seconds": None}).data
    assert said["timeout_seconds"] is None
    changed = api.put("tasks/other/", body | {"key": "other"}).data
    assert changed["timeout_seconds"] is None  # what is left out stays


def test_what_is_missing_or_wrong_is_named(api: Api) -> None:
    answer = api.post("tasks/", {"colour": 1})
    assert answer.status_code == 400
    assert set(errors(answer)) == {"key", "name", "function", "trigger_params", "colour"}
    assert errors(answer)["key"] == "This field is required."
    bad = NEW | {"function": "nop", "trigger_params": {"hour": 24}, "weight": 0}
    assert set(errors(api.post("tasks/", bad))) == {"weight", "function", "trigger_params"}
    assert not Task.objects.exists()


def test_put_and_patch_change_what_is_given(api: Api, make_task: MakeTask) -> None:
    make_task("one", description="old", priority=7)
    answer = api.put("tasks/one/", NEW | {"key": "one"})
    assert answer.status_code == 200, answer.data
    assert (answer.data["name"], answer.data["description"], answer.data["version"]) == ("Nightly", "old", 2)
    answer = api.patch("tasks/one/", {"priority": 1})
    assert (answer.data["priority"], answer.data["name"], answer["ETag"]) == (1, "Nightly", '"3"')
    # What was read can be sent back: what is only shown is left alone.
    again = api.put("tasks/one/", answer.data | {"state": "broken"})
    assert (again.status_code, again.data["version"]) == (200, 3)


def test_an_edit_of_an_old_version_is_refused(api: Api, make_task: MakeTask) -> None:
    make_task("one")
    assert api.patch("tasks/one/", {"name": "A"}, If_Match='"1"').status_code == 200
    for stale, code in ((("name", "B", {"If_Match": '"1"'}), 412), (("name", "B", {"If_Match": "W/x"}), 412)):
        name, value, headers = stale
        answer = api.patch("tasks/one/", {name: value}, **headers)
        assert (answer.status_code, answer.data["errors"][0]["code"]) == (code, "edited_meanwhile")
    answer = api.patch("tasks/one/", {"name": "B", "version": 1})
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (409, "edited_meanwhile")
    assert Task.objects.get().name == "A"
    assert api.patch("tasks/one/", {"name": "B", "version": 2}).status_code == 200


def test_a_refused_change_leaves_everything(api: Api, make_task: MakeTask) -> None:
    make_task("one")
    answer = api.patch("tasks/one/", {"name": "B", "trigger_params": {"expression": "61 * * * *"}})
    assert (answer.status_code, set(errors(answer))) == (400, {"trigger_params"})
    answer = api.patch("tasks/one/", {"trigger": "date", "trigger_params": {"run_date": "2001-01-01 00:00"}})
    assert "no time after now" in errors(answer)["trigger_params"]
    assert (Task.objects.get().name, TaskVersion.objects.count()) == ("one", 1)


def test_delete(api: Api, make_task: MakeTask) -> None:
    make_task("one")
    assert api.delete("tasks/one/").status_code == 204
    assert api.get("tasks/one/").status_code == 404
    assert api.delete("tasks/one/").status_code == 404
    kept = make_task("kept", built_in=True)
    answer = api.delete("tasks/kept/")
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (403, "built_in")
    assert Task.objects.present().get() == kept


def test_deleting_what_others_run_after(api: Api, make_task: MakeTask) -> None:
    up, down = make_task("up"), make_task("down")
    dependencies.save(down.pk, {up.pk: "success"}, actor=TESTER)
    answer = api.delete("tasks/up/")
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (409, "has_dependents")
    assert "would not any more: down" in answer.data["errors"][0]["detail"]
    assert api.delete("tasks/up/?break_dependents=yes").status_code == 400
    assert api.delete("tasks/up/?break_dependents=true").status_code == 204
    assert api.get("tasks/down/dependencies/").data["dependencies"] == []


@pytest.mark.parametrize(
    ("verb", "state", "has_time"),
    [
        ("pause", "paused", False),
        ("resume", "enabled", True),
        ("disable", "disabled", False),
        ("enable", "enabled", True),
    ],
)
def test_verbs(api: Api, make_task: MakeTask, verb: str, state: str, has_time: bool) -> None:
    task = make_task("one")
    if verb in ("resume", "enable"):
        getattr(tasks, {"resume": "pause", "enable": "disable"}[verb])(task.pk, actor=TESTER)
    answer = api.post(f"tasks/one/{verb}/", {"reason": "because"})
    assert (answer.status_code, answer.data["state"]) == (200, state)
    assert (answer.data["next_run_time"] is not None) is has_time
    assert (DjangoJob.objects.get().next_run_time is not None) is has_time
    version = TaskVersion.objects.order_by("-version")[0]
    assert (version.verb, version.source, version.by, version.reason) == (verb, "api", api.user, "because")
    assert api.post(f"tasks/nobody/{verb}/").status_code == 404


def test_run_is_accepted_at_once_and_says_behind_what_it_waits(api: Api, make_task: MakeTask) -> None:
    make_task("one", function="echo", parameters={"values": 1})
    answer = api.post("tasks/one/run/", {"parameters": {"values": 2}})
    assert (answer.status_code, answer.data["state"], answer.data["origin"]) == (202, "queued", "api")
    execution = Execution.objects.get(pk=answer.data["id"])
    assert (execution.parameters, execution.requested_by) == ({"values": 2}, api.user)
    second = api.post("tasks/one/run/").data
    assert (second["state"], second["detail"]) == ("waiting", f"waits behind #{execution.pk} (queued)")
    assert api.post("tasks/one/run/", {"force": True}).data["state"] == "queued"
    answer = api.post("tasks/one/run/", {"parameters": {"colour": 2}})
    assert "colour" in errors(answer)["parameters"]


def test_run_at_a_time(api: Api, make_task: MakeTask, clock: SettableClock) -> None:
    make_task("one")
    answer = api.post("tasks/one/run/", {"run_at": "2026-06-02T08:00:00+08:00"})
    assert (answer.data["state"], answer.data["reason"]) == ("waiting", "delay")
    assert answer.data["scheduled_for"] == "2026-06-02T00:00:00Z"
    for wrong in ("2026-06-02T08:00:00", "2026-06-02T08:00:00+16:30", "soon", 5, "2099-01-01T00:00:00Z"):
        assert "run_at" in errors(api.post("tasks/one/run/", {"run_at": wrong})), wrong


def test_list_by_filters_and_pages(api: Api, make_task: MakeTask, django_assert_max_num_queries: Any) -> None:
    for number in range(7):
        make_task(f"t{number}", category="odd" if number % 2 else "even")
    first = api.get("tasks/", limit=3).data
    assert [row["key"] for row in first["results"]] == ["t0", "t1", "t2"]
    second = api.get(first["next"]).data
    third = api.get(second["next"]).data
    assert [row["key"] for row in (*second["results"], *third["results"])] == ["t3", "t4", "t5", "t6"]
    assert third["next"] is None
    assert [row["key"] for row in api.get("tasks/", ordering="-key", limit=1).data["results"]] == ["t6"]
    assert [row["key"] for row in api.get("tasks/", category="odd").data["results"]] == ["t1", "t3", "t5"]
    assert [row["key"] for row in api.get("tasks/", search="T4").data["results"]] == ["t4"]
    with django_assert_max_num_queries(8):
        api.get("tasks/")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"categry": "odd"}, "categry"), ({"limit": "0"}, "limit"), ({"limit": "many"}, "limit"),
        ({"ordering": "name"}, "ordering"), ({"cursor": "abc"}, "cursor"), ({"cursor": "WyJrZXkiLDFd"}, "cursor"),
        ({"cursor": "é"}, "cursor"), ({"search": "a\0b"}, "search"),
    ],
)  # fmt: skip
def test_wrong_query_parameters_are_named(api: Api, query: Any, field: str) -> None:
    answer = api.get("tasks/", **query)
    assert answer.status_code == 400
    assert list(errors(answer)) == [field]


def test_bulk_tells_each_result(api: Api, make_task: MakeTask) -> None:
    make_task("a")
    make_task("b", built_in=True)
    body = {"action": "pause", "keys": ["a", "b", "nobody", "a"], "reason": "night"}
    answer = api.post("tasks/bulk/", body)
    assert (answer.status_code, answer.data["done"], answer.data["refused"]) == (200, 2, 1)
    assert [(row["key"], row["ok"], row["code"]) for row in answer.data["results"]] == [
        ("a", True, ""), ("b", True, ""), ("nobody", False, "not_found"),
    ]  # fmt: skip
    assert Task.objects.filter(paused=True).count() == 2
    ran = api.post("tasks/bulk/", {"action": "run", "keys": ["a"]}).data["results"][0]
    assert Execution.objects.get().pk == ran["execution"]
    codes = [
        row["code"]
        for row in api.post("tasks/bulk/", {"action": "delete", "keys": ["a", "b"]}).data["results"]
    ]
    assert codes == ["", "built_in"]
    wrong = api.post("tasks/bulk/", {"action": "burn", "keys": []})
    assert set(errors(wrong)) == {"action", "keys"}


def test_bulk_runs_with_the_same_parameters(api: Api, make_task: MakeTask) -> None:
    make_task("slow", function="sleep", parameters={"seconds": 3})
    make_task("plain", function="noop")
    body = {"action": "run", "keys": ["slow", "plain"], "parameters": {"seconds": 1}}
    results = api.post("tasks/bulk/", body).data["results"]
    assert [(row["key"], row["ok"], row["code"]) for row in results] == [
        ("slow", True, ""), ("plain", False, "invalid"),
    ]  # fmt: skip
    assert "seconds" in results[1]["detail"]
    assert Execution.objects.get().parameters == {"seconds": 1}
    for wrong in ({"parameters": [1]}, {"action": "pause"}):
        answer = api.post("tasks/bulk/", body | wrong)
        assert (answer.status_code, list(errors(answer))) == (400, ["parameters"])


def test_bulk_runs_at_a_time_or_beside_others(api: Api, make_task: MakeTask, clock: SettableClock) -> None:
    """As a run of one task: not before its time, at most a year ahead, and forced beside what runs."""
    for key in ("one", "two"):
        make_task(key)
    body = {"action": "run", "keys": ["one", "gone", "two"]}
    later = body | {"run_at": "2026-06-02T08:00:00+08:00"}
    results = [api.post("tasks/bulk/", later, Idempotency_Key="k").data["results"] for _ in range(2)]
    assert results[0] == results[1]
    assert [(row["ok"], row["code"]) for row in results[0]] == [(True, ""), (False, "not_found"), (True, "")]
    rows = Execution.objects.order_by("id").values_list("state", "reason", "scheduled_for")
    assert list(rows) == [("waiting", "delay", datetime(2026, 6, 2, tzinfo=UTC))] * 2
    assert api.post("tasks/bulk/", later | {"force": True}, Idempotency_Key="k").status_code == 422

    Execution.objects.all().delete()
    assert [api.post("tasks/bulk/", body).data["done"] for _ in range(2)] == [2, 2]
    assert api.post("tasks/bulk/", body | {"force": True, "run_at": None}).data["done"] == 2
    states = Execution.objects.order_by("id").values_list("state", flat=True)
    assert list(states) == ["queued"] * 2 + ["waiting"] * 2 + ["queued"] * 2

    results = api.post("tasks/bulk/", body | {"run_at": "2099-01-01T00:00:00Z"}).data["results"]
    assert [row["code"] for row in results] == ["invalid", "not_found", "invalid"]
    assert results[0]["detail"] == "run_at: At most 366 days ahead are allowed."
    for wrong in ({"run_at": "2026-06-02T08:00:00"}, {"run_at": "soon"}, {"force": 1}):
        assert list(errors(api.post("tasks/bulk/", body | wrong))) == list(wrong)
    other = {"action": "pause", "force": False, "run_at": None}
    assert set(errors(api.post("tasks/bulk/", body | other))) == {"force", "run_at"}


def test_by_func(api: Api) -> None:
    answer = api.post(
        "tasks/by-func/", {"function": "noop", "trigger": "interval", "trigger_params": {"hours": 1}}
    )
    assert answer.status_code == 201, answer.data
    assert (answer.data["key"], answer.data["function"], answer.data["queue"]) == ("noop", "noop", "default")
    assert answer.data["name"]
    answer = api.post(
        "tasks/by-func/", {"function": "nop", "trigger": "interval", "trigger_params": {"hours": 1}}
    )
    assert (answer.status_code, "noop" in errors(answer)["function"]) == (400, True)


def test_reload_merges_and_counts(api: Api) -> None:
    text = "tasks:\n- {key: one, function: noop, trigger: cron, trigger_params: {hour: 3}}\n"
    answer = api.post("tasks/reload/", {"yaml": text, "dry_run": True})
    assert (answer.data["added"], Task.objects.count()) == (["one"], 0)
    answer = api.post("tasks/reload/", {"yaml": text})
    assert answer.data["counts"] == {
        "added": 1, "updated": 0, "unchanged": 0, "kept": 0, "left_deleted": 0, "refused": 0,
    }  # fmt: skip
    version = TaskVersion.objects.get()
    assert (version.source, version.by) == ("yaml", api.user)
    api.patch("tasks/one/", {"trigger_params": {"hour": 5}})
    assert api.post("tasks/reload/", {"yaml": text}).data["kept"] == ["one"]
    assert api.post("tasks/reload/", {"yaml": text, "force": True}).data["updated"] == ["one"]
    problem = api.post("tasks/reload/", {"yaml": "tasks:\n- {key: two, functoin: noop}\n"}).data["problems"][
        0
    ]
    assert (problem["line"], problem["key"], problem["field"]) == (2, "two", "functoin")


def test_reload_of_the_default_files(api: Api) -> None:
    answer = api.post("tasks/reload/")
    assert answer.status_code == 200
    assert {"prune_history", "cleanup_old_logs", "collect_database_sizes"} <= set(answer.data["added"])
    assert api.post("tasks/reload/").data["counts"]["unchanged"] == len(answer.data["added"])


def test_next_runs(api: Api, make_task: MakeTask, clock: SettableClock) -> None:
    make_task("one", trigger_params={"expression": "0 3 * * *"})
    answer = api.get("tasks/one/next-runs/", count=2)
    assert answer.data["times"] == ["2026-06-02T03:00:00Z", "2026-06-03T03:00:00Z"]
    assert answer.data["description"]
    assert api.get("tasks/one/next-runs/", after="2027-01-01T00:00:00Z", count=1).data["times"] == [
        "2027-01-01T03:00:00Z"
    ]
    for query, field in (({"count": "0"}, "count"), ({"after": "x"}, "after"), ({"cont": "1"}, "cont")):
        assert field in errors(api.get("tasks/one/next-runs/", **query))


def test_versions(api: Api, make_task: MakeTask) -> None:
    make_task("one")
    api.patch("tasks/one/", {"priority": 9, "reason": "urgent"})
    newest, first = api.get("tasks/one/versions/").data["results"]
    assert (newest["verb"], newest["changes"], newest["by"], newest["reason"]) == (
        "edit", {"priority": [5, 9]}, "root", "urgent",
    )  # fmt: skip
    assert (first["version"], first["verb"], first["definition"]["priority"]) == (1, "create", 5)


def test_a_persons_file_is_bound_by_the_rules_of_the_form(
    make_api: Callable[..., Api], make_task: MakeTask, settings: Any
) -> None:
    settings.JOBSITE_ALLOW_COMMANDS = True
    make_task("kept", built_in=True)
    make_task("code", function="run_code", parameters={"code": "1"}, executor="command")
    api = make_api(*RELOAD)
    entry = "tasks:\n- {key: %s, trigger: cron, trigger_params: {hour: 3}, %s}\n"
    for key, rest, field in (
        ("new", "function: noop, built_in: true", "built_in"),
        ("kept", "function: echo, parameters: {values: 1}", "function"),
        ("code", "function: noop", "function"),
        ("more", "function: run_code, executor: command, parameters: {code: '1'}", "function"),
    ):
        answer = api.post("tasks/reload/", {"yaml": entry % (key, rest), "force": True})
        assert [each["field"] for each in answer.data["problems"]] == [field], (key, answer.data)
    assert set(Task.objects.values_list("key", "version")) == {("kept", 1), ("code", 1)}


def test_the_impact_of_a_change_is_told_and_nothing_is_changed(api: Api, make_task: Any, clock: Any) -> None:
    task = make_task("one", trigger="cron", trigger_params={"expression": "0 9 * * *"})
    body = {"trigger_params": {"expression": "0 10 * * *"}, "days": 30}
    answer = api.post("tasks/one/impact/", body)
    assert answer.status_code == 200, answer.content
    told = answer.data
    assert (told["days"], told["complete"], told["moved"], told["added"], told["kept"]) == (
        30,
        True,
        30,
        0,
        0,
    )
    assert told["first_moved"][0] == ["2026-06-02T09:00:00Z", "2026-06-02T10:00:00Z"]
    assert Task.objects.get(pk=task.pk).version == 1
    clock.move(hours=1)
    every = api.post("tasks/one/impact/", {"trigger": "interval", "trigger_params": {"days": 1}})
    assert every.data["days"] == 7
    # Counted from now, as an edit would, and not from when the task was made.
    assert every.data["first_moved"][0] == ["2026-06-02T09:00:00Z", "2026-06-02T13:00:00Z"]
    assert api.post("tasks/one/impact/", {"trigger_params": {"expression": "61 * * * *"}}).status_code == 400
    assert errors(api.post("tasks/one/impact/", {"days": 91})).keys() == {"days"}
    api.patch("tasks/one/", {"trigger_params": {"expression": "0 10 * * *"}})
    assert api.get("tasks/one/versions/").data["results"][0]["impact"]["moved"] == 7


def test_why_it_did_not_run_is_explained(api: Api, make_task: Any, clock: Any) -> None:
    make_task("one", trigger="cron", trigger_params={"expression": "0 9 * * *"})
    now = api.get("tasks/one/explain/")
    assert (now.status_code, now.data["code"], now.data["execution_id"]) == (200, "did_not_run", None)
    assert "no live node takes from the queue default" in now.data["answer"]
    before = api.get("tasks/one/explain/", at="2026-05-01T09:00:00Z")
    assert (before.data["code"], "did not exist yet" in before.data["answer"]) == ("not_due", True)
    assert errors(api.get("tasks/one/explain/", at="soon")).keys() == {"at"}
