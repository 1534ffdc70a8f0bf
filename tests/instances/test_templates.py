"""The templates that come along: each makes a task that runs, and what goes wrong is told like everything else."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from instances.models import Backup
from instances.template_words import TEMPLATE_WORDS
from scheduling import registry
from scheduling.models import Execution, ExecutionLog, Notice, Task
from scheduling.services import tasks, templates
from tests.conftest import TESTER, Nodes, await_

KEYS = ("database_backup", "log_cleanup")


def test_their_texts_are_collected_for_translation() -> None:
    said = set()
    for key in KEYS:
        template = templates.get(key)
        said |= {template.name, template.description}
        said |= {text for one in template.variables for text in (one.label, one.help) if text}
    assert said == set(TEMPLATE_WORDS)


@pytest.mark.django_db
@pytest.mark.parametrize(("key", "variables"), [(KEYS[0], {"instance": "shop"}), (KEYS[1], {})])
def test_each_makes_a_task_in_a_process_of_its_own(key: str, variables: dict[str, Any]) -> None:
    task = templates.create_task(templates.get(key), "made", variables=variables, actor=TESTER)
    assert (task.executor, task.built_in, task.trigger) == ("process", False, "cron")
    assert task.next_time(task.created_at) is not None
    assert registry.get(task.function).validate(task.parameters) is not None


@pytest.mark.processes
def test_from_the_template_to_the_file_and_to_the_notice(
    nodes: Nodes, make_instance: Any, tmp_path: Path, admin_client: Client, settings: Any
) -> None:
    """Templates and code of a person's own, run by a scheduler process; failures are told the same way (S3-105)."""
    path = tmp_path / "files" / "shop.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript("CREATE TABLE t (n, b); INSERT INTO t VALUES (1, x'00ff'), (2, NULL);")
    make_instance("shop", dialect="sqlite", host="", database=str(path))
    old, new = (tmp_path / "log" / name for name in ("app.log.1", "app.log"))
    for log in (old, new):
        log.write_text("x")
    os.utime(old, (time.time() - 40 * 86_400,) * 2)
    settings.JOBSITE_ALLOW_COMMANDS = True
    made = {
        "backup": (KEYS[0], {"instance": "shop", "restore_test": True}),
        "cleanup": (KEYS[1], {"keep_days": 30}),
        "broken": (KEYS[0], {"instance": "nowhere"}),
    }
    for name, (key, variables) in made.items():
        body = {"key": name, "variables": variables, "overrides": {"notify_on_failure": ["anna@example.org"]}}
        body["overrides"] |= {"retries": 0}
        answer = admin_client.post(f"/api/v1/templates/{key}/create-task/", body, "application/json")
        assert answer.status_code == 201, answer.content
    code = {"code": "raise RuntimeError('no luck')"}
    dynamic = {"key": "dynamic", "name": "dynamic", "function": "run_code", "parameters": code}
    dynamic |= {"trigger": "manual", "notify_on_failure": ["anna@example.org"]}
    answer = admin_client.post("/api/v1/tasks/", dynamic, "application/json")
    assert answer.status_code == 201, answer.content
    for name in (*made, "dynamic"):
        tasks.run_now(Task.objects.get(key=name).pk, actor=TESTER)
    nodes.start_ready(
        JOBSITE_KEY_FILE=str(settings.JOBSITE_KEY_FILE), JOBSITE_SQLITE_ROOTS=str(tmp_path / "files"),
        JOBSITE_LOG_ROOTS=str(tmp_path / "log"), JOBSITE_BACKUP_ROOT=str(tmp_path / "backups"),
        JOBSITE_ALLOW_COMMANDS="yes",
    )  # fmt: skip
    await_(lambda: not Execution.objects.filter(finished_at=None).exists(), 60)
    ended = {row.task_key: row for row in Execution.objects.all()}
    assert {name: row.state for name, row in ended.items()} == {
        "backup": "succeeded", "cleanup": "succeeded", "broken": "failed", "dynamic": "failed",
    }, {name: row.message for name, row in ended.items()}  # fmt: skip
    backup = Backup.objects.get()
    assert (tmp_path / "backups" / backup.file).stat().st_size == backup.size_bytes
    assert backup.restored_at is not None
    assert backup.execution_id == ended["backup"].pk
    assert (old.exists(), new.exists()) == (False, True)
    assert "nowhere" in ended["broken"].message
    assert "exit code 1" in ended["dynamic"].message
    assert "no luck" in "".join(
        ExecutionLog.objects.filter(execution=ended["dynamic"]).values_list("text", flat=True)
    )
    await_(lambda: set(Notice.objects.values_list("task__key", flat=True)) == {"broken", "dynamic"})
