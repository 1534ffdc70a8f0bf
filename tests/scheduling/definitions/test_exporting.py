"""What is exported loads back to the same tasks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command

from scheduling.models import Group, Pool, Task, TaskVersion
from scheduling.services import tasks
from scheduling.services.actor import Actor
from tests.scheduling.definitions.files import Loading


def definitions() -> dict[str, Any]:
    present = Task.objects.present().select_related("group", "pool", "owner")
    return {task.key: (task.definition(), task.built_in) for task in present}


def test_round_trip(load: Loading, make_task: Any, tmp_path: Path) -> None:
    group = Group.objects.create(key="nights", name="Nächte: 夜")
    pool = Pool.objects.create(key="db", capacity=3)
    make_task("plain")
    make_task(
        "full", name="引号 'and' \"quotes\": #x", description="two\nlines\n", group=group, pool=pool, weight=2,
        owner=get_user_model().objects.create_user("anna"), function="echo", parameters={"values": ["08", 1.5, None]},
        trigger="interval", trigger_params={"minutes": 5}, time_zone="America/New_York",
        start_at=datetime(2030, 1, 1, 3, tzinfo=UTC), overlap_policy="queue_one", retries=2, retry_jitter=0.25,
        no_retry_on=["ValueError", "shop.errors.Gone"], notify_on_failure=["ops@example.org"],
    )  # fmt: skip
    # It has not what its function declares, and says so.
    make_task("silent", function="prune_history", timeout_seconds=None, built_in=True, enabled=False)
    before = definitions()
    file = tmp_path / "out.yaml"
    call_command("export_tasks", str(file))

    for task in Task.objects.all():
        tasks.edit(_renamed(task), actor=Actor(source="admin"))
    assert definitions() != before
    assert "3 updated" in load(file.read_text(), "--force").counts
    assert definitions() == before

    TaskVersion.objects.all().delete()
    Task.objects.all().delete()
    Group.objects.all().delete()
    Pool.objects.all().delete()
    assert "3 added" in load(file.read_text()).counts
    assert definitions() == before


def _renamed(task: Task) -> Task:
    task.name, task.retries = "edited", 9
    return task
