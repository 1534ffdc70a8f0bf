"""One table of bad input: each door names the field and what is allowed, and nothing is written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django_apscheduler.models import DjangoJob

from instances.models import Credential, Instance
from scheduling.models import Execution, Group, Pool, Task, TaskVersion
from scheduling.services import tasks
from tests.conftest import ROOT, TESTER, new_task

COUNTED = (Task, TaskVersion, DjangoJob, Execution, Group, Pool, Instance, Credential)


class Bad(NamedTuple):
    door: str  # form, yaml, command, environment; a form of something else than a task: form/app/model
    field: str
    input: Any
    message: str  # a part of what is said


#: A task's form: field and value beside a good rest.
FORM = [
    ("key", "Upper Case", "a-z, 0-9"),
    ("key", "", "required"),
    ("key", "x" * 101, "100"),
    ("key", "taken", "already exists"),
    ("name", "x" * 201, "200"),
    ("function", "no_such_function", "There is no"),
    ("function", "nop", "noop"),
    ("parameters", "{", "JSON"),
    ("parameters", "[1]", "object"),
    ("parameters", '{"colour": 1}', "colour"),
    ("trigger", "lunar", "not one of the available choices"),
    ("trigger_params", '{"expression": "61 * * * *"}', "0–59"),
    ("trigger_params", '{"expression": "* * 0 * *"}', "1–31"),
    ("trigger_params", '{"expression": "* * * 13 *"}', "1–12"),
    ("trigger_params", '{"expression": "*/0 * * * *"}', "step"),
    ("trigger_params", '{"expression": "0 0 30 2 *"}', "never"),
    ("trigger_params", '{"expression": "* * *"}', "5"),
    ("trigger_params", '{"expresion": "* * * * *"}', "expression"),
    ("trigger_params", '{"hour": 24}', "0–23"),
    ("trigger_params", "3", ""),
    ("time_zone", "Mars/Base", "Mars/Base"),
    ("start_at_0", "soon", "Enter a valid date"),
    ("executor", "hamster", "not one of the available choices"),
    ("queue", "Two Words", "a-z, 0-9"),
    ("weight", "0", "greater than or equal to 1"),
    ("weight", "1001", "less than or equal to 1000"),
    ("priority", "10", "less than or equal to 9"),
    ("priority", "high", "whole number"),
    ("timeout_seconds", "0", "greater than or equal to 1"),
    ("misfire_policy", "guess", "not one of the available choices"),
    ("misfire_grace_seconds", "0", "greater than or equal to 1"),
    ("catch_up_limit", "101", "less than or equal to 100"),
    ("max_concurrent", "-1", "greater than or equal to 0"),
    ("overlap_policy", "maybe", "not one of the available choices"),
    ("retries", "101", "less than or equal to 100"),
    ("retry_jitter", "1.5", "less than or equal to 1.0"),
]
#: The forms of other things.
OTHER_FORMS = [
    ("form/scheduling/group", "key", "Night Shift", "a-z, 0-9"),
    ("form/scheduling/group", "name", "", "required"),
    ("form/scheduling/pool", "capacity", "0", "greater than or equal to 1"),
    ("form/scheduling/pool", "capacity", "100001", "less than or equal to 100000"),
    ("form/scheduling/pool", "capacity", "lots", "whole number"),
    ("form/instances/instance", "dialect", "db2", "not one of the available choices"),
    ("form/instances/instance", "host", "db.example.com", "SQLite is a file"),
    ("form/instances/instance", "port", "99999", "less than or equal to 65535"),
    ("form/instances/instance", "options", '{"tsl": 1}', "tsl"),
    ("form/instances/credential", "allowed_hosts", '["a,b"]', "a,b"),
    ("form/instances/credential", "new_password", "x\ty", "control"),
]
#: A YAML entry: key and value, as written, beside a good rest.
YAML = [
    ("functoin", "noop", "Did you mean 'function'?"),
    ("function", "nop", "'noop'"),
    ("trigger", "crn", "cron"),
    ("trigger_params", "{hour: 25}", "0–23"),
    ("trigger_params", "[1]", "mapping"),
    ("time_zone", "Nowhere/City", "Nowhere/City"),
    ("parameters", "{speed: 3}", "speed"),
    ("retries", "many", "whole number"),
    ("retries", "true", "whole number"),
    ("enabled", "perhaps", "true or false"),
    ("coalesce", "3", "true or false"),
    ("misfire_policy", "run_last", "run_latest"),
    ("overlap_policy", "queue_al", "queue_all"),
    ("queue", "'Two Words'", "a-z"),
    ("group", "nobody", "There"),
    ("weight", "0", "1"),
    ("max_instances", "-1", "0"),
    ("executor", "fiber", "thread"),
]
#: Commands: the argument that is wrong, and the whole line.
COMMANDS = [
    ("--threads", ("runapscheduler", "--threads", "0"), "1 to 1000"),
    ("--threads", ("runapscheduler", "--threads", "many"), "int"),
    ("--queues", ("runapscheduler", "--queues", "Two Words"), "a-z"),
    ("--queues", ("runapscheduler", "--queues", ","), "at least one"),
    ("--drain-seconds", ("runapscheduler", "--drain-seconds", "-1"), "0 to 86400"),
    ("key", ("run_task", "takn"), "taken"),
    ("--parameters", ("run_task", "taken", "--parameters", "{"), "JSON"),
    ("--parameters", ("run_task", "taken", "--parameters", '{"speed": 1}'), "speed"),
    ("--limit", ("list_executions", "--limit", "0"), "1 to 100000"),
    ("--state", ("list_executions", "--state", "runing"), "running"),
    ("--task", ("list_executions", "--task", "nobody"), "taken"),
    ("--count", ("preview_trigger", "--cron", "* * * * *", "--count", "0"), "1 to"),
    ("cron", ("preview_trigger", "--cron", "60 * * * *"), "0–59"),
    ("--params", ("preview_trigger", "interval", "--params", "x"), "JSON"),
    ("--timezone", ("preview_trigger", "--cron", "* * * * *", "--timezone", "Mars/Base"), "Mars/Base"),
    ("file", ("load_tasks", "no-such-file.yaml"), "No such file"),
]
#: Environment: name, value, and what is said.
ENVIRONMENT = [
    ("DATABASE_URL", "oracle://host/db", "postgres://"),
    ("DATABASE_URL", "sqlite://relative.db", "absolute path"),
    ("DATABASE_URL", "postgres://host:port/db", "URL"),
    ("DATABASE_URL", "mysql:///db", "host"),
    ("JOBSITE_THREADS", "abc", "1 to 1000"),
    ("JOBSITE_THREADS", "0", "1 to 1000"),
    ("JOBSITE_BEAT_SECONDS", "99", "0.2 to 60"),
    ("JOBSITE_POLL_SECONDS", "nan", "0.05 to 2"),
    ("JOBSITE_LANGUAGE", "fr", "zh-hans"),
    ("JOBSITE_LOG_FORMAT", "xml", "json"),
    ("JOBSITE_LOG_LEVEL", "LOUD", "DEBUG"),
    ("JOBSITE_HTTPS", "maybe", "yes"),
    ("JOBSITE_VAR", "relative/path", "absolute path"),
    ("JOBSITE_KEEP_LOG_DAYS", "-1", "1 to 36500"),
]
TABLE = [
    *(Bad("form/scheduling/task", *row) for row in FORM),
    *(Bad(*row) for row in OTHER_FORMS),
    *(Bad("yaml", *row) for row in YAML),
    *(Bad("command", *row) for row in COMMANDS),
    *(Bad("environment", *row) for row in ENVIRONMENT),
]

GOOD_FORM = {
    "key": "good", "name": "Good", "function": "noop", "parameters": "{}", "trigger": "cron",
    "trigger_params": '{"expression": "* * * * *"}', "time_zone": "UTC", "clock_gap": "run_after",
    "clock_overlap": "first", "executor": "thread", "queue": "default", "weight": "1", "priority": "5",
    "misfire_policy": "run_latest", "misfire_grace_seconds": "300", "catch_up_limit": "100", "max_concurrent": "1",
    "overlap_policy": "skip", "retries": "0", "retry_delay_seconds": "60", "retry_backoff": "fixed",
    "retry_max_delay_seconds": "3600", "retry_jitter": "0",
}  # fmt: skip
GOOD_FORMS = {
    "scheduling/task": GOOD_FORM,
    "scheduling/group": {"key": "night", "name": "Night", "description": ""},
    "scheduling/pool": {"key": "db", "name": "", "capacity": "3"},
    "instances/instance": {
        "name": "one", "dialect": "sqlite", "host": "", "port": "", "database": "a.sqlite3", "credential": "",
        "options": "{}", "description": "", "active": "on", "credential_password": "",
    },
    "instances/credential": {
        "name": "ops", "username": "root", "new_password": "", "allowed_hosts": "[]", "description": "", "active": "on",
    },
}  # fmt: skip
GOOD_YAML = {"key": "good", "function": "noop", "trigger": "cron", "trigger_params": "{hour: 3}"}


def rows() -> list[int]:
    return [model._default_manager.count() for model in COUNTED]


def by_form(model: str, field: str, value: str) -> str:
    """What the add form says at the field."""
    client = Client()
    client.force_login(get_user_model().objects.get())
    answer = client.post(f"/admin/{model}/add/", GOOD_FORMS[model] | {field: value})
    assert answer.status_code == 200, "the form took it"
    errors = answer.context["adminform"].form.errors
    name = field.removesuffix("_0")
    assert name in errors, f"said at {sorted(errors)} instead"
    return " ".join(errors[name])


def by_yaml(field: str, value: str, folder: Path) -> str:
    values = GOOD_YAML | {field: value}
    file = folder / "tasks.yaml"
    file.write_text("tasks:\n- " + "\n  ".join(f"{name}: {text}" for name, text in values.items()) + "\n")
    said = StringIO()
    with pytest.raises(CommandError):
        call_command("load_tasks", str(file), stdout=StringIO(), stderr=said)
    line = next(line for line in said.getvalue().splitlines() if "tasks.yaml:" in line)
    assert re.search(r"tasks.yaml:\d+: good: (\w+)", line), line
    return line


def by_command(arguments: tuple[str, ...]) -> str:
    with pytest.raises(CommandError) as raised:
        call_command(*arguments, stdout=StringIO(), stderr=StringIO())
    return str(raised.value)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "bad",
    [bad for bad in TABLE if bad.door != "environment"],
    ids=lambda bad: f"{bad.door}-{bad.field}-{bad.input}"[:60],
)
def test_bad_input_is_named_and_changes_nothing(bad: Bad, tmp_path: Path) -> None:
    get_user_model().objects.create_superuser("someone", password="x")
    tasks.create(new_task("taken"), actor=TESTER)
    before = rows()
    if bad.door.startswith("form/"):
        said = by_form(bad.door.removeprefix("form/"), bad.field, bad.input)
    elif bad.door == "yaml":
        said = by_yaml(bad.field, bad.input, tmp_path)
        assert ALIASED.get(bad.field, bad.field) in said
    else:
        said = by_command(bad.input)
        assert bad.field.lstrip("-") in said or bad.field in ("key", "file", "cron", "--timezone", "--task")
    assert bad.message in unescape(said), said
    assert rows() == before


ALIASED = {"coalesce": "", "max_instances": "max_concurrent"}

PROBE = """
import importlib, json, os, sys
from django.core.exceptions import ImproperlyConfigured
said = []
for name, value in json.loads(sys.argv[1]):
    os.environ[name] = value
    try:
        sys.modules.pop("jobsite.settings", None)
        importlib.import_module("jobsite.settings")
        said.append("taken")
    except ImproperlyConfigured as error:
        said.append(str(error))
    finally:
        del os.environ[name]
print(json.dumps(said))
"""


def test_bad_environment_stops_the_start_and_names_itself(tmp_path: Path) -> None:
    """All in one process of its own: settings are read once."""
    asked = [(bad.field, bad.input) for bad in TABLE if bad.door == "environment"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("JOBSITE_", "DATABASE_"))
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(asked)],
        cwd=ROOT, env=environment | {"HOME": str(tmp_path)}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    said = json.loads(answer.stdout)
    for bad, text in zip([bad for bad in TABLE if bad.door == "environment"], said, strict=True):
        assert text.startswith(bad.field), f"{bad}: {text}"
        assert bad.message in text, f"{bad}: {text}"


def test_the_table_is_long_enough_and_has_every_door() -> None:
    assert len(TABLE) >= 60
    assert {bad.door.partition("/")[0] for bad in TABLE} == {"form", "yaml", "command", "environment"}
    assert len(set(map(str, TABLE))) == len(TABLE)
