from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from instances.exceptions import WrongState
from instances.models import SyncRecord, SyncSession
from instances.services import sessions
from instances.services.sessions import RowCounts
from scheduling.services.actor import Actor
from tests.instances.servers import TRUSTED

pytestmark = pytest.mark.django_db


@pytest.fixture
def begin(make_instance: Any) -> Any:
    def make(count: int) -> tuple[SyncSession, list[SyncRecord]]:
        rows = [make_instance(f"i{number}") for number in range(count)]
        session = sessions.create("size", "schedule", rows, actor=TRUSTED, execution_id=7)
        return session, list(session.records.order_by("pk"))

    return make


def counts(session: SyncSession) -> tuple[Any, ...]:
    row = SyncSession.objects.get(pk=session.pk)
    return row.status, row.total, row.succeeded, row.failed, row.skipped


def test_it_begins_with_a_pending_record_for_each(begin: Any) -> None:
    session, records = begin(3)
    assert counts(session) == ("running", 3, 0, 0, 0)
    assert [record.state for record in records] == ["pending"] * 3
    assert session.execution_id == 7


def test_who_began_it_is_written_down(make_instance: Any) -> None:
    alice = User.objects.create_user("alice")
    session = sessions.create("size", "manual_batch", [], actor=Actor(user=alice, source="admin"))
    assert SyncSession.objects.get().created_by == alice
    assert session.total == 0


@pytest.mark.parametrize(
    ("outcomes", "status", "numbers"),
    [
        ("", "completed", (0, 0, 0)),
        ("ok ok", "completed", (2, 0, 0)),
        ("ok bad ok", "partly_failed", (2, 1, 0)),
        ("bad bad", "failed", (0, 2, 0)),
        ("ok skip", "partly_failed", (1, 0, 1)),
        ("skip skip", "cancelled", (0, 0, 2)),
        ("bad skip", "failed", (0, 1, 1)),
    ],
)
def test_the_outcome_follows_from_the_records(
    outcomes: str, status: str, numbers: tuple[int, ...], begin: Any
) -> None:
    words = outcomes.split()
    session, records = begin(len(words))
    for word, record in zip(words, records, strict=True):
        sessions.start(record)
        if word == "ok":
            sessions.complete(record, RowCounts(created=1))
        elif word == "bad":
            sessions.fail(record, "no")
        else:
            sessions.cancel(record)
    sessions.finish(session)
    assert counts(session) == (status, len(words), *numbers)
    assert session.finished_at is not None


def test_cancelling_ends_what_has_not_ended(begin: Any) -> None:
    session, (first, second, third) = begin(3)
    sessions.start(first)
    sessions.complete(first, RowCounts())
    sessions.start(second)
    sessions.finish(session, cancelled=True)
    assert counts(session) == ("cancelled", 3, 1, 0, 2)
    for record in (second, third):
        record.refresh_from_db()
        assert record.state == "cancelled"
    with pytest.raises(WrongState, match="cancelled"):
        sessions.complete(second, RowCounts())


def test_an_unfinished_record_keeps_the_session_open(begin: Any) -> None:
    session, _records = begin(1)
    with pytest.raises(WrongState, match="1 records"):
        sessions.finish(session)
    assert counts(session)[0] == "running"


def test_a_session_ends_once(begin: Any) -> None:
    session, _records = begin(0)
    sessions.finish(session)
    with pytest.raises(WrongState, match="already"):
        sessions.finish(session)


@pytest.mark.parametrize(
    ("steps", "refused"),
    [
        ([], "complete"),
        (["start"], "start"),
        (["start", "complete"], "fail"),
        (["start", "complete"], "cancel"),
        (["start", "fail"], "complete"),
        (["fail"], "start"),
        (["cancel"], "start"),
    ],
)
def test_a_step_out_of_order_is_refused(steps: list[str], refused: str, begin: Any) -> None:
    _session, (record,) = begin(1)
    verbs = {
        "start": lambda: sessions.start(record),
        "complete": lambda: sessions.complete(record, RowCounts()),
        "fail": lambda: sessions.fail(record, "no"),
        "cancel": lambda: sessions.cancel(record),
    }
    for step in steps:
        verbs[step]()
    before = SyncRecord.objects.values().get()
    with pytest.raises(WrongState):
        verbs[refused]()
    assert SyncRecord.objects.values().get() == before


def test_instances_join_only_while_it_runs(begin: Any, make_instance: Any) -> None:
    session, _records = begin(0)
    record = sessions.add_record(session, make_instance("late"))
    assert counts(session)[1] == 1
    sessions.start(record)
    sessions.fail(record, "no\0 good\udfff", "timed_out")
    record.refresh_from_db()
    assert record.error_code == "timed_out"
    assert "\0" not in record.error
    sessions.finish(session)
    with pytest.raises(WrongState):
        sessions.add_record(session, make_instance("too late"))
