"""Pains 5, 24 and 45: four schedulers beside idle transactions, locks against the order, and killed sessions."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import Error, connection, connections, transaction

from scheduling.models import ACTIVE, Execution, Node
from scheduling.sql.transactions import Fault, classify
from tests.conftest import Nodes, await_, in_seconds
from tests.promises import story

pytestmark = pytest.mark.processes

BURST = 300
SCHEDULERS = 4
KILL_SECONDS = 6


class Disturbance(threading.Thread):
    """Does something in a transaction of its own, again and again, until the block ends."""

    def __init__(self, step: Callable[[int], None], pause_seconds: float) -> None:
        super().__init__(daemon=True)
        self._step, self._pause_seconds = step, pause_seconds
        self._enough = threading.Event()
        self.done = 0

    def __enter__(self) -> Disturbance:
        self.start()
        return self

    def __exit__(self, *_args: object) -> None:
        self._enough.set()
        self.join(30)
        assert self.done > 0, "nothing was disturbed"

    def run(self) -> None:
        while not self._enough.wait(self._pause_seconds):
            try:
                self._step(self.done)
                self.done += 1
            except Error as error:
                if classify(error) is Fault.OTHER:
                    raise
                connection.close()
        connections.close_all()


def hold_against_the_order(turn: int) -> None:
    """Locks what the schedulers lock, the other way round, and then rests within the transaction."""
    with transaction.atomic():
        live = Execution.objects.filter(state__in=ACTIVE).order_by("-id").values_list("pk", flat=True)
        rows = list(live[:20])
        if turn % 3 == 0:
            list(Node.objects.select_for_update().order_by("-id"))
        for id in rows:
            Execution.objects.filter(pk=id).update(progress_text=f"rival {turn}")
        time.sleep(0.3)  # idle in transaction


#: Session, and the word that ends it.
SESSIONS = {
    "postgresql": (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()",
        "SELECT pg_terminate_backend(%s)",
    ),
    "mysql": ("SELECT id FROM information_schema.processlist WHERE db = DATABASE()", "KILL %s"),
}


def kill_sessions(spared: set[int]) -> int:
    """Those of all others in the tests' database; how many."""
    list_them, end_one = SESSIONS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(list_them)
        ids = {id for (id,) in cursor.fetchall()} - spared - {own_session()}
        for id in ids:
            with contextlib.suppress(Error):  # it has ended by itself
                cursor.execute(end_one, [id])
    return len(ids)


def own_session() -> int:
    connection.ensure_connection()
    raw: Any = connection.connection
    return int(raw.get_backend_pid() if connection.vendor == "postgresql" else raw.thread_id())


def kill_every_second(seconds: int, spared: set[int]) -> int:
    """How many sessions it has ended."""
    killed = 0
    for _ in range(seconds):
        killed += kill_sessions(spared)
        time.sleep(1)
    connections.close_all()
    return killed


def test_four_schedulers_beside_rivals_and_an_executioner(nodes: Nodes) -> None:
    """Pain 24: no error that is not handled. Pain 45: every session killed once a second, and work goes on."""
    for _ in range(SCHEDULERS):
        nodes.start("--threads", "8")
    await_(lambda: Node.objects.filter(state="active").count() == SCHEDULERS, 60, "all work")
    steady = story.steady_task(nodes)
    story.make_due(BURST, in_seconds(0), nodes)
    with Disturbance(hold_against_the_order, 0.05), Disturbance(hold_against_the_order, 0.1):
        await_(lambda: story.count(state="succeeded") >= BURST, 60, "the burst has run")
    if connection.vendor != "sqlite":
        with ThreadPoolExecutor(1) as threads:
            kills = threads.submit(kill_every_second, KILL_SECONDS, {own_session()})
            story.make_due(BURST, in_seconds(1), nodes)
            assert kills.result() >= SCHEDULERS * KILL_SECONDS, "there were not many sessions"
        began = time.monotonic()
        story.await_another(steady, 15)
        done = Execution.objects.exclude(task=steady).filter(state="succeeded")
        await_(lambda: done.count() == 2 * BURST, 15 - (time.monotonic() - began), "the second burst has run")
    assert [node.stop() for node in nodes.started] == [0] * SCHEDULERS
    number = 1 + Execution.objects.exclude(task=steady).count()
    assert number == 1 + (BURST if connection.vendor == "sqlite" else 2 * BURST)
    assert story.check(nodes, number).keys() <= {"succeeded", "missed", "skipped", "cancelled"}
    story.assert_each_once(steady, story.SECOND)
    for each in nodes.started:
        assert "Traceback" not in each.said()
        assert " ERROR " not in each.said()
