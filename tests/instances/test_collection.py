from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest
from django.db import connections

from instances.dialects import DIALECTS
from instances.dialects.readings import DatabaseSizeReading, ServerReading, SizesReading
from instances.exceptions import QueryFailed
from instances.models import DatabaseSize, Instance, InstanceSize, SyncSession
from instances.services import collection
from scheduling.context import NullRun, RunCancelled
from tests.instances.servers import PREFIX

pytestmark = pytest.mark.django_db

READING = SizesReading(ServerReading("x 1", "1", "X", 1.5), (DatabaseSizeReading("a", 7),))


class Scripted:
    """A dialect that does what a test says, by host."""

    label = "Scripted"
    default_port = 1
    needs_credential = True
    needs_host = True

    def __init__(self, **scripts: Any) -> None:
        self.scripts = scripts
        self.most = self._now = 0
        self._lock = threading.Lock()

    def target_errors(self, _target: Any) -> dict[str, list[str]]:
        return {}

    def place(self, target: Any) -> tuple[str, ...]:
        return (target.host,)

    def database_sizes(self, target: Any) -> SizesReading:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            script = self.scripts.get(target.host, lambda: None)
            script()
            return READING
        finally:
            with self._lock:
                self._now -= 1


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, make_instance: Any) -> Any:
    def make(count: int, **scripts: Any) -> tuple[Scripted, list[Instance]]:
        dialect = Scripted(**scripts)
        monkeypatch.setitem(DIALECTS, "scripted", dialect)
        return dialect, [make_instance(f"i{n}", dialect="scripted", host=f"h{n}") for n in range(count)]

    return make


def raising(error: BaseException) -> Any:
    def script() -> None:
        raise error

    return script


def collect(chosen: list[Instance]) -> SyncSession:
    session = collection.collect(collection.SIZES, chosen, origin="schedule", execution_id=5)
    return SyncSession.objects.get(pk=session.pk)


def test_one_failure_does_not_stop_the_others(scripted: Any) -> None:
    _dialect, chosen = scripted(4, h1=raising(QueryFailed("no such table")))
    session = collect(chosen)
    assert (session.status, session.total, session.succeeded, session.failed) == ("partly_failed", 4, 3, 1)
    record = session.records.get(state="failed")
    assert (record.instance.name, record.error, record.error_code) == ("i1", "no such table", "query_failed")
    assert set(Instance.objects.values_list("name", "status")) == {
        ("i0", "ok"), ("i1", "failed"), ("i2", "ok"), ("i3", "ok"),
    }  # fmt: skip
    assert DatabaseSize.objects.count() == InstanceSize.objects.count() == 3


def test_a_failed_fetch_wipes_no_row(scripted: Any) -> None:
    dialect, chosen = scripted(1)
    collect(chosen)
    before = list(DatabaseSize.objects.values())
    dialect.scripts["h0"] = raising(QueryFailed("away"))
    assert collect(chosen).status == "failed"
    assert list(DatabaseSize.objects.values()) == before


def test_a_mistake_in_a_dialect_is_that_instances_own(scripted: Any, caplog: Any) -> None:
    _dialect, chosen = scripted(2, h0=raising(ZeroDivisionError("oops")))
    session = collect(chosen)
    assert session.status == "partly_failed"
    assert session.records.get(state="failed").error == "ZeroDivisionError: oops"
    assert "Traceback" in caplog.text


def test_at_most_so_many_at_a_time(scripted: Any, settings: Any) -> None:
    settings.JOBSITE_SYNC_PARALLEL = 3
    dialect, chosen = scripted(9, **{f"h{n}": lambda: time.sleep(0.05) for n in range(9)})
    assert collect(chosen).succeeded == 9
    assert dialect.most == 3


def test_slow_ones_run_side_by_side(scripted: Any, settings: Any) -> None:
    settings.JOBSITE_SYNC_PARALLEL = 8
    all_eight = threading.Barrier(8)  # which none passes alone
    _dialect, chosen = scripted(8, **{f"h{n}": lambda: all_eight.wait(30) for n in range(8)})
    assert collect(chosen).succeeded == 8


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_server_is_asked(scripted: Any) -> None:
    own, seen = connections["default"], []  # of this thread: another thread that asks gets another
    _dialect, chosen = scripted(2, h0=lambda: seen.append(own.in_atomic_block))
    collect(chosen)
    assert seen == [False]


def test_threads_open_no_connection_to_the_own_database(scripted: Any) -> None:
    opened: list[bool] = []
    _dialect, chosen = scripted(1, h0=lambda: opened.append(connections["default"].connection is not None))
    collect(chosen)
    assert opened == [False]


class CancelledRun(NullRun):
    """Asked to end after so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        object.__setattr__(self, "_progress", None)
        CancelledRun.left = looks

    left = 0

    def check_cancelled(self) -> None:
        CancelledRun.left -= 1
        if CancelledRun.left < 0:
            raise RunCancelled("by_person")


def test_cancelling_records_what_is_under_way_and_leaves_the_rest(
    scripted: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOBSITE_SYNC_PARALLEL = 2
    _dialect, chosen = scripted(6, h0=lambda: time.sleep(0.1), h1=lambda: time.sleep(0.6))
    monkeypatch.setattr(collection, "current_run", lambda: CancelledRun(0))
    with pytest.raises(RunCancelled):
        collect(chosen)
    session = SyncSession.objects.get()
    assert (session.status, session.succeeded, session.skipped) == ("cancelled", 2, 4)
    assert set(session.records.values_list("instance__name", "state")) == {
        ("i0", "completed"), ("i1", "completed"),
        ("i2", "cancelled"), ("i3", "cancelled"), ("i4", "cancelled"), ("i5", "cancelled"),
    }  # fmt: skip


def test_log_records_carry_session_and_instance(scripted: Any, caplog: Any) -> None:
    _dialect, chosen = scripted(1)
    with caplog.at_level(logging.INFO, "instances"):
        session = collect(chosen)
    record = next(each for each in caplog.records if hasattr(each, "instance_id"))
    assert (record.session_id, record.instance_id, record.instance) == (str(session.pk), chosen[0].pk, "i0")


def test_real_servers(
    of_server: Any, postgres: Any, mariadb: Any, postgres_databases: Any, mariadb_databases: Any,
    make_instance: Any, silent_port: int,
) -> None:  # fmt: skip
    """What is stored is what the dialects read, which their own tests compare with the servers."""
    pg, my = of_server(postgres, "pg"), of_server(mariadb, "my")
    silent = make_instance(
        "silent", host="127.0.0.1", port=silent_port, options={"connect_timeout_seconds": 1}
    )
    began = time.monotonic()
    session = collect([pg, my, silent])
    assert time.monotonic() - began < 30
    assert (session.status, session.succeeded, session.failed) == ("partly_failed", 2, 1)
    for instance, names in ((pg, postgres_databases), (my, mariadb_databases)):
        rows = DatabaseSize.objects.filter(instance=instance, database__startswith=PREFIX)
        stored = dict(rows.values_list("database", "total_bytes"))
        assert set(stored) == set(names)
        read = instance.kind.database_sizes(instance.target()).databases
        assert stored == {one.name: one.total_bytes for one in read if one.name in stored}
