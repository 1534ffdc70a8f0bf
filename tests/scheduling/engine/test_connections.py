"""A node's connections to the database: no more than it has seats and threads of its own, and old ones are closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, connections

from scheduling.models import Execution
from scheduling.registry import task
from scheduling.services import tasks
from tests.conftest import TESTER, new_task
from tests.scheduling.engine.conftest import YEARLY, HandNode

RUNS = 200


@task("Ask the database")
def ask_the_database(seconds: float = 0.0) -> int:
    found: int = Execution.objects.order_by().values_list("id")[:1].count()
    time.sleep(seconds)
    return found


def connected() -> int:
    """How many connections the tests' database has, as the server sees it."""
    question = {
        "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend'",
        "mysql": "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(question)
        return int(cursor.fetchone()[0])


@pytest.fixture
def server(db: None) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server that counts connections")


def ask_for(number: int, **parameters: float) -> None:
    made = new_task("asks", function="ask_the_database", max_concurrent=0, parameters=parameters, **YEARLY)
    asks = tasks.create(made, actor=TESTER)
    for _ in range(number):
        tasks.run_now(asks.pk, actor=TESTER)


@pytest.mark.usefixtures("server")
def test_while_two_hundred_runs_run(node: HandNode) -> None:
    before = connected()
    ask_for(RUNS, seconds=0.005)
    most = 0

    def ended() -> bool:
        nonlocal most
        most = max(most, connected())
        return not Execution.objects.exclude(state="succeeded").exists()

    node.tick_until(ended, "all have run")
    assert Execution.objects.count() == RUNS
    assert before + 1 < most <= before + node.runs.free()["thread"], "one for each seat, and none beside"


@pytest.mark.usefixtures("server")
def test_one_that_is_old_is_closed_after_the_run(node: HandNode) -> None:
    before = connected()
    closes: Callable[[], None] = connections["default"].close
    saved = connections["default"].settings_dict["CONN_MAX_AGE"]
    connections["default"].settings_dict["CONN_MAX_AGE"] = 0
    try:
        ask_for(20)
        node.settle()
        assert connected() == before
    finally:
        connections["default"].settings_dict["CONN_MAX_AGE"] = saved
        closes()
    assert threading.active_count() > 1, "the threads live on"
