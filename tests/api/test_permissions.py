"""Each door of the API, found in the URL conf: closed to strangers, to those who lack a permission, to forged posts."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User

from instances.models import Instance
from jobsite import tokens
from scheduling.models import Execution, Group, Task, TaskVersion
from tests.api import world
from tests.api.conftest import Api
from tests.api.doors import Door, doors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("standing_world")]
DOORS = doors()


def person(name: str, *permissions: str) -> User:
    user: User = get_user_model().objects.create_user(name)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def written() -> list[Any]:
    """What nobody who is refused may change."""
    return [
        list(model._default_manager.order_by("pk").values())
        for model in (Task, TaskVersion, Group, Execution, Instance, tokens.Token)
    ]


def test_every_door_has_an_entry() -> None:
    """A new address needs a line in ``world.CALLS``."""
    assert set(world.CALLS) == {str(door) for door in DOORS}


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_who_gets_in(door: Door) -> None:
    call = world.CALLS[str(door)]

    def knock(user: Any, **options: Any) -> Any:
        place = places.setdefault(user, world.address(door, user or nobody))
        before = written()
        answer = Api(user, **options).call(door.method, place, call.body)
        if answer.status_code in (401, 403):
            assert written() == before, "refused, and changed something"
            assert answer.data["type"] == "client_error"
        return answer

    places: dict[Any, str] = {}
    needed = () if door.is_open else door.needs
    nobody, somebody = person("nobody"), person("somebody", *needed, *call.also)

    answer = knock(None)
    assert answer.status_code == (call.code if door.is_open else 401)
    if needed:
        answer = knock(nobody)
        assert answer.status_code == 403
        assert needed[0] in answer.data["errors"][0]["detail"]
    for number, missing in enumerate((*needed, *call.also)):
        others = [each for each in (*needed, *call.also) if each != missing]
        answer = knock(person(f"almost{number}", *others))
        assert (answer.status_code, missing in answer.content.decode()) == (403, True), f"without {missing}"
    if door.method != "GET":
        answer = knock(somebody, csrf=True)
        assert (answer.status_code, "CSRF" in answer.data["errors"][0]["detail"]) == (403, True)
    answer = knock(somebody)
    assert answer.status_code == call.code, answer.content


@pytest.mark.parametrize(
    "door", [door for door in DOORS if "{" in door.place and "queues/" not in door.place], ids=str
)
def test_what_does_not_exist_is_not_found(door: Door) -> None:
    """Neither what never was, nor what is another person's, nor a name that is none. (Any name can be a queue's.)"""
    api = Api(get_user_model().objects.create_superuser("root"))
    other = tokens.make(person("other"))[0].token_key
    for name in (
        "999999999",
        "nobody-here",
        other,
        "9" * 40,
        "a~1",
        "..",
        "%00",
        "00000000-0000-0000-0000-000000000000",
    ):
        place = door.place.replace("{pk}", name).replace("{key}", name).replace("{name}", name)
        answer = api.call(door.method, place, world.CALLS[str(door)].body)
        assert answer.status_code == 404, (place, answer.content)
        assert answer.data["errors"][0]["code"] == "not_found"


def test_force_needs_its_own_permission(make_api: Any) -> None:
    api = make_api("scheduling.run_task", "scheduling.view_task", "scheduling.view_execution")
    execution = Execution.objects.get()
    bulk = {"action": "run", "keys": ["one"]}
    for place, more in (
        ("tasks/one/run/", {}),
        (f"executions/{execution.pk}/retry/", {}),
        ("tasks/bulk/", bulk),
    ):
        answer = api.post(place, {"force": True} | more)
        assert (answer.status_code, "force_task" in answer.data["errors"][0]["detail"]) == (403, True)
    assert Execution.objects.count() == 1


@pytest.mark.parametrize("action", ["run", "pause", "resume", "enable", "disable", "delete"])
def test_bulk_needs_the_permission_of_its_verb(make_api: Any, action: str) -> None:
    answer = make_api("scheduling.view_task").post("tasks/bulk/", {"action": action, "keys": ["one"]})
    assert answer.status_code == 403
    assert TaskVersion.objects.filter(task__key="one").count() == 2
