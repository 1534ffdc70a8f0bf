from __future__ import annotations

import json
import uuid
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from instances import tasks
from instances.exceptions import WrongState
from instances.models import AccountChange, InstanceAccount, StatementRun, SyncRecord, SyncSession
from instances.services import sessions
from instances.services.sessions import RowCounts
from scheduling.models import Execution
from scheduling.services.actor import Actor
from tests.conftest import TESTER
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


class TestCancel:
    def test_what_has_not_begun_does_not_begin(self, begin: Any) -> None:
        session, (first, second, third) = begin(3)
        sessions.start(first)
        assert sessions.request_cancel(session, actor=TRUSTED) == 2
        with pytest.raises(WrongState):
            sessions.start(second)
        sessions.complete(first, RowCounts())
        sessions.finish(session)
        assert counts(session) == ("cancelled", 3, 1, 0, 2)
        assert SyncRecord.objects.get(pk=third.pk).finished_at is not None
        with pytest.raises(WrongState, match="already"):
            sessions.request_cancel(session, actor=TRUSTED)

    def test_a_collection_stops_between_instances(
        self, make_instance: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        """Cancelled while the first of three is asked: that one is kept, the others are not asked."""
        from instances.dialects.readings import DatabaseSizeReading, ServerReading, SizesReading
        from instances.services import collection

        settings.JOBSITE_SYNC_PARALLEL = 1
        chosen = [make_instance(name) for name in ("a", "b", "c")]
        real = collection._save_sizes

        def save_and_cancel(record: SyncRecord, reading: SizesReading) -> RowCounts:
            sessions.request_cancel(record.session, actor=TRUSTED)
            return real(record, reading)

        reading = SizesReading(ServerReading("x", "1", "X", 1), (DatabaseSizeReading("d", 1),))
        kind = collection.Kind("size", ask=lambda _dialect, _target: reading, save=save_and_cancel)
        session = collection.collect(kind, chosen, origin="manual_batch")
        assert counts(session) == ("cancelled", 3, 1, 0, 2)


class TestLost:
    def test_one_whose_execution_has_ended_is_closed(self, begin: Any, make_task: Any, clock: Any) -> None:
        from scheduling.services import tasks

        session, (first, _second, third) = begin(3)
        execution = tasks.run_now(make_task("t").pk, actor=TRUSTED)
        SyncSession.objects.update(execution_id=execution.pk)
        sessions.start(first)
        sessions.complete(first, RowCounts())
        sessions.start(third)
        clock.move(hours=1)
        assert sessions.close_lost(now=clock.now()) == []  # somebody works on it, or will
        Execution.objects.update(state="lost", reason="node_lost", finished_at=clock.now())
        assert sessions.close_lost(now=clock.now()) == [session]
        assert counts(session) == ("lost", 3, 1, 1, 1)
        assert SyncRecord.objects.get(pk=third.pk).error_code == "lost"
        with pytest.raises(WrongState):
            sessions.complete(third, RowCounts())
        assert sessions.close_lost(now=clock.now()) == []

    def test_one_whose_execution_is_pruned_is_closed_and_a_fresh_one_is_not(
        self, begin: Any, clock: Any
    ) -> None:
        session, _records = begin(1)
        assert sessions.close_lost(now=clock.now()) == []
        clock.move(minutes=2)
        assert sessions.close_lost(now=clock.now()) == [session]

    def test_one_of_a_command_is_closed_when_it_is_silent(self, begin: Any, clock: Any) -> None:
        session, (record, _other) = begin(2)
        SyncSession.objects.update(execution_id=None)
        clock.move(hours=2)
        sessions.start(record)
        clock.move(hours=2)
        assert sessions.close_lost(now=clock.now()) == []
        clock.move(hours=2)
        assert sessions.close_lost(now=clock.now()) == [session]


class TestRetry:
    def test_only_what_failed_is_visited_again(self, make_instance: Any, make_task: Any) -> None:
        from instances import tasks
        from instances.exceptions import CollectionFailed, OptionsInvalid
        from instances.services import requests
        from scheduling.exceptions import Refused

        for port, name in enumerate(("dead", "gone", "fine"), start=1):
            make_instance(name, host="127.0.0.1", port=port)
        with pytest.raises(CollectionFailed):
            tasks.collect_database_sizes()
        first = SyncSession.objects.get()
        SyncRecord.objects.filter(instance__name="fine").update(state="completed")
        SyncRecord.objects.filter(instance__name="gone").update(state="cancelled")
        with pytest.raises(CollectionFailed):
            tasks.collect_database_sizes(retry_of=first.pk)
        again = SyncSession.objects.get(retry_of=first)
        assert set(again.records.values_list("instance__name", flat=True)) == {"dead", "gone"}
        with pytest.raises(OptionsInvalid):
            tasks.sync_accounts(retry_of=first.pk)  # it collected sizes
        make_task("collect_database_sizes", function="collect_database_sizes")
        execution = requests.retry(first, actor=TRUSTED)
        assert execution.parameters == {"retry_of": str(first.pk), "instances": None}
        SyncRecord.objects.update(state="completed")
        with pytest.raises(Refused, match="has failed"):
            requests.retry(first, actor=TRUSTED)


# --- by command


def test_the_command_shows_what_came_of_each(make_instance: Any) -> None:
    chosen = [make_instance(name) for name in ("one", "two")]
    session = sessions.create("size", "api", chosen, actor=TESTER)
    first, second = session.records.order_by("instance__name")
    for record in (first, second):
        sessions.start(record)
    sessions.fail(first, "no route", "unreachable")
    sessions.complete(second, RowCounts(created=2), {"notes": ["half of it"]})
    assert sessions.finish(session).status == "partly_failed"
    output = StringIO()
    call_command("sync_session", "show", str(session.pk), "--json", stdout=output)
    told, *rows = (json.loads(line) for line in output.getvalue().splitlines())
    assert (told["id"], told["status"], told["failed"]) == (str(session.pk), "partly_failed", 1)
    assert [(row["instance"], row["state"], row["error"], row["notes"]) for row in rows] == [
        ("one", "failed", "no route", []),
        ("two", "completed", None, ["half of it"]),
    ]
    with pytest.raises(CommandError):
        call_command("sync_session", "show", str(uuid.uuid4()), stdout=StringIO(), stderr=StringIO())


def test_old_ones_go_and_running_ones_stay(make_instance: Any, clock: Any) -> None:
    instance = make_instance("one")
    old = sessions.create("size", "api", [instance], actor=TESTER)
    sessions.finish(old, cancelled=True)
    stuck = sessions.create("size", "api", [instance], actor=TESTER)
    account = InstanceAccount.objects.create(
        instance=instance, name="a", username="a", first_seen_at=old.started_at, last_seen_at=old.started_at
    )
    AccountChange.objects.create(
        instance=instance, account=account, name="a", kind="added", at=old.started_at, session=old
    )
    StatementRun.objects.create(at=old.started_at, source="api", statement="SELECT 1", writes=False)
    clock.move(days=90)
    young = sessions.create("size", "api", [instance], actor=TESTER)
    sessions.finish(young, cancelled=True)
    assert tasks.cleanup_old_sessions() == {"sessions": 0, "statements": 0}
    clock.move(seconds=1)
    assert tasks.cleanup_old_sessions() == {"sessions": 1, "statements": 1}
    assert set(SyncSession.objects.all()) == {stuck, young}
    assert SyncRecord.objects.count() == 2
    assert AccountChange.objects.get().session is None


# --- lost, as each face tells it


def test_a_lost_session_is_told_and_done_again_by_every_face(
    make_instance: Any, make_task: Any, clock: Any, admin_client: Any
) -> None:
    make_task("collect_database_sizes", function="collect_database_sizes")
    session = sessions.create("size", "api", [make_instance("one"), make_instance("two")], actor=TESTER)
    sessions.start(session.records.order_by("pk")[0])
    clock.move(hours=4)
    assert tasks.close_lost_sessions() == {"closed": [str(session.pk)]}
    key = str(session.pk)
    page = admin_client.get(f"/admin/instances/syncsession/{key}/change/").content.decode()
    assert "Whoever worked on this is gone." in page
    assert "Visit again what failed" in page
    listed = admin_client.get("/admin/instances/syncsession/?status__exact=lost").content.decode()
    assert key in listed
    (row,) = admin_client.get("/api/v1/sync-sessions/?status=lost").json()["results"]
    assert (row["id"], row["failed"], row["skipped"], row["retry_of"]) == (key, 1, 1, None)
    output = StringIO()
    call_command("sync_session", "list", "--status", "lost", "--json", stdout=output)
    assert json.loads(output.getvalue())["id"] == key
    admin_client.post(f"/admin/instances/syncsession/{key}/retry/")
    answer = admin_client.post(f"/api/v1/sync-sessions/{key}/retry/")
    assert answer.status_code == 202
    call_command("sync_session", "retry", key, stdout=StringIO())
    runs = Execution.objects.filter(function="collect_database_sizes")
    assert [run.parameters["retry_of"] for run in runs] == [key] * 3
    assert admin_client.post(f"/api/v1/sync-sessions/{key}/cancel/").status_code == 409
