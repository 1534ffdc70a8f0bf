"""Templates of tasks: filled in by type, harmless whatever is filled in, with three faces."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from scheduling.checks import templates_can_be_read
from scheduling.exceptions import UnknownTemplate
from scheduling.models import Task
from scheduling.services import tasks, templates
from scheduling.services.actor import Actor
from scheduling.services.templates import TemplatesUnreadable
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db

GREETING = """
templates:
  - key: greeting
    name: Greet
    description: Says something every day.
    variables:
      - {name: who, label: Whom}
      - {name: words, label: Words, type: list, required: false}
      - {name: hour, label: Hour, type: integer, default: 7}
      - {name: loud, label: Loudly, type: boolean, default: false}
      - {name: tone, label: Tone, choices: [warm, cool], default: warm}
    task:
      name: Greet ${who} (${tone})
      function: echo
      trigger: cron
      trigger_params: {hour: {$variable: hour}}
      parameters:
        values:
          to: {$variable: who}
          words: {$variable: words}
          loud: {$variable: loud}
          of: [1, {$variable: hour}]
      time_zone: UTC
      retries: 2
"""
PAGE = "/admin/scheduling/task/templates/"
API = "/api/v1/templates/"


@pytest.fixture(autouse=True)
def own_file(settings: Any, tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(GREETING)
    settings.JOBSITE_TASK_TEMPLATES = [path]
    return path


def make(key: str = "hello", overrides: Any = None, **variables: Any) -> Task:
    return templates.create_task(
        templates.get("greeting"), key, variables=variables, overrides=overrides, actor=TESTER
    )


def test_variables_are_filled_in_and_the_task_has_a_time() -> None:
    task = make(who="Anna", words=["a", "b"])
    assert task.name == "Greet Anna (warm)"
    assert task.trigger_params == {"hour": 7}
    values = {"to": "Anna", "words": ["a", "b"], "loud": False, "of": [1, 7]}
    assert task.parameters == {"values": values}
    assert (task.retries, task.enabled, task.version) == (2, True, 1)
    assert task.next_time(task.created_at) is not None


def test_what_is_not_given_and_not_needed_is_left_out() -> None:
    assert "words" not in make(who="Anna").parameters["values"]


def test_overrides_stand_instead_of_the_templates_fields() -> None:
    overrides = {
        "trigger_params": {"minute": "*/5"},
        "enabled": False,
        "max_instances": 3,
        "name": "Mine ${who}",
    }
    task = make(who="Anna", overrides=overrides)
    assert (task.name, task.enabled, task.max_concurrent) == ("Mine ${who}", False, 3)
    assert task.trigger_params == {"minute": "*/5"}


@pytest.mark.parametrize(
    ("variables", "field", "sentence"),
    [
        ({}, "who", "This is needed."),
        ({"who": ""}, "who", "This is needed."),
        ({"who": "A", "whom": "B"}, "whom", "Did you mean 'who'?"),
        ({"who": 5}, "who", "A text is needed."),
        ({"who": {"$variable": "hour"}}, "who", "A text is needed."),
        ({"who": "A" * 10_001}, "who", "At most 10000 characters."),
        ({"who": "A", "hour": "3; DROP"}, "hour", "A whole number is needed."),
        ({"who": "A", "hour": True}, "hour", "A whole number is needed."),
        ({"who": "A", "hour": "[1]"}, "hour", "A whole number is needed."),
        ({"who": "A", "loud": "loudly"}, "loud", "true or false is needed."),
        ({"who": "A", "words": [1]}, "words", "A list of texts is needed."),
        ({"who": "A", "tone": "hot"}, "tone", "'hot' is not allowed."),
    ],
)
def test_a_variable_that_is_missing_unknown_or_of_another_type(
    variables: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        make(**variables)
    assert sentence in caught.value.message_dict[field][0]
    assert not Task.objects.filter(key="hello").exists()


@pytest.mark.parametrize(
    "text",
    [
        "${hour}",
        "{hour}",
        "$(reboot); `reboot`",
        "'; DROP TABLE t; --",
        '"}, "function": "run_code',
        "{$variable: hour}",
        "a\n  function: run_code",
        "{{ 7 * 7 }}",
    ],
)
def test_what_is_filled_in_stays_a_value(text: str) -> None:
    task = make(who=text)
    task.refresh_from_db()
    assert (task.function, task.parameters["values"]["to"]) == ("echo", text)
    assert text in task.name


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"built_in": True}, "built_in"),
        ({"anything": 1}, "anything"),
        ({"trigger_params": {"hour": 99}}, "trigger_params"),
        ({"function": "os.system"}, "function"),
        ({"retries": "many"}, "retries"),
    ],
)
def test_overrides_follow_the_rules_of_tasks(overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(who="Anna", overrides=overrides)
    assert any(name.startswith(field) for name in caught.value.message_dict)


def test_a_function_with_a_permission_needs_it_here_too(settings: Any) -> None:
    user = get_user_model().objects.create_user("anna")
    settings.JOBSITE_ALLOW_COMMANDS = True
    with pytest.raises(ValidationError) as caught:
        templates.create_task(
            templates.get("greeting"), "x", variables={"who": "A"}, actor=Actor(user=user, source="api"),
            overrides={"function": "run_command", "parameters": {"command": ["/bin/true"]}},
        )  # fmt: skip
    assert "function" in caught.value.message_dict


def test_there_is_no_such_template() -> None:
    with pytest.raises(UnknownTemplate, match="greeting"):
        templates.get("greting")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("{$variable: hour}}", "{$variable: hours}}", "hours is used and is no variable"),
        ("Greet ${who} (${tone})", "Greet", "the variable tone is not used"),
        ("function: echo", "key: x", "the task has no function"),
        ("retries: 2", "built_in: true", "built_in is no field of a task that a template may set"),
        ("default: 7", "default: seven", "the default of hour"),
        ("name: words", "name: name", "name is a field of tasks"),
        ("type: list", "type: tuple", "type"),
        ("templates:", "tasks:", "templates"),
        ("key: greeting", "key: [", "own.yaml"),
    ],
)
def test_a_faulty_file_is_named_and_stops_the_start(
    before: str, after: str, sentence: str, own_file: Path
) -> None:
    own_file.write_text(GREETING.replace(before, after))
    told = templates_can_be_read()
    with pytest.raises(TemplatesUnreadable):
        templates.read(own_file)
    assert [error.id for error in told] == ["scheduling.E013"]
    assert "own.yaml" in told[0].msg
    assert sentence in told[0].msg


def test_a_function_that_does_not_exist_stops_the_start(own_file: Path) -> None:
    own_file.write_text(GREETING.replace("function: echo", "function: ecko"))
    assert [(error.id, "ecko" in error.msg) for error in templates_can_be_read()] == [
        ("scheduling.E013", True)
    ]


# --- faces


def login(*permissions: str) -> Client:
    user = get_user_model().objects.create_user("anna", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_the_page(admin_client: Client) -> None:
    assert "Greet" in admin_client.get(PAGE).content.decode()
    form = admin_client.get(f"{PAGE}greeting/").content.decode()
    assert all(f'name="{name}"' in form for name in ("key", "who", "words", "hour", "loud", "tone"))
    data = {"key": "hello", "who": "<b>", "words": "a\r\nb\r\n", "hour": "8", "loud": "on", "tone": "cool"}
    answer = admin_client.post(f"{PAGE}greeting/", data)
    task = Task.objects.get(key="hello")
    assert answer["Location"] == f"/admin/scheduling/task/{task.pk}/change/"
    values = {"to": "<b>", "words": ["a", "b"], "loud": True, "of": [1, 8]}
    assert (task.parameters["values"], task.trigger_params) == (values, {"hour": 8})
    again = admin_client.post(f"{PAGE}greeting/", {**data, "hour": "never"})
    assert (again.status_code, "A whole number is needed." in again.content.decode()) == (200, True)
    taken = admin_client.post(f"{PAGE}greeting/", data).content.decode()
    assert "already exists" in taken
    assert admin_client.get(f"{PAGE}nothing/").status_code == 404


def test_the_page_needs_permissions() -> None:
    viewer = login("view_task")
    assert viewer.get(PAGE).status_code == 200
    assert "New task" not in viewer.get(PAGE).content.decode()
    assert viewer.get(f"{PAGE}greeting/").status_code == 403
    assert viewer.post(f"{PAGE}greeting/", {"key": "x", "who": "A"}).status_code == 403
    get_user_model().objects.all().delete()
    assert login().get(PAGE).status_code == 403
    assert not Task.objects.exists()


def test_the_api() -> None:
    client = login("view_task", "add_task")
    listed = {row["key"]: row for row in client.get(API).json()}
    assert listed["greeting"]["variables"][0]["name"] == "who"
    assert client.get(f"{API}greeting/").json() == listed["greeting"]
    assert client.get(f"{API}nothing/").status_code == 404
    body = {"key": "hello", "variables": {"who": "Anna"}, "overrides": {"enabled": False}}
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        made = client.post(f"{API}greeting/create-task/", body, "application/json", headers=headers)
        assert (made.status_code, made.json()["key"], made.json()["enabled"]) == (201, "hello", False)
    wrong = client.post(f"{API}greeting/create-task/", {"key": "x"}, "application/json")
    assert (wrong.status_code, "who" in wrong.content.decode()) == (400, True)
    for bad in ({"key": "x", "variables": []}, {"key": "x", "overrides": 5}, {"variables": {}}, []):
        assert client.post(f"{API}greeting/create-task/", bad, "application/json").status_code == 400
    assert Task.objects.count() == 1
    assert Task.objects.get().versions.get().by.get_username() == "anna"


def test_the_command() -> None:
    output = StringIO()
    call_command("template", "list", "--json", stdout=output)
    assert "greeting" in {json.loads(line)["key"] for line in output.getvalue().splitlines()}
    output = StringIO()
    call_command("template", "show", "greeting", stdout=output)
    assert "hour                 integer = 7" in output.getvalue()
    options = ["--set", "who=a=b", "--set", "words=x", "--set", "words=y", "--override", "retries=0"]
    call_command("template", "create", "greeting", "hello", *options, stdout=StringIO())
    task = Task.objects.get(key="hello")
    assert (task.parameters["values"]["to"], task.parameters["values"]["words"]) == ("a=b", ["x", "y"])
    assert task.retries == 0
    for wrong in (
        ["greting", "x"],
        ["greeting", "x", "--set", "who"],
        ["greeting", "x", "--override", "a={"],
    ):
        with pytest.raises(CommandError):
            call_command("template", "create", *wrong, stdout=StringIO(), stderr=StringIO())


def test_a_task_of_a_template_is_edited_like_every_other() -> None:
    task = make(who="Anna")
    task.trigger_params = {"hour": 9}
    assert tasks.edit(task, actor=TESTER).version == 2
