"""An installation with one row of everything, and every address that its web process has."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group as Role
from django.urls import URLPattern, URLResolver, get_resolver
from knox.models import AuthToken

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
    Tag,
)
from instances.services import credentials, instances, sessions
from scheduling import clock
from scheduling.models import Attempt, ExecutionLog, Group, Node, Pool, State, Task
from scheduling.services import groups, nodes, pools, tasks
from scheduling.services.actor import SYSTEM
from tests.conftest import TESTER, new_task

#: Occurs nowhere else: where it is found, a password has leaked.
SECRET = "Kq7-hunter2-Zx9"


@dataclass
class World:
    rows: dict[str, Any] = field(default_factory=dict)

    def add(self, row: Any) -> Any:
        self.rows[f"{row._meta.app_label}_{row._meta.model_name}"] = row
        return row


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path, admin_user: Any) -> World:
    settings.JOBSITE_KEY_FILE = tmp_path / "keys"
    settings.JOBSITE_SQLITE_ROOTS = [tmp_path]
    now, made = clock.now(), World()
    group = made.add(groups.save(Group(key="nightly", name="Nightly"), actor=TESTER))
    pool = made.add(pools.save(Pool(key="disks", name="Disks", capacity=2), actor=TESTER))
    task = made.add(tasks.create(new_task("one", group=group, pool=pool), actor=TESTER))
    made.add(task.versions.get())
    node = made.add(
        nodes.register(now, queues=["default"], functions=["noop"], seats={"thread": 4}, lease_seconds=600)
    )
    nodes.set_state(node.pk, Node.State.ACTIVE, now)
    execution = made.add(tasks.run_now(task.pk, actor=TESTER))
    made.add(Attempt.objects.create(execution=execution, attempt=1, state=State.FAILED, started_at=now))
    made.add(
        ExecutionLog.objects.create(execution=execution, attempt=1, seq=0, at=now, level="INFO", text="hello")
    )
    credential = made.add(
        credentials.create(Credential(name="ops", username="root"), password=SECRET, actor=TESTER)
    )
    instance = made.add(
        instances.create(
            Instance(name="pg", dialect="postgresql", host="127.0.0.1", port=1, credential=credential),
            actor=TESTER,
        )
    )
    for model, values in (
        (InstanceSize, {"database_count": 1}),
        (DatabaseSize, {"database": "shop", "data_bytes": 1}),
    ):
        made.add(
            model.objects.create(
                instance=instance,
                date=(now - timedelta(days=1)).date(),
                total_bytes=1,
                collected_at=now,
                **values,
            )
        )
    seen = {"instance": instance, "first_seen_at": now, "last_seen_at": now}
    account = made.add(
        InstanceAccount.objects.create(name="'app'@'%'", username="app", expires_at=now, **seen)
    )
    made.add(InstanceDatabase.objects.create(name="shop", dropped_at=now, **seen))
    made.add(
        AccountChange.objects.create(
            account=account, instance=instance, name="app", kind=AccountChange.Kind.values[0], at=now
        )
    )
    made.add(
        Backup.objects.create(
            instance=instance, database="shop", file="1-pg/shop.dump", size_bytes=1, sha256="0" * 64, started_at=now,
            finished_at=now,
        )
    )  # fmt: skip
    made.add(Tag.objects.create(name="team-a"))
    made.add(
        StatementRun.objects.create(
            at=now, source="admin", statement="SELECT 1", writes=False, instances=["pg"]
        )
    )
    day = now.date()
    numbers = ("first_bytes", "last_bytes", "min_bytes", "max_bytes", "average_bytes", "samples")
    period = {"instance": instance, "period": "day", "start": day, "end": day, "first_date": day, "last_date": day,
              "final": True, "computed_at": now, **dict.fromkeys(numbers, 1)}  # fmt: skip
    made.add(
        DatabaseSizeAggregate.objects.create(database="shop", change_bytes=-5, change_percent=-2.5, **period)
    )
    made.add(InstanceSizeAggregate.objects.create(database_count=1, **period))
    made.add(
        SizeAnomaly.objects.create(
            instance=instance, database="shop", date=day, before_date=day, before_bytes=1, after_bytes=2, daily_bytes=1,
            usual_bytes=0, tolerance_bytes=1, found_at=now,
        )
    )  # fmt: skip
    made.add(SizeLimit.objects.create(instance=instance, limit_bytes=9, full_on=day, computed_at=now))
    AuthToken.objects.create(admin_user)
    session = made.add(sessions.create("size", "manual_batch", [instance], actor=SYSTEM))
    made.add(session.records.get())
    made.add(admin_user)
    made.add(Role.objects.create(name="staff"))
    return made


def _patterns(resolver: URLResolver, prefix: str, name: str) -> Iterator[tuple[str, str]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _patterns(entry, route, entry.namespace or name)
        elif isinstance(entry, URLPattern):
            yield route, entry.name or ""


CONVERTER = re.compile(r"<(?:(\w+):)?(\w+)>")
GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")


def addresses(world: World) -> list[str]:
    """Every address of the web process, its parameters filled with rows that exist."""
    found = []
    for route, name in _patterns(get_resolver(), "", ""):
        model = next((key for key in world.rows if name.startswith(f"{key}_")), "")
        found.append("/" + _filled(route, world.rows.get(model) or world.rows["scheduling_task"]))
    return sorted(set(found))


def _filled(route: str, row: Any) -> str:
    fill: Callable[[str, str], str] = lambda kind, name: _value(kind, name, row)  # noqa: E731
    route = GROUP.sub(lambda match: fill("", match[1]), route)
    route = CONVERTER.sub(lambda match: fill(match[1] or "str", match[2]), route)
    return re.sub(
        r"\\(.)", r"\1", route.replace("^", "").replace("$", "").replace("\\Z", "").replace("?", "")
    )


def _value(kind: str, name: str, row: Any) -> str:
    if kind == "uuid" and not isinstance(row.pk, uuid.UUID):
        return str(uuid.uuid4())
    if name == "key" and hasattr(row, "key"):
        return str(row.key)
    if name in ("format",):
        return "json"
    if name == "app_label":
        return "scheduling"
    return str(row.pk)


def everything() -> dict[str, list[Any]]:
    """All rows that an installation has, but sessions of browsers and what counts logins."""
    left_out = {"sessions.session", "auth.user"}
    return {
        model._meta.label_lower: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.label_lower not in left_out and not model._meta.label_lower.startswith("axes.")
    }


def tasks_of(world: World) -> Task:
    task = world.rows["scheduling_task"]
    assert isinstance(task, Task)
    return task
