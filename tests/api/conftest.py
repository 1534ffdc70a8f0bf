"""The door through which these tests go: JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client

from tests.api import world
from tests.emptying import Emptying
from tests.instances.conftest import (  # noqa: F401  (fixtures)
    make_credential,
    make_instance,
    of_server,
    own_files,
    postgres,
)

API = "/api/v1/"


@pytest.fixture(scope="module")
def standing_world(django_db_setup: Emptying, django_db_blocker: Any) -> Iterator[None]:
    """``world.build()`` once for a file whose tests take back what they do to it (no transactional ones)."""
    with django_db_blocker.unblock():
        world.build()
    yield
    with django_db_blocker.unblock():
        django_db_setup.empty()


class Api:
    """Calls with a session; ``api.get("tasks/")`` gives the answer, whose ``data`` is the JSON."""

    def __init__(self, user: Any = None, *, csrf: bool = False, token: str = "") -> None:
        headers = {"Authorization": f"Token {token}"} if token else {}
        self.client = Client(enforce_csrf_checks=csrf, raise_request_exception=True, headers=headers)
        self.user = user
        if user is not None and not token:
            self.client.force_login(user)

    def call(self, method: str, path: str, body: Any = None, query: Any = None, **headers: str) -> Any:
        options: dict[str, Any] = {
            "headers": {name.replace("_", "-"): text for name, text in headers.items()}
        }
        if body is not None:
            options |= {"data": body, "content_type": "application/json"}
        place = path if path.startswith(("/", "http://testserver")) else API + path
        answer: Any = self.client.generic(method.upper(), place, **_encoded(options), query_params=query)
        answer.data = (
            answer.json() if answer.headers.get("Content-Type", "").startswith("application/json") else None
        )
        return answer

    def get(self, path: str, **query: Any) -> Any:
        return self.call("get", path, query=query)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("post", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Any:
        return self.call("put", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self.call("patch", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.call("delete", path, **headers)


def _encoded(options: dict[str, Any]) -> dict[str, Any]:
    import json

    data = options.get("data")
    if data is not None and not isinstance(data, str | bytes):
        options["data"] = json.dumps(data)
    return options


def errors(answer: Any) -> dict[str, str]:
    """What is said, by field."""
    found: dict[str, str] = {}
    for error in answer.data["errors"]:
        found[error["attr"]] = (found.get(error["attr"], "") + " " + error["detail"]).strip()
    return found


@pytest.fixture(autouse=True)
def _nobody_has_called() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def api(db: None) -> Api:
    """May do everything."""
    return Api(get_user_model().objects.create_superuser("root"))


@pytest.fixture
def make_api(db: None) -> Callable[..., Api]:
    """``make_api("scheduling.view_task", …)``: may do that and nothing else."""

    def make(*permissions: str, name: str = "eve", **options: Any) -> Api:
        user = get_user_model().objects.create_user(name)
        for permission in permissions:
            app, codename = permission.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        return Api(user, **options)

    return make
