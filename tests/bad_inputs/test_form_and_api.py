"""The same bad input gets the same sentence at the same field, in the form and in the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.template.response import TemplateResponse
from django.test import Client

from scheduling.services import tasks
from tests.bad_inputs.test_bad_inputs import FORM, GOOD_FORMS, OTHER_FORMS, rows
from tests.conftest import TESTER, new_task

PLACES = {
    "scheduling/task": "tasks",
    "scheduling/group": "groups",
    "scheduling/pool": "pools",
    "instances/instance": "instances",
    "instances/credential": "credentials",
}
JSON_FIELDS = ("parameters", "trigger_params", "options", "allowed_hosts")
EMPTY_IS_NULL = ("port", "credential", "timeout_seconds", "weight", "capacity")
#: Said by the shape of the form alone: text that is no JSON, a date in a box of its own.
FORM_ONLY = {("parameters", "{"), ("start_at_0", "soon")}
LONG = "x" * 5_000
MORE = [
    *(("scheduling/task", field, value) for field, value in (
        ("key", "-a"), ("key", "a b"), ("key", "ä"), ("key", "a/b"), ("name", ""), ("name", "   "),
        ("description", LONG), ("remark", LONG), ("category", "x" * 51), ("function", ""), ("function", "x" * 201),
        ("parameters", '"text"'), ("parameters", "7"), ("parameters", '{"a": 1, "b": 2}'),
        ("trigger", ""), ("trigger_params", '{"hour": -1}'), ("trigger_params", '{"hour": "x"}'),
        ("trigger_params", '{"day_of_week": "someday"}'), ("trigger_params", '{"expression": ""}'),
        ("trigger_params", '{"expression": 5}'), ("trigger_params", "[]"), ("trigger_params", '{"minute": 60}'),
        ("time_zone", ""), ("time_zone", "x" * 65), ("time_zone", "utc+3"), ("clock_gap", "jump"),
        ("clock_overlap", "third"), ("executor", ""), ("queue", ""), ("queue", "x" * 51), ("queue", "-q"),
        ("weight", ""), ("weight", "1.5"), ("priority", "-1"), ("timeout_seconds", "2592001"),
        ("timeout_seconds", "soon"), ("misfire_policy", ""), ("misfire_grace_seconds", "2592001"),
        ("catch_up_limit", "0"), ("max_concurrent", "10001"), ("retries", "-1"),
        ("retry_delay_seconds", "86401"), ("retry_delay_seconds", "-1"), ("retry_backoff", "cubic"),
        ("retry_max_delay_seconds", "604801"), ("retry_jitter", "-0.5"), ("retry_jitter", "much"),
    )),
    *(("scheduling/group", field, value) for field, value in (
        ("key", ""), ("key", "x" * 101), ("name", "x" * 201), ("description", LONG),
    )),
    *(("scheduling/pool", field, value) for field, value in (
        ("key", "Db"), ("name", "x" * 201), ("capacity", ""), ("capacity", "-5"), ("capacity", "2.5"),
    )),
    *(("instances/instance", field, value) for field, value in (
        ("name", ""), ("name", "x" * 101), ("dialect", ""), ("host", "x" * 256), ("port", "0"), ("port", "many"),
        ("database", ""), ("database", "x" * 501), ("options", "[]"), ("options", '{"tls": "maybe"}'),
        ("options", '{"connect_timeout_seconds": 0}'), ("description", LONG),
    )),
    *(("instances/credential", field, value) for field, value in (
        ("name", ""), ("name", "x" * 101), ("username", ""), ("username", "x" * 129), ("allowed_hosts", '"a"'),
        ("allowed_hosts", "[1]"), ("allowed_hosts", '["db:99999"]'), ("new_password", "x" * 1_001),
        ("description", LONG),
    )),
]  # fmt: skip
SAME = [
    *(("scheduling/task", field, value) for field, value, _said in FORM if (field, value) not in FORM_ONLY),
    *((door.removeprefix("form/"), field, value) for door, field, value, _said in OTHER_FORMS),
    *MORE,
]


def typed(field: str, text: str) -> Any:
    """What a program would send for what a person types."""
    if field in JSON_FIELDS:
        return json.loads(text)
    if text == "on":
        return True
    if text == "":
        return None if field in EMPTY_IS_NULL else ""
    try:
        return json.loads(text) if text.lstrip("-")[0].isdigit() else text
    except ValueError:
        return text


def by_form(client: Client, model: str, field: str, value: str) -> list[str]:
    answer = client.post(f"/admin/{model}/add/", GOOD_FORMS[model] | {field: value})
    assert answer.status_code == 200, "the form took it"
    return list(answer.context_data["adminform"].form.errors.get(field, []))


def by_api(client: Client, model: str, field: str, value: str) -> list[str]:
    good = {name: typed(name, text) for name, text in GOOD_FORMS[model].items()}
    body = {name: each for name, each in good.items() if each not in (None, "")} | {
        field: typed(field, value)
    }
    answer = client.post(f"/api/v1/{PLACES[model]}/", body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    return [error["detail"] for error in answer.json()["errors"] if error["attr"] == field]


def test_there_are_enough() -> None:
    assert len(SAME) >= 80
    assert len(set(SAME)) == len(SAME)


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("model", PLACES)
def test_form_and_api_say_the_same(model: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if language != "en" and connection.vendor != "sqlite":
        pytest.skip("what is refused does not depend on the language: it is said beside SQLite's tests")
    # What a form says is asked of itself: to draw the page around it takes nine tenths of the time.
    monkeypatch.setattr(TemplateResponse, "rendered_content", "")
    client = Client(headers={"Accept-Language": language})
    client.force_login(get_user_model().objects.create_superuser("someone"))
    tasks.create(new_task("taken"), actor=TESTER)
    before = rows()
    said = {
        (field, value[:30]): (by_form(client, model, field, value), by_api(client, model, field, value))
        for place, field, value in SAME
        if place == model
    }
    different = {bad: texts for bad, texts in said.items() if texts[0] != texts[1] or not texts[0]}
    assert not different, json.dumps([[*bad, *texts] for bad, texts in different.items()], indent=1)
    assert rows() == before
