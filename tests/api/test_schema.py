"""The OpenAPI document: whole, without a warning, and its page works without a stranger's script."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from tests.api.conftest import Api
from tests.api.doors import doors

BAD_GATES = {"400", "405", "406", "429", "500", "503"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS, "warnings"
    return made


def test_it_lists_every_door_and_no_other(schema: dict[str, Any]) -> None:
    told = {
        f"{method.upper()} {path.removeprefix('/api/v1/').replace('{id}', '{pk}')}"
        for path, operations in schema["paths"].items()
        for method in operations
    }
    assert told == {str(door) for door in doors()} - {"GET health/"}


def test_every_way_to_be_refused_is_told(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            codes = set(operation["responses"])
            assert codes >= BAD_GATES, (method, path)
            if path != "/api/v1/health":
                assert codes >= {"401", "403"}, (method, path)
            for code in codes - {"503"}:
                if code >= "400":
                    content = operation["responses"][code]["content"]["application/json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/Error"}


def test_secrets_only_go_in(schema: dict[str, Any]) -> None:
    for name, component in schema["components"]["schemas"].items():
        told = {each for each in component.get("properties", {}) if "password" in each} - {"has_password"}
        assert not told or name.endswith("Request"), (name, told)


def test_only_people_with_a_login_read_it(db: None, api: Api) -> None:
    assert Client().get("/api/v1/schema/").status_code == 401
    answer = api.client.get("/api/v1/schema/")
    assert yaml.safe_load(answer.content)["info"]["title"] == "Jobsite"
    assert Client().get("/api/v1/docs/").status_code == 302


def test_the_page_brings_all_it_needs_and_no_script_in_it(api: Api) -> None:
    answer = api.client.get("/api/v1/docs/")
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "://" not in text
    assert text.count("<script src=") == text.count("<script") == 2
    assert "onload" not in text
