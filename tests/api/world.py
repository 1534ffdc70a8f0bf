"""One of everything that an address of the API can name, and a good body for each door that takes one."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, NamedTuple

from instances.models import (
    AccountChange,
    Backup,
    Credential,
    DatabaseSize,
    DatabaseSizeAggregate,
    Instance,
    InstanceAccount,
    InstanceDatabase,
    InstanceSize,
    InstanceSizeAggregate,
    SizeAnomaly,
    SizeLimit,
    StatementRun,
    SyncSession,
    Tag,
)
from instances.services import credentials, instances, sessions
from jobsite import tokens
from scheduling import clock
from scheduling.models import Calendar, Examination, Execution, Group, Node, Pool
from scheduling.services import calendars, definitions, executions, tasks
from scheduling.services.actor import Actor
from tests.api.doors import Door
from tests.conftest import TESTER, new_task

TRUSTED = Actor(source="command")
CRON = {"trigger": "cron", "trigger_params": {"hour": 3}}


class Call(NamedTuple):
    """What to send, what comes back, and what is needed besides the view's own permissions."""

    code: int = 200
    body: Any = None
    also: tuple[str, ...] = ()


INSTANCE = {"name": "three", "dialect": "postgresql", "host": "127.0.0.1", "port": 1, "credential": "ops"}
CALLS: dict[str, Call] = {
    "GET health": Call(503),
    "GET health/": Call(503),
    "POST credentials/": Call(201, {"name": "new", "username": "root"}),
    "PUT credentials/{pk}/": Call(200, {"name": "ops", "username": "x"}),
    "PATCH credentials/{pk}/": Call(200, {"username": "x"}),
    "DELETE credentials/{pk}/": Call(400),  # in use
    "POST executions/{pk}/cancel/": Call(409),  # it has ended
    "POST executions/{pk}/retry/": Call(202, {}),
    "POST groups/": Call(201, {"key": "day", "name": "Day"}),
    "PUT groups/{key}/": Call(200, {"key": "night", "name": "N"}),
    "PATCH groups/{key}/": Call(200, {"name": "N"}),
    "DELETE groups/{key}/": Call(409),  # in use
    "POST instances/": Call(201, INSTANCE | {"port": 2}, ("instances.use_credential",)),
    "PUT instances/{pk}/": Call(200, INSTANCE | {"name": "one"}),
    "PATCH instances/{pk}/": Call(200, {"description": "x"}),
    "DELETE instances/{pk}/": Call(204),
    "POST instances/{pk}/sync-sizes/": Call(202),
    "POST instances/{pk}/sync-accounts/": Call(202),
    "POST instances/import/": Call(
        200, {"format": "yaml", "dry_run": True, "text": "instances: [{name: x, dialect: sqlite}]"}
    ),
    "POST instances/test/": Call(200, {"instances": ["one"]}),
    "POST tags/": Call(201, {"name": "blue"}),
    "PUT tags/{name}/": Call(200, {"name": "red", "label": "Red"}),
    "PATCH tags/{name}/": Call(200, {"label": "Red"}),
    "DELETE tags/{name}/": Call(204),
    "POST sync-sessions/{pk}/cancel/": Call(202),
    "POST size-limits/": Call(201, {"instance": "one", "database": "b", "limit_bytes": 5}),
    "PUT size-limits/{pk}/": Call(200, {"instance": "one", "limit_bytes": 5}),
    "PATCH size-limits/{pk}/": Call(200, {"limit_bytes": 5}),
    "DELETE size-limits/{pk}/": Call(204),
    "POST sync-sessions/{pk}/retry/": Call(409),  # it is still running
    "GET doctor/": Call(200),
    "POST doctor/": Call(200),
    "GET stats/events/": Call(200),
    "GET queues/": Call(200),
    "GET partitions/": Call(200),
    "POST partitions/{name}/": Call(202, {}),
    "POST sql/": Call(200, {"instances": ["one"], "statement": "SELECT 1"}),
    "GET access/": Call(400),  # it asks nothing
    "GET aggregations/status/": Call(200),
    "GET calendars/": Call(200),
    "GET calendars/{key}/": Call(200),
    "GET calendars/{key}/days/": Call(200),
    "POST calendars/": Call(201, {"key": "de", "weekend": ["SUN"]}),
    "PUT calendars/{key}/": Call(200, {"key": "cn", "weekend": ["SUN"]}),
    "PATCH calendars/{key}/": Call(200, {"name": "x"}),
    "DELETE calendars/{key}/": Call(204),
    "GET tasks/{key}/dependencies/": Call(200),
    "GET tasks/{key}/explain/": Call(200),
    "GET executions/{pk}/explain/": Call(200),
    "PUT tasks/{key}/dependencies/": Call(200, {"dependencies": [{"task": "prune_history"}]}),
    "POST queues/{name}/pause/": Call(204, {"reason": "night"}),
    "POST queues/{name}/resume/": Call(409),  # it is not paused
    "POST nodes/{pk}/drain/": Call(202),
    "POST pools/": Call(201, {"key": "net", "capacity": 1}),
    "PUT pools/{key}/": Call(200, {"key": "db", "capacity": 4}),
    "PATCH pools/{key}/": Call(200, {"capacity": 4}),
    "DELETE pools/{key}/": Call(409),  # in use
    "POST tasks/": Call(201, {"key": "new", "name": "New", "function": "noop", **CRON}),
    "PUT tasks/{key}/": Call(200, {"key": "one", "name": "One", "function": "noop", **CRON}),
    "PATCH tasks/{key}/": Call(200, {"name": "One"}),
    "DELETE tasks/{key}/": Call(204),
    "POST tasks/bulk/": Call(200, {"action": "pause", "keys": ["one"]}, ("scheduling.pause_task",)),
    "POST tasks/by-func/": Call(201, {"function": "noop", **CRON}),
    "POST tasks/reload/": Call(200, {"dry_run": True}),
    "POST tasks/{key}/clone/": Call(201, {"key": "copy"}),
    "POST tasks/{key}/rollback/": Call(200, {"version": 1}),
    "POST tasks/{key}/impact/": Call(200, {"trigger_params": {"hour": 4}}),
    "POST tasks/{key}/run/": Call(202, {}),
    "POST templates/{key}/create-task/": Call(201, {"key": "made"}),
    "POST tokens/": Call(201, {}),
    "DELETE tokens/{key}/": Call(204),
    "POST triggers/preview/": Call(200, CRON),
}
#: Doors that take nothing and answer 200.
for _place in (
    *(
        "accounts/",
        "accounts/{pk}/",
        "account-changes/",
        "backups/",
        "backups/{pk}/",
        "tags/",
        "tags/{name}/",
        "statements/",
        "statements/{pk}/",
        "statements/export/",
        "databases/",
        "aggregations/",
        "aggregations/totals/",
        "anomalies/",
    ),
    *("fleet/", "fleet/growers/", "instances/{pk}/growth/", "instances/{pk}/forecast/"),
    *("size-limits/", "size-limits/{pk}/"),
    *(
        "credentials/",
        "executions/",
        "functions/",
        "groups/",
        "instances/",
        "nodes/",
        "pools/",
        "tasks/",
        "tokens/",
    ),
    *("credentials/{pk}/", "executions/{pk}/", "executions/{pk}/log/", "functions/{name}/", "groups/{key}/"),
    *(
        "instances/{pk}/",
        "nodes/{pk}/",
        "pools/{key}/",
        "sizes/",
        "sizes/totals/",
        "forecast/",
        "forecast/tasks/",
        "stats/",
        "stats/tasks/{key}/",
    ),
    *("sync-sessions/", "sync-sessions/{pk}/", "sync-sessions/{pk}/records/", "tasks/{key}/"),
    *("tasks/{key}/next-runs/", "tasks/{key}/versions/", "templates/", "templates/{key}/"),
    *(
        "tasks/export/",
        "executions/export/",
        "instances/export/",
        "accounts/export/",
        "account-changes/export/",
    ),
    *(
        "databases/export/",
        "sizes/export/",
        "sizes/totals/export/",
        "size-limits/export/",
        "anomalies/export/",
    ),
    *("backups/export/", "aggregations/export/", "aggregations/totals/export/", "sync-sessions/export/"),
):
    CALLS[f"GET {_place}"] = Call()
for _place in (
    *("groups/{key}/pause/", "groups/{key}/resume/", "instances/{pk}/restore/", "instances/{pk}/test/"),
    *("tasks/{key}/enable/", "tasks/{key}/disable/", "tasks/{key}/pause/", "tasks/{key}/resume/"),
):
    CALLS[f"POST {_place}"] = Call()


def build() -> None:
    """Makes it."""
    now = clock.now()
    group = Group.objects.create(key="night", name="Night")
    pool = Pool.objects.create(key="db", capacity=3)
    Examination.objects.create(at=now, took_ms=1, source="command", kept=1, broken=0, unknown=0)
    calendars.save(Calendar(key="cn", weekend=["SAT", "SUN"]), actor=TESTER)
    task = tasks.create(new_task("one", group=group, pool=pool), actor=TESTER)
    task.description = "second version"
    tasks.edit(task, actor=TESTER)
    definitions.reload()
    executions.cancel(tasks.run_now(task.pk, actor=TESTER).pk, actor=TESTER)
    Node.objects.create(
        heartbeat_at=now,
        started_at=now,
        lease_seconds=15,
        host="h",
        pid=1,
        version="1",
        state="active",
        queues=["q"],
    )
    Node.objects.update(heartbeat_at="2026-01-01T00:00:00Z")  # none that beats: the tests need no scheduler
    credential = Credential(name="ops", username="root", allowed_hosts=["127.0.0.1"])
    credentials.create(credential, password="hunter2", actor=TRUSTED)
    values = {"dialect": "postgresql", "host": "127.0.0.1", "port": 1, "credential": credential}
    instance = instances.create(Instance(name="one", **values), actor=TRUSTED)
    Tag.objects.create(name="red")
    sessions.create("size", "api", [instance], actor=TRUSTED)
    day = date(2026, 6, 1)
    DatabaseSize.objects.create(instance=instance, database="a", date=day, total_bytes=1, collected_at=now)
    InstanceSize.objects.create(
        instance=instance, date=day, total_bytes=1, database_count=1, collected_at=now
    )
    seen = {"instance": instance, "name": "app", "first_seen_at": now, "last_seen_at": now}
    account = InstanceAccount.objects.create(username="app", privileges={"global": []}, **seen)
    AccountChange.objects.create(instance=instance, account=account, name="app", kind="added", at=now)
    InstanceDatabase.objects.create(**seen)
    Backup.objects.create(
        instance=instance, database="a", file="1-one/a.dump", size_bytes=1, sha256="0" * 64, started_at=now,
        finished_at=now,
    )  # fmt: skip
    run = StatementRun.objects.create(
        at=now, source="api", statement="SELECT 1", writes=False, instances=["one"], errors={}, run_ms=1
    )
    run.asked_of.set([instance])
    numbers = dict.fromkeys(("first_bytes", "last_bytes", "min_bytes", "max_bytes", "average_bytes"), 1)
    dates = dict.fromkeys(("start", "end", "first_date", "last_date"), day)
    of_day = {"instance": instance, "period": "day", "samples": 1, "final": True, "computed_at": now}
    DatabaseSizeAggregate.objects.create(database="a", **of_day, **numbers, **dates)
    InstanceSizeAggregate.objects.create(database_count=1, **of_day, **numbers, **dates)
    SizeLimit.objects.create(instance=instance, limit_bytes=9, full_on=day, computed_at=now)
    jump = ("before_bytes", "after_bytes", "daily_bytes", "usual_bytes", "tolerance_bytes")
    SizeAnomaly.objects.create(
        instance=instance, database="a", date=day, before_date=day, found_at=now, **dict.fromkeys(jump, 1)
    )


def address(door: Door, user: Any) -> str:
    """The door's place with the names of what ``build`` has made; a token is the person's own."""
    place = door.place
    models = {
        "credentials": Credential, "instances": Instance, "executions": Execution, "nodes": Node,
        "sync-sessions": SyncSession, "accounts": InstanceAccount, "backups": Backup,
        "size-limits": SizeLimit, "statements": StatementRun,
    }  # fmt: skip
    first = place.split("/")[0]
    if "{pk}" in place:
        row = models[first]._default_manager.order_by("pk").first()
        assert row is not None
        return place.replace("{pk}", str(row.pk))
    keys = {
        "tasks": "one",
        "stats": "one",
        "groups": "night",
        "pools": "db",
        "functions": "noop",
        "partitions": "check",
        "queues": "default",
        "calendars": "cn",
        "templates": "log_cleanup",
        "tags": "red",
    }
    key = tokens.make(user)[0].token_key if "tokens/{" in place else keys.get(first, "")
    return re.sub(r"\{\w+\}", key, place)
