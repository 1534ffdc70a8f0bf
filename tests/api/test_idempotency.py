"""The header Idempotency-Key, on what makes rows and on runs; throttling; a database that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection

from instances.models import Credential
from scheduling.api import task_bulk
from scheduling.clock import SettableClock
from scheduling.models import Execution, Group, StoredAnswer, Task
from scheduling.services import answers, groups, tasks
from tests.api.conftest import Api, errors
from tests.conftest import TESTER, new_task

NIGHT = {"key": "night", "name": "Night"}
MakeTask = Callable[..., Task]


def test_the_same_request_again_gets_the_same_answer(api: Api, clock: SettableClock) -> None:
    first = api.post("groups/", NIGHT, Idempotency_Key="k1")
    again = api.post("groups/", dict(reversed(NIGHT.items())), Idempotency_Key="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.content, again["Idempotent-Replay"]) == (first.content, "true")
    assert "Idempotent-Replay" not in first
    assert Group.objects.count() == 1
    other = api.post("groups/", NIGHT | {"name": "Day"}, Idempotency_Key="k1")
    assert (other.status_code, other.data["errors"][0]["code"]) == (422, "idempotency_key_reused")
    # Another place, another person, or another day: another request.
    assert api.post("pools/", {"key": "db", "capacity": 1}, Idempotency_Key="k1").status_code == 201
    colleague = Api(get_user_model().objects.create_superuser("colleague"))
    assert "already exists" in errors(colleague.post("groups/", NIGHT, Idempotency_Key="k1"))["key"]
    clock.move(hours=25)
    assert "already exists" in errors(api.post("groups/", NIGHT, Idempotency_Key="k1"))["key"]


def test_what_was_refused_may_be_mended(api: Api) -> None:
    assert api.post("groups/", {"key": "night"}, Idempotency_Key="k").status_code == 400
    assert api.post("groups/", NIGHT, Idempotency_Key="k").status_code == 201


def test_a_run_runs_once(api: Api, make_task: MakeTask) -> None:
    make_task("one", function="echo", parameters={"values": 1})
    first = api.post("tasks/one/run/", {}, Idempotency_Key="k")
    assert api.post("tasks/one/run/", {}, Idempotency_Key="k").data == first.data
    other = api.post("tasks/one/run/", {"parameters": {"values": 2}}, Idempotency_Key="k")
    assert (other.status_code, Execution.objects.count()) == (422, 1)
    assert Execution.objects.get().slot == "k"
    make_task("two")
    assert api.post("tasks/two/run/", {}, Idempotency_Key="k").status_code == 202
    retried = [api.post(f"executions/{first.data['id']}/cancel/")]
    retried += [api.post(f"executions/{first.data['id']}/retry/", {}, Idempotency_Key="r") for _ in range(2)]
    assert retried[1].data["id"] == retried[2].data["id"] != first.data["id"]


def test_many_run_once(api: Api, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("one", "two"):
        make_task(key)
    body = {"action": "run", "keys": ["one", "gone", "two"]}
    first = api.post("tasks/bulk/", body, Idempotency_Key="k")
    again = api.post("tasks/bulk/", body, Idempotency_Key="k")
    assert [row["ok"] for row in first.data["results"]] == [True, False, True]
    assert (again.content, again["Idempotent-Replay"]) == (first.content, "true")
    assert api.post("tasks/bulk/", body | {"keys": ["one"]}, Idempotency_Key="k").status_code == 422
    assert Execution.objects.count() == 2
    # Interrupted after the first: the same request again asks for the second alone.
    run_now = tasks.run_now

    def interrupted(pk: int, **options: Any) -> Execution:
        if Execution.objects.count() == 3:
            raise ConnectionAbortedError
        return run_now(pk, **options)

    monkeypatch.setitem(task_bulk.VERBS, "run", interrupted)
    api.client.raise_request_exception = False
    assert api.post("tasks/bulk/", body, Idempotency_Key="new").status_code == 500
    monkeypatch.setitem(task_bulk.VERBS, "run", run_now)
    assert api.post("tasks/bulk/", body, Idempotency_Key="new").data["done"] == 2
    assert Execution.objects.count() == 4


def test_the_stored_answer_holds_no_password_and_goes_after_a_day(api: Api, clock: SettableClock) -> None:
    body = {"name": "ops", "username": "root", "new_password": "correct horse"}
    assert api.post("credentials/", body, Idempotency_Key="k").status_code == 201
    assert api.post("credentials/", body | {"new_password": "x"}, Idempotency_Key="k").status_code == 422
    row = StoredAnswer.objects.get()
    assert "correct horse" not in f"{row.name}{row.digest}{row.body}"
    assert Credential.objects.count() == 1
    assert answers.forget(clock.at, most=10) == 0
    clock.move(hours=25)
    assert (answers.forget(clock.at, most=10), StoredAnswer.objects.count()) == (1, 0)


def test_a_key_has_a_form(api: Api) -> None:
    for key in ("x" * 65, "é", "a\tb"):
        assert "Idempotency-Key" in errors(api.post("groups/", NIGHT, Idempotency_Key=key))
    assert not Group.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_moment_one_works_and_both_get_its_answer() -> None:
    user = get_user_model().objects.create_superuser("root")
    tasks.create(new_task("one"), actor=TESTER)
    said: list[Any] = []
    start = threading.Barrier(4)

    def ask() -> None:
        try:
            api = Api(user)
            start.wait(10)
            said.append(api.post("groups/", NIGHT, Idempotency_Key="k"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [answer.status_code for answer in said] == [201] * 4
    assert sum("Idempotent-Replay" in answer for answer in said) == 3
    assert Group.objects.count() == 1


class TestThrottle:
    def test_each_caller_by_itself(self, api: Api, settings: Any) -> None:
        settings.JOBSITE_API_RATE = settings.JOBSITE_API_ANONYMOUS_RATE = "3/minute"
        token = api.post("tokens/", {}).data["token"]
        for caller, left in ((api, 2), (Api(token=token), 3)):
            assert [caller.get("groups/").status_code for _ in range(left)] == [200] * left
            answer = caller.get("groups/")
            assert (answer.status_code, answer.data["errors"][0]["code"]) == (429, "throttled")
            assert 0 < int(answer["Retry-After"]) <= 60
        strangers = [Api().get("health").status_code for _ in range(4)]
        assert strangers == [503, 503, 503, 429]

    def test_a_stranger_cannot_be_many(self, api: Api, settings: Any) -> None:
        settings.JOBSITE_API_ANONYMOUS_RATE = "1/minute"
        codes = [Api().call("get", "health", X_Forwarded_For=f"10.0.0.{n}").status_code for n in range(2)]
        assert codes == [503, 429]


def test_a_database_that_is_away_is_said_with_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_arguments: Any, **_options: Any) -> None:
        error = OperationalError("deadlock with password=hunter2")
        if connection.vendor == "mysql":
            error = OperationalError(1205, "lock wait password=hunter2")
        if connection.vendor == "sqlite":
            error = OperationalError("database is locked password=hunter2")
        raise error

    monkeypatch.setattr(groups, "save", busy)
    api.client.raise_request_exception = False
    answer = api.post("groups/", NIGHT)
    assert (answer.status_code, answer.data["errors"][0]["code"]) == (503, "database_unavailable")
    assert (answer["Retry-After"], "hunter2" in answer.content.decode()) == ("2", False)


def test_a_fault_of_the_program_says_nothing_of_its_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any, **_options: Any) -> None:
        raise KeyError("password=hunter2")

    monkeypatch.setattr(groups, "save", broken)
    api.client.raise_request_exception = False
    answer = api.post("groups/", NIGHT)
    assert (answer.status_code, answer.data["type"]) == (500, "server_error")
    assert "hunter2" not in answer.content.decode()
