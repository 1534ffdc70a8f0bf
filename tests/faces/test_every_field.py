"""Every field of a task can be given by every door, and means the same: form, API, file and command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from scheduling.models import Calendar, Group, Pool, Task
from scheduling.services import tasks
from tests.conftest import TESTER, new_task

pytestmark = pytest.mark.django_db

#: None of them is the default. ``enabled`` is switched by verbs alone, but in a file.
VALUES: dict[str, Any] = {
    "name": "Every one", "description": "what it is", "category": "night", "group": "nights", "owner": "anna",
    "remark": "no remark", "function": "echo", "parameters": {"values": [1, "ä"]},
    "trigger": "interval", "trigger_params": {"hours": 6}, "time_zone": "Europe/Berlin",
    "start_at": "2030-01-01T08:00:00+01:00", "end_at": "2031-01-01T08:00:00+01:00",
    "clock_gap": "skip", "clock_overlap": "second", "calendar": "office", "calendar_policy": "only",
    "spread_seconds": 60, "max_runs": 9, "executor": "process", "queue": "reports", "pool": "db", "weight": 2,
    "priority": 7, "timeout_seconds": 600, "memory_limit_mb": 512, "cpu_limit_seconds": 300, "jitter_seconds": 30,
    "misfire_policy": "skip", "misfire_grace_seconds": 120, "catch_up_limit": 5, "max_concurrent": 3,
    "overlap_policy": "replace", "retries": 4, "retry_delay_seconds": 20, "retry_backoff": "exponential",
    "retry_max_delay_seconds": 900, "retry_jitter": 0.25, "no_retry_on": ["ValueError", "shop.errors.Gone"],
    "rerun_if_lost": True, "notify_on_failure": ["ops@example.org"],
}  # fmt: skip


def by_form(client: Client, _folder: Path) -> None:
    ids = {
        "group": Group.objects.get().pk,
        "pool": Pool.objects.get().pk,
        "calendar": Calendar.objects.get().pk,
        "owner": get_user_model().objects.get().pk,
    }
    sent = {
        name: json.dumps(value) if isinstance(value, dict | list) else "on" if value is True else str(value)
        for name, value in (VALUES | ids).items()
    }
    sent["notify_on_failure"] = "ops@example.org"
    for name in ("start_at", "end_at"):  # in the task's zone
        sent[f"{name}_0"], sent[f"{name}_1"] = VALUES[name][:10], VALUES[name][11:19]
        del sent[name]
    answer = client.post("/admin/scheduling/task/add/", sent | {"key": "task"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors


def by_api(client: Client, _folder: Path) -> None:
    answer = client.post("/api/v1/tasks/", VALUES | {"key": "task"}, content_type="application/json")
    assert answer.status_code == 201, answer.content


def by_change_in_the_api(client: Client, _folder: Path) -> None:
    tasks.create(new_task(), actor=TESTER)
    answer = client.patch("/api/v1/tasks/task/", VALUES, content_type="application/json")
    assert answer.status_code == 200, answer.content


def by_file(_client: Client, folder: Path) -> None:
    file = folder / "tasks.yaml"
    file.write_text(yaml.safe_dump({"tasks": [VALUES | {"key": "task"}]}), encoding="utf-8")
    call_command("load_tasks", str(file))


def by_command(_client: Client, _folder: Path) -> None:
    tasks.create(new_task(), actor=TESTER)
    call_command("task", "set", "task", *(f"{name}={json.dumps(value)}" for name, value in VALUES.items()))


@pytest.mark.parametrize("door", [by_form, by_api, by_change_in_the_api, by_file, by_command])
def test_every_field_by_every_door(
    door: Callable[[Client, Path], None], client: Client, tmp_path: Path
) -> None:
    client.force_login(get_user_model().objects.create_superuser("anna"))
    Group.objects.create(key="nights", name="Nights")
    Pool.objects.create(key="db", capacity=3)
    Calendar.objects.create(key="office", name="Office", weekend=["SAT"], updated_at="2026-01-01T00:00:00Z")
    door(client, tmp_path)
    stored = Task.objects.get().definition()
    times = {"start_at": "2030-01-01T07:00:00+00:00", "end_at": "2031-01-01T07:00:00+00:00"}
    assert stored == VALUES | times | {"enabled": True}


def test_none_is_left_out_and_none_is_the_default() -> None:
    assert VALUES.keys() == set(Task.DEFINITION) - {"enabled"}
    plain = new_task(name="task").definition()
    assert [name for name, value in VALUES.items() if plain[name] == value] == []
