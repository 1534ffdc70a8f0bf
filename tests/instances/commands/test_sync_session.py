"""``manage.py sync_session VERB``: what the page of a collection does, for programs."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from instances.models import SyncSession
from instances.services import sessions
from instances.services.sessions import RowCounts
from scheduling.models import Execution
from scheduling.services.actor import SYSTEM

pytestmark = pytest.mark.django_db


def objects(verb: str, *arguments: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command("sync_session", verb, *arguments, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def refused(verb: str, *arguments: str) -> str:
    said = io.StringIO()
    with pytest.raises(CommandError):
        call_command("sync_session", verb, *arguments, stdout=io.StringIO(), stderr=said)
    return said.getvalue()


@pytest.fixture
def session(make_instance: Any) -> SyncSession:
    return sessions.create("size", "manual_batch", [make_instance("a"), make_instance("b")], actor=SYSTEM)


def test_list_tells_the_outcome(session: SyncSession) -> None:
    (row,) = objects("list")
    assert (row["id"], row["status"], row["total"]) == (str(session.pk), "running", 2)
    out = io.StringIO()
    call_command("sync_session", "list", stdout=out)
    assert out.getvalue().endswith("size running 0/2\n")


def test_outcomes_and_states_narrow_what_is_told(session: SyncSession) -> None:
    first, second = session.records.order_by("pk")
    for record in (first, second):
        sessions.start(record)
    sessions.fail(first, "no route")
    sessions.complete(second, RowCounts(), {"notes": ["Half is hidden."]})
    sessions.finish(session)
    assert [row["id"] for row in objects("list", "--status", "partly_failed", "--category", "size")] == [
        str(session.pk)
    ]
    assert objects("list", "--status", "lost") == objects("list", "--category", "account") == []
    _told, row = objects("show", str(session.pk), "--state", "failed")
    assert (row["instance"], row["error"]) == ("a", "no route")
    out = io.StringIO()
    call_command("sync_session", "show", str(session.pk), "--state", "completed", stdout=out)
    assert out.getvalue().splitlines()[1].endswith("completed  Half is hidden.")
    with pytest.raises(CommandError, match="invalid choice"):
        objects("list", "--status", "good")


def test_cancel_and_retry(session: SyncSession, make_task: Any) -> None:
    make_task("collect_database_sizes", function="collect_database_sizes")
    first, second = session.records.order_by("pk")
    sessions.start(first)
    assert "still running" in refused("retry", str(session.pk))
    (row,) = objects("cancel", str(session.pk))
    assert row["cancel_requested_at"]
    second.refresh_from_db()
    assert second.state == "cancelled"
    sessions.fail(first, "no")
    sessions.finish(session)
    assert "has ended already" in refused("cancel", str(session.pk))
    (run,) = objects("retry", str(session.pk))
    assert Execution.objects.get(pk=run["id"]).parameters["retry_of"] == str(session.pk)
    assert "no such session" in refused("retry", str(uuid.uuid4()))
