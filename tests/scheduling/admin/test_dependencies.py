"""What a task runs after, on its page: by POST, by those who may change it, refused where it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from scheduling.models import Task, TaskVersion
from scheduling.services import dependencies
from tests.conftest import TESTER
from tests.scheduling.views.conftest import login

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


def place(task: Task, part: str = "dependencies") -> str:
    return f"/admin/scheduling/task/{task.pk}/{part}/"


def after(task: Task) -> dict[str, str]:
    return {row.upstream.key: row.on for row in dependencies.of(task.pk)}


def test_added_shown_and_taken_away(admin_client: Client, make_task: MakeTask) -> None:
    one, two, three = make_task("one"), make_task("two"), make_task("three")
    assert "It runs after no other task." in admin_client.get(place(one, "change")).content.decode()
    for other, on in (("two", "success"), ("three", "failure")):
        answer = admin_client.post(place(one), {"verb": "add", "task": other, "on": on})
        assert (answer.status_code, answer["Location"]) == (302, place(one, "change") + "#after")
    assert after(one) == {"two": "success", "three": "failure"}
    page = admin_client.get(place(one, "change")).content.decode()
    assert "Remove: two" in page
    assert "when it has failed, timed out or was lost" in page
    assert "After it run:" in admin_client.get(place(two, "change")).content.decode()
    admin_client.post(place(one), {"verb": "mode", "mode": "any"})
    assert Task.objects.get(pk=one.pk).dependency_mode == "any"
    admin_client.post(place(one), {"verb": "remove", "upstream": three.pk})
    assert after(one) == {"two": "success"}
    last = TaskVersion.objects.filter(task=one).first()
    assert last is not None
    assert (last.source, last.changes) == (
        "admin", {"dependencies": [["three (failure)", "two (success)"], ["two (success)"]]},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"verb": "add", "task": "one", "on": "success"}, "It would go round in a circle: two → one → two."),
        ({"verb": "add", "task": "two", "on": "success"}, "It would go round in a circle"),
        ({"verb": "add", "task": "nobody", "on": "success"}, "There is no task 'nobody'."),
        ({"verb": "add", "task": "three", "on": "dusk"}, "Select a valid choice."),
        ({"verb": "add", "task": "", "on": "success"}, "This field is required."),
        ({"verb": "remove", "upstream": "9" * 30}, "It does not run after that task."),
        ({"verb": "mode", "mode": "some"}, "Allowed are: all, any."),
        ({}, "It does not run after that task."),
    ],
)
def test_what_is_wrong_is_told_at_the_form(
    admin_client: Client, make_task: MakeTask, given: dict[str, str], said: str
) -> None:
    one, two, _three = make_task("one"), make_task("two"), make_task("three")
    admin_client.post(place(one), {"verb": "add", "task": "two", "on": "success"})
    answer = admin_client.post(place(two), given)
    assert answer.status_code == 200
    assert said in unescape(answer.content.decode())
    assert after(two) == {}


def test_it_needs_permission_a_token_and_post(make_task: MakeTask) -> None:
    one, _two = make_task("one"), make_task("two")
    asked = {"verb": "add", "task": "two", "on": "success"}
    reader = login("view_task")
    for part in ("change", "dependencies"):
        page = reader.get(place(one, part)).content.decode()
        assert ("It runs after no other task." in page, "verb" in page.split('id="after"')[1]) == (
            True,
            False,
        )
    assert reader.post(place(one), asked).status_code == 403
    assert Client(enforce_csrf_checks=True).post(place(one), asked).status_code == 403
    assert reader.get(place(one) + "?verb=add&task=two&on=success").status_code == 200
    assert after(one) == {}
    reader.logout()
    assert reader.get(place(one)).status_code == 302


def test_deleting_it_says_what_breaks(admin_client: Client, make_task: MakeTask) -> None:
    up, down = make_task("up"), make_task("down")
    dependencies.save(down.pk, {up.pk: "success"}, actor=TESTER)
    page = admin_client.get(place(up, "delete")).content.decode()
    assert "These tasks run after it, and would not any more:" in page
    assert f'href="{place(down, "change")}">down</a>' in page
    answer = admin_client.post(place(up, "delete"), {"post": "yes"}, follow=True)
    assert "Tasks run after this one and would not any more: down." in unescape(answer.content.decode())
    assert Task.objects.present().filter(pk=up.pk).exists()
    admin_client.post(place(up, "delete"), {"post": "yes", "break_dependents": "yes"})
    assert not Task.objects.present().filter(pk=up.pk).exists()
    assert after(down) == {}
    assert "These tasks run after it" not in admin_client.get(place(down, "delete")).content.decode()


def test_by_command_too(make_task: MakeTask, capsys: pytest.CaptureFixture[str]) -> None:
    up, down = make_task("up"), make_task("down")
    dependencies.save(down.pk, {up.pk: "success"}, actor=TESTER)
    with pytest.raises(CommandError):
        call_command("task", "delete", "up")
    assert "would not any more: down" in capsys.readouterr().err
    call_command("task", "delete", "up", "--break-dependents")
    assert after(down) == {}
