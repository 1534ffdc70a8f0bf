"""JSON that a database cannot store, or that is absurd, is refused by name with 400, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest

from scheduling.models import Task
from tests.api import world
from tests.api.conftest import Api
from tests.api.doors import doors

pytestmark = pytest.mark.django_db
NUL, SURROGATE = '"a\\u0000b"', '"a\\ud800b"'
DEEP = "[" * 60 + "]" * 60
GOOD = '"key": "one", "name": "One", "function": "echo", "trigger": "cron", "trigger_params": {"hour": 3}'
#: What is sent to tasks/ beside a good rest, and where the refusal has to stand.
HOSTILE = [
    ('"description": ' + NUL, "description"), ('"description": ' + SURROGATE, "description"),
    ('"parameters": {"values": ' + NUL + "}", "parameters.values"),
    ('"parameters": {"values": {"a": [1, ' + SURROGATE + "]}}", "parameters.values.a.1"),
    ('"parameters": {"a\\u0000b": 1}', "parameters"), ('"parameters": {"a\\udfffb": 1}', "parameters"),
    ('"parameters": {"values": 1e999}', "parameters.values"), ('"parameters": {"values": -1e999}', "parameters.values"),
    ('"parameters": {"values": 1' + "0" * 30 + "}", "parameters.values"),
    ('"parameters": {"values": -9223372036854775809}', "parameters.values"),
    ('"parameters": {"values": ' + DEEP + "}", "parameters.values"),
    ('"parameters": {"values": "' + "x" * 70_000 + '"}', "parameters"),
    ('"parameters": []', "parameters"), ('"parameters": null', "parameters"), ('"parameters": "{}"', "parameters"),
    ('"trigger_params": {"hour": 99999999999999999999}', "trigger_params.hour"),
    ('"trigger_params": null', "trigger_params"), ('"trigger_params": {"run_date": {}}', "trigger_params"),
    ('"priority": 99999999999', "priority"), ('"priority": 1.5', "priority"), ('"priority": true', "priority"),
    ('"priority": "5"', "priority"), ('"timeout_seconds": 18446744073709551615', "timeout_seconds"),
    ('"timeout_seconds": 1e300', "timeout_seconds"),
    ('"retry_jitter": "0.5"', "retry_jitter"), ('"retry_jitter": 1e308', "retry_jitter"),
    ('"rerun_if_lost": 1', "rerun_if_lost"), ('"rerun_if_lost": "yes"', "rerun_if_lost"),
    ('"name": "' + "x" * 201 + '"', "name"), ('"name": 7', "name"), ('"name": {}', "name"), ('"name": "  "', "name"),
    ('"description": "' + "x" * 4_001 + '"', "description"), ('"time_zone": "../../etc/passwd"', "time_zone"),
    ('"time_zone": "' + "x" * 65 + '"', "time_zone"), ('"group": "nobody"', "group"), ('"group": 1', "group"),
    ('"owner": ["root"]', "owner"), ('"pool": {}', "pool"), ('"start_at": "2026-06-01T00:00:00+16:00"', "start_at"),
    ('"start_at": "2026-06-01T00:00:00-23:59"', "start_at"), ('"start_at": "0001-01-01T00:00:00+15:00"', "start_at"),
    ('"start_at": "9999-12-31T23:59:59-15:00"', "start_at"), ('"start_at": "2026-06-01"', "start_at"),
    ('"start_at": 1750000000', "start_at"), ('"trigger": ["cron"]', "trigger"), ('"executor": {}', "executor"),
    ('"colour": 1', "colour"), ('"version": 0', "version"), ('"reason": "' + "x" * 501 + '"', "reason"),
]  # fmt: skip
#: No JSON, or nothing that could be a task.
SHAPELESS = [
    "", "{", "[]", "null", "5", '"x"', '{"parameters": NaN}', '{"parameters": Infinity}', "[" * 100_000,
    '{"a":' * 100_000, '{"priority": 1' + "0" * 5_000 + "}", "\ufeff{}", "{'a': 1}",
]  # fmt: skip


@pytest.mark.parametrize(("text", "field"), HOSTILE, ids=[f"{field}-{text}"[:50] for text, field in HOSTILE])
def test_hostile_values_are_named(api: Api, text: str, field: str) -> None:
    good = ", ".join(part for part in GOOD.split(", ") if part.split(":")[0] != text.split(":")[0])
    answer = api.call("post", "tasks/", "{" + f"{good}, {text}" + "}")
    assert answer.status_code == 400, answer.content
    named = {error["attr"].split(".0.")[0] for error in answer.data["errors"]}
    assert named == {field}
    assert not Task.objects.exists()


@pytest.mark.parametrize("text", SHAPELESS, ids=lambda text: text[:20] or "nothing")
def test_what_is_no_object_is_refused(api: Api, text: str) -> None:
    for place in ("tasks/", "triggers/preview/", "groups/"):
        answer = api.call("post", place, text.encode())
        assert answer.status_code == 400, (place, answer.content)


@pytest.mark.parametrize("body", [b"\xff\xfe{}", b'{"name": "\xff"}', b'{"name": "\xed\xa0\x80"}'])
def test_what_is_no_utf8_is_refused(api: Api, body: bytes) -> None:
    assert api.call("post", "groups/", body).status_code == 400


@pytest.mark.parametrize("value", [NUL, SURROGATE, DEEP, "1e999", "1" + "0" * 30])
def test_every_door_that_takes_json_refuses_it(api: Api, value: str) -> None:
    world.build()
    takers = [door for door in doors() if isinstance(world.CALLS[str(door)].body, dict)]
    assert len(takers) > 15
    for door in takers:
        answer = api.call(door.method, world.address(door, api.user), '{"key": ' + value + "}")
        assert answer.status_code == 400, (door, answer.content)
        assert any((error["attr"] or "").startswith("key") for error in answer.data["errors"]), (
            door,
            answer.data,
        )


def test_a_body_that_is_too_large_is_refused(api: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    answer = api.post("groups/", {"key": "a", "name": "x" * 2_000})
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/xml"]
)
def test_only_json_is_taken(api: Api, kind: str) -> None:
    answer = api.client.post("/api/v1/groups/", "key=a&name=b", content_type=kind)
    assert answer.status_code == 415
    assert answer.json()["errors"][0]["code"] == "unsupported_media_type"


def test_only_json_is_given(api: Api) -> None:
    assert api.client.get("/api/v1/groups/", headers={"Accept": "text/xml"}).status_code == 406
    assert api.client.get("/api/v1/groups/?format=xml").status_code == 400
    assert api.call("options", "groups/").status_code == 405
