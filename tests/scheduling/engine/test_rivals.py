"""Pain 24: a tick and a rival, let in at the wrong moment: a real deadlock, and a lock that is held."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import QuerySet

from scheduling.models import Execution, Node, Pool
from scheduling.services import tasks
from tests.conftest import TESTER
from tests.scheduling.engine.conftest import HandNode, stored


@pytest.fixture
def rival() -> Iterator[ThreadPoolExecutor]:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time: it waits, and there is no deadlock")
    with ThreadPoolExecutor(1) as threads:
        yield threads


class Meeting:
    """A tick that wants a row which the rival holds."""

    def __init__(self, row: QuerySet[Any]) -> None:
        self.row = row
        self.held, self.wanted = threading.Event(), threading.Event()

    def rival(self, then: Callable[[], Any]) -> None:
        """Holds the row, has changed so much that it is not the one to give way, and then does that."""
        try:
            with transaction.atomic():
                Pool.objects.bulk_create(Pool(key=f"rival-{number}", capacity=1) for number in range(300))
                list(self.row.select_for_update())
                self.held.set()
                assert self.wanted.wait(10)
                then()
        finally:
            connections.close_all()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Within the block it is noticed when the tick asks for a row of that table."""
        table = self.row.model._meta.db_table

        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if table in sql and "FOR UPDATE" in sql:
                self.wanted.set()
            return execute(sql, params, many, context)

        with connection.execute_wrapper(wrapper):
            yield


def ended_run(node: HandNode) -> Execution:
    """Its result waits to be stored, and another one to be claimed."""
    execution = tasks.run_now(stored("task").pk, actor=TESTER)
    node.tick()
    node.await_results(1)
    tasks.run_now(stored("next").pk, actor=TESTER)
    return execution


def assert_stored_once(
    node: HandNode, execution: Execution, caplog: pytest.LogCaptureFixture, words: str
) -> None:
    said = [record for record in caplog.records if record.message == "transaction repeated"]
    assert any(words in record.cause.lower() for record in said), caplog.text  # type: ignore[attr-defined]
    assert node.state.trouble == ""
    execution.refresh_from_db()
    assert (execution.state, execution.attempt) == ("succeeded", 1)
    assert Pool.objects.count() == 300, "the rival was not disturbed"


def test_a_real_deadlock_with_a_rival_is_repeated(
    node: HandNode, rival: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """1213 and 40P01: the tick has locked one row of two that have ended, and wants the other."""
    tasks.run_now(stored("other").pk, actor=TESTER)
    execution = ended_run(node)
    node.await_results(2)
    first, second = Execution.objects.filter(state="running").order_by("pk")
    meeting = Meeting(Execution.objects.filter(pk=second.pk))

    def close_the_circle() -> None:
        time.sleep(0.2)  # the tick's statement is on its way, and then waits for us
        Execution.objects.filter(pk=first.pk).update(progress_text="the rival was here")

    with caplog.at_level("INFO"), meeting.watched():
        done = rival.submit(meeting.rival, close_the_circle)
        assert meeting.held.wait(10)
        node.tick()
        done.result(20)
    assert_stored_once(node, execution, caplog, "deadlock")


def test_a_lock_that_is_held_is_waited_for(
    node: HandNode, rival: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """1205 and 55P03: after two seconds the whole transaction is repeated; no lock is kept from others meanwhile."""
    execution = ended_run(node)
    meeting = Meeting(Node.objects.filter(pk=node.id))
    with caplog.at_level("INFO"), meeting.watched():
        done = rival.submit(meeting.rival, lambda: time.sleep(2.7))
        assert meeting.held.wait(10)
        node.tick()
        done.result(20)
    assert_stored_once(node, execution, caplog, "lock")
