"""P5: a server that is frozen, or behind a proxy that holds on to it, must not stop the tick and the beat for ever.

By hand, with the proxy silent for 45 s: twenty runs in progress end with their own results on PostgreSQL (cut by
``silence``) and on MariaDB (by the driver's read timeout); without it, the node ended itself after 30 s.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import pytest
from django.db import Error, connection

from scheduling.engine import silence
from scheduling.sql.transactions import Fault, classify, drop_connection
from tests.conftest import await_


@pytest.fixture(autouse=True)
def _only_where_needed(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL's driver waits without an end")


def wait_for_the_server(backends: SimpleQueue[int]) -> Fault:
    """A statement that gets no answer for a minute; returns what kind of fault ended it."""
    try:
        with silence.bounded(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backends.put(cursor.fetchone()[0])
            cursor.execute("SELECT pg_sleep(60)")
    except Error as error:
        return classify(error)
    finally:
        drop_connection()
    return Fault.OTHER


def test_a_connection_that_gets_no_answer_is_cut() -> None:
    backends: SimpleQueue[int] = SimpleQueue()
    with ThreadPoolExecutor(1) as threads:
        waiting: Future[Fault] = threads.submit(wait_for_the_server, backends)
        backend = backends.get(timeout=10)
        assert silence.cut_silent(60) == 0, "it has not been silent for long"
        await_(lambda: silence.cut_silent(0.1), 5, "it is cut")
        assert waiting.result(5) is Fault.AWAY
    with connection.cursor() as cursor:  # which sleeps on, and notices nothing
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])


def test_a_connection_that_rests_is_left_alone() -> None:
    with silence.bounded(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    time.sleep(0.02)
    assert silence.cut_silent(0.01) == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
