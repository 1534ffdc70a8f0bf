"""``manage.py task|execution|group|pool|node VERB``: each does what its service does, and names what it refuses."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from scheduling import clock as clocks
from scheduling.clock import SettableClock
from scheduling.models import Attempt, Execution, ExecutionLog, Group, Pool, State, Task, TaskVersion
from scheduling.services import groups, nodes, pools, tasks
from tests.conftest import TESTER, new_task

MakeTask = Callable[..., Task]


def run(*arguments: Any) -> str:
    out = io.StringIO()
    call_command(*(str(argument) for argument in arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def objects(*arguments: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*arguments, "--json").splitlines()]


def refused(*arguments: Any) -> tuple[str, str]:
    """What it says on standard error, and its last word."""
    said = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(*(str(argument) for argument in arguments), stdout=io.StringIO(), stderr=said)
    return said.getvalue(), str(caught.value)


class TestTask:
    def test_states(self, make_task: MakeTask, clock: SettableClock) -> None:
        make_task("a"), make_task("b")
        rows = objects("task", "pause", "a", "b", "a", "--reason", "holidays")
        assert [(row["key"], row["paused"], row["next_run_time"]) for row in rows] == [
            ("a", True, None), ("b", True, None),
        ]  # fmt: skip
        version = TaskVersion.objects.filter(task__key="a").first()
        assert version
        assert (version.verb, version.source, version.reason) == ("pause", "command", "holidays")
        (row,) = objects("task", "resume", "a")
        assert (row["paused"], row["next_run_time"]) == (False, "2026-06-01T12:01:00+00:00")
        assert run("task", "disable", "a").split()[:2] == ["a", "disabled"]
        assert run("task", "enable", "a").split()[:2] == ["a", "enabled"]
        assert run("task", "show", "b").split()[:2] == ["b", "paused"]

    def test_delete_and_a_built_in_one(self, make_task: MakeTask) -> None:
        make_task("a"), make_task("mine", built_in=True)
        errors, last = refused("task", "delete", "mine", "a", "nothing")
        assert "mine: A built-in task cannot be deleted" in errors
        assert "nothing: There is no task 'nothing'" in errors
        assert last == "2 of 3 refused."
        assert list(Task.objects.present().values_list("key", flat=True)) == ["mine"]

    def test_clone_and_rollback(self, make_task: MakeTask) -> None:
        task = make_task("a")
        (copy,) = objects("task", "clone", "a", "b", "--name", "Second")
        assert (copy["key"], copy["name"], copy["enabled"]) == ("b", "Second", False)
        assert "key: " in refused("task", "clone", "a", "b")[0]
        task.name = "New"
        tasks.edit(task, actor=TESTER)
        (row,) = objects("task", "rollback", "a", 1)
        assert (row["name"], row["version"]) == ("a", 3)
        assert "There is no version 9" in refused("task", "rollback", "a", 9)[0]
        history = objects("task", "versions", "a")
        assert [(each["version"], each["verb"]) for each in history] == [
            (3, "rollback"),
            (2, "edit"),
            (1, "create"),
        ]
        assert history[1]["changes"] == {"name": ["a", "New"]}

    def test_set(self, make_task: MakeTask, clock: SettableClock) -> None:
        make_task("a")
        Pool.objects.create(key="db", capacity=3)
        (row,) = objects(
            "task", "set", "a", "retries=3", "retry_backoff=exponential", "retry_jitter=0.5",
            "no_retry_on=[ValueError]",
            "timeout_seconds=600", "pool=db", "weight=2", "max_instances=4", "trigger_params={hour: 3}",
            "start_at=2026-07-01 08:00", "time_zone=Asia/Shanghai", "--reason", "night shift",
        )  # fmt: skip
        assert (row["retries"], row["retry_backoff"], row["no_retry_on"]) == (
            3,
            "exponential",
            ["ValueError"],
        )
        assert (row["pool"], row["weight"], row["max_concurrent"], row["version"]) == ("db", 2, 4, 2)
        assert (row["start_at"], row["next_run_time"]) == (
            "2026-07-01T00:00:00+00:00", "2026-07-01T19:00:00+00:00",
        )  # fmt: skip
        version = TaskVersion.objects.filter(task__key="a").first()
        assert version
        assert (version.source, version.reason) == ("command", "night shift")
        assert objects("task", "set", "a", "timeout_seconds=", "pool=null")[0]["timeout_seconds"] is None

    @pytest.mark.parametrize(
        ("words", "part"),
        [
            (["retrys=3"], "retrys: This is not known. Did you mean 'retries'?"),
            (["retries=many"], "retries: “many” is not allowed here: a whole number is needed."),
            (["retries=101"], "retries: Ensure this value is less than or equal to 100."),
            (["pool=dbb"], "pool: There is no pool 'dbb'."),
            (["no_retry_on=[1x]", "start_at=soon"], "start_at: "),
            (["enabled=false"], "enabled: This is not changed in this way."),
            (["after=b"], "after: This is not changed in this way."),
            (["parameters={a: [}"], "parameters: This is not YAML"),
        ],
    )
    def test_what_cannot_be_set_is_told_at_its_field(
        self, make_task: MakeTask, words: list[str], part: str
    ) -> None:
        make_task("a")
        assert part in refused("task", "set", "a", *words)[0]
        assert TaskVersion.objects.count() == 1
        assert "NAME=VALUE is needed" in refused("task", "set", "a", "retries")[1]

    def test_depend_and_undepend(self, make_task: MakeTask) -> None:
        make_task("a"), make_task("b"), make_task("c")
        rows = objects("task", "depend", "a", "b", "c", "--on", "end", "--mode", "any", "--reason", "chain")
        assert rows[-1] == {"key": "a", "after": {"b": "end", "c": "end"}}
        version = TaskVersion.objects.filter(task__key="a").first()
        assert version
        assert (version.source, version.reason) == ("command", "chain")
        assert Task.objects.get(key="a").dependency_mode == "any"
        assert "go round in a circle: b → a → b" in refused("task", "depend", "b", "a")[0]
        assert run("task", "undepend", "a", "b").split() == ["a", "c", "(end)"]
        assert "does not run after" in refused("task", "undepend", "a", "b")[0]


class TestExecution:
    @pytest.fixture
    def queued(self, make_task: MakeTask) -> Execution:
        return tasks.run_now(make_task("one", function="echo", parameters={"values": 1}).pk, actor=TESTER)

    def test_cancel(self, queued: Execution) -> None:
        (row,) = objects("execution", "cancel", queued.pk)
        assert (row["id"], row["state"], row["reason"]) == (queued.pk, "cancelled", "cancel_requested")
        errors, last = refused("execution", "cancel", queued.pk, 10**9)
        assert "has ended already" in errors
        assert last == "2 of 2 refused."

    def test_retry_with_other_parameters(self, queued: Execution) -> None:
        run("execution", "cancel", queued.pk)
        (row,) = objects("execution", "retry", queued.pk, "--parameters", '{"values": 2}')
        again = Execution.objects.get(pk=row["id"])
        assert (again.rerun_of_id, again.parameters) == (queued.pk, {"values": 2})
        assert "parameters: " in refused("execution", "retry", queued.pk, "--parameters", '{"bad": 2}')[0]
        assert (
            "--parameters: this is not JSON"
            in refused("execution", "retry", queued.pk, "--parameters", "{")[1]
        )

    def test_show_with_its_log(self, queued: Execution) -> None:
        for attempt, seq, text in ((1, 0, "first"), (1, 1, "second"), (2, 0, "again")):
            ExecutionLog.objects.create(
                execution=queued, attempt=attempt, seq=seq, at=clocks.now(), level="INFO", text=text
            )
        *log, row = objects("execution", "show", queued.pk)
        assert [(piece["log"]["attempt"], piece["log"]["text"]) for piece in log] == [
            (1, "first"), (1, "second"), (2, "again"),
        ]  # fmt: skip
        assert (row["state"], row["parameters"]) == ("queued", {"values": 1})
        assert (row["executor"], row["timeout_seconds"], row["memory_limit_mb"]) == ("thread", None, None)
        Execution.objects.filter(pk=queued.pk).update(
            state=State.FAILED,
            reason="exception",
            finished_at=clocks.now(),
            message="boom",
            traceback="Traceback …",
        )
        assert run("execution", "show", queued.pk, "--follow").splitlines()[-2:] == ["boom", "Traceback …"]
        at = clocks.now()
        Attempt.objects.create(
            execution=queued, attempt=1, state="failed", reason="exception", message="bang", started_at=at,
            finished_at=at, run_ms=1_500, exit_code=-9,
        )  # fmt: skip
        (earlier,) = objects("execution", "show", queued.pk)[-1]["attempts"]
        assert (earlier["state"], earlier["duration_seconds"], earlier["exit_code"]) == ("failed", 1.5, -9)
        moment = at.isoformat(timespec="seconds")
        assert f"attempt 1, {moment} to {moment}: failed bang" in run("execution", "show", queued.pk)
        assert "There is no execution #" in refused("execution", "show", 10**9)[1]

    def test_explain(self, queued: Execution) -> None:
        (row,) = objects("execution", "explain", queued.pk)
        assert (row["code"], row["execution_id"]) == ("waits", queued.pk)
        assert "no live node takes from the queue default" in run("execution", "explain", queued.pk)
        assert "There is no execution #" in refused("execution", "explain", 10**9)[1]


def test_pools_are_paused(make_task: MakeTask) -> None:
    pool = pools.save(Pool(key="db", capacity=3), actor=TESTER)
    tasks.run_now(tasks.create(new_task("a", pool=pool), actor=TESTER).pk, actor=TESTER)
    (row,) = objects("pool", "pause", "db")
    assert (row["paused"], row["capacity"], row["used"], row["queued"]) == (True, 3, 0, 1)
    assert Pool.objects.get().paused
    assert run("pool", "list").split() == ["db", "paused", "0/3", "1"]
    assert objects("pool", "resume", "db")[0]["paused"] is False
    assert "There is no pool 'dc'. Allowed: db." in refused("pool", "pause", "dc")[0]


def test_groups(make_task: MakeTask) -> None:
    group = groups.save(Group(key="nightly", name="Nightly"), actor=TESTER)
    tasks.create(new_task("a", group=group), actor=TESTER)
    assert objects("group", "pause", "nightly") == [
        {"key": "nightly", "name": "Nightly", "paused": True, "tasks": 1}
    ]
    assert run("group", "list").split() == ["nightly", "paused", "1"]
    assert "nightly" in refused("group", "delete", "nightly")[0]
    assert objects("group", "resume", "nightly")[0]["paused"] is False
    assert "Did you mean 'nightly'?" in refused("group", "pause", "nigthly")[0]
    tasks.delete(Task.objects.get().pk, actor=TESTER)
    assert objects("group", "delete", "nightly") == [{"key": "nightly", "deleted": True}]


def test_pools(make_task: MakeTask) -> None:
    (row,) = objects("pool", "create", "db", "--capacity", 3, "--tokens-per-minute", 90)
    assert row == {
        "key": "db", "name": "", "capacity": 3, "tokens_per_minute": 90, "paused": False,
        "used": 0, "running": 0, "queued": 0,
    }  # fmt: skip
    pool = Pool.objects.get()
    heavy = make_task("heavy", pool=pool, weight=2, max_concurrent=0)
    for _ in range(2):
        tasks.run_now(heavy.pk, actor=TESTER)
    first = Execution.objects.earliest("id")
    Execution.objects.filter(pk=first.pk).update(
        state="running", started_at=clocks.now(), node_id=uuid.uuid4()
    )
    assert run("pool", "list").split() == ["db", "active", "2/3", "1", "90", "a", "minute"]
    (row,) = objects("pool", "set", "db", "--capacity", 5, "--tokens-per-minute", 0)
    assert (row["capacity"], row["tokens_per_minute"], row["used"], row["queued"]) == (5, None, 2, 1)
    assert "capacity: A task of this pool weighs 2" in refused("pool", "set", "db", "--capacity", 1)[0]
    assert objects("pool", "pause", "db")[0]["paused"] is True
    assert objects("pool", "resume", "db")[0]["paused"] is False
    assert "There is no pool 'bd'. Allowed: db." in refused("pool", "pause", "bd")[0]
    assert "db: " in refused("pool", "delete", "db")[0]
    tasks.delete(heavy.pk, actor=TESTER)
    assert objects("pool", "delete", "db") == [{"key": "db", "deleted": True}]


def test_nodes(db: None) -> None:
    now = clocks.now()
    node = nodes.register(
        now, queues=["default"], functions=["noop"], seats={"process": 2, "thread": 4}, lease_seconds=15
    )
    (row,) = objects("node", "list")
    assert (row["id"], row["kind"], row["queues"]) == (str(node.pk), "scheduler", ["default"])
    assert row["seats"] == {"thread": {"used": 0, "total": 4}, "process": {"used": 0, "total": 2}}
    assert "thread:0/4,process:0/2" in run("node", "list")
    assert row["drain_asked_at"] is None
    assert objects("node", "drain", str(node.pk)[:8])[0]["drain_asked_at"]
    assert "asked to drain" in run("node", "list")
    nodes.set_state(node.pk, node.State.STOPPED, now)
    errors, _last = refused("node", "drain", node.pk, "zz", "")
    assert "has ended already" in errors
    assert "There is no node 'zz'" in errors


@pytest.mark.parametrize(
    "arguments",
    [("task",), ("task", "explode", "a"), ("task", "pause"), ("execution", "cancel", "x"), ("node", "drain")],
)
def test_wrong_arguments_are_told_before_anything_is_done(arguments: tuple[str, ...], db: None) -> None:
    with pytest.raises(CommandError, match="Error: "):
        call_command(*arguments)
