"""Pains 5, 26 and 45: a server of the tests' own that is restarted, killed, impatient or read-only.

P3 and P5: nothing is lost, nothing runs twice, no healthy run is lost, and work goes on within 10 s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import close_old_connections, connection

from scheduling.models import Execution, Node
from scheduling.services import tasks
from tests.conftest import TESTER, Nodes, await_, in_seconds, new_task
from tests.own_server import OwnServer, instead, own_server
from tests.promises import story
from tests.scheduling.engine.conftest import YEARLY

pytestmark = pytest.mark.processes

BURST = 600
SHORT_LEASE = {"JOBSITE_LEASE_SECONDS": "3", "JOBSITE_BEAT_SECONDS": "0.5"}


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[OwnServer]:
    """The tests' connection leads to it, and so do the schedulers that they start."""
    with django_db_blocker.unblock(), own_server() as started:
        where = {"HOST": "127.0.0.1", "PORT": str(started.port), "USER": started.login, "PASSWORD": ""}
        with instead(**where, NAME="jobsite"):
            call_command("migrate", verbosity=0)
            yield started


@pytest.mark.parametrize("mode", ["stop", "kill"])
def test_a_restart_in_the_midst_of_a_burst(server: OwnServer, nodes: Nodes, mode: str) -> None:
    """Pain 5, P3, P5: the next due run starts within 10 s of the server being back; nothing is lost or repeated."""
    steady = story.steady_task(nodes)
    node = nodes.start_ready("--threads", "8")
    story.make_due(BURST, in_seconds(0), nodes)
    await_(lambda: story.count(state="succeeded") > BURST / 5, what="a part of the burst has run")
    connection.close()
    getattr(server, mode)()
    time.sleep(1)  # the outage itself
    server.start()
    back = time.monotonic()
    assert story.count(state="succeeded") < BURST, "the burst was over too early"
    story.await_another(steady, 10 - (time.monotonic() - back))
    due = Execution.objects.exclude(task=steady)
    await_(lambda: due.filter(state="succeeded").count() == BURST, what="the whole burst has run")
    assert node.stop() == 0
    story.assert_each_once(steady, story.SECOND)
    ended = story.check(nodes, BURST + 1)
    assert ended.keys() <= {"succeeded", "missed", "skipped", "cancelled"}, "a healthy run was lost"


#: What makes a server end sessions that rest for a second, and what takes that back; sessions begun later obey.
IMPATIENT = {
    "postgresql": ("ALTER ROLE jobsite SET idle_session_timeout = '1s'", "ALTER ROLE jobsite RESET ALL"),
    "mysql": ("SET GLOBAL wait_timeout = 1", "SET GLOBAL wait_timeout = DEFAULT"),
}
#: The same for a server that takes no writes, at once and from everybody but its administrator.
READ_ONLY = {
    "postgresql": (
        ("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"),
        ("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"),
    ),
    "mysql": (("SET GLOBAL read_only = 1",), ("SET GLOBAL read_only = 0",)),
}


def test_a_server_that_ends_idle_sessions(server: OwnServer, nodes: Nodes) -> None:
    """Pain 5: ``wait_timeout``; between two ticks, two uses by runs, and two pages. Nothing is late or noticed."""
    begin, end = IMPATIENT[connection.vendor]
    server.sql(begin)
    connection.close()
    try:
        steady = story.steady_task(nodes, seconds=3)
        prune = tasks.create(new_task("prune", function="prune_history", **YEARLY), actor=TESTER)
        node = nodes.start_ready("--threads", "1", JOBSITE_POLL_SECONDS="2")
        for _ in range(2):
            close_old_connections()  # as each request does
            asked = tasks.run_now(prune.pk, actor=TESTER)
            await_(
                lambda asked=asked: story.count(pk=asked.pk, state="succeeded"),
                what="a run uses the database",
            )
            time.sleep(2.5)  # the rest itself, longer than the server allows
        close_old_connections()
        await_(
            lambda: Execution.objects.filter(task=steady, state="succeeded").count() >= 2, what="it goes on"
        )
        assert node.stop() == 0
    finally:
        server.sql(end)
        connection.close()
    rows = Execution.objects.filter(task=steady, state="succeeded")
    late = max((row.started_at - row.scheduled_for).total_seconds() for row in rows)
    assert late < 3, f"an occurrence began {late} s late"
    assert set(Execution.objects.filter(task=prune).values_list("state", flat=True)) == {"succeeded"}
    assert "Traceback" not in node.said()


def test_a_database_that_becomes_read_only(server: OwnServer, nodes: Nodes) -> None:
    """Pains 26 and 40: claims stop, the reason is seen with the node and by probes, and work goes on by itself."""
    begin, end = READ_ONLY[connection.vendor]
    steady = story.steady_task(nodes)
    running = tasks.create(
        new_task("running", function="sleep", parameters={"seconds": 2}, **YEARLY), actor=TESTER
    )
    node = nodes.start_ready(**SHORT_LEASE)
    await_(lambda: Execution.objects.filter(task=steady, state="succeeded").exists(), what="it works")
    asked = tasks.run_now(running.pk, actor=TESTER)
    await_(lambda: story.count(pk=asked.pk, state="running"), what="something runs")
    server.sql(*begin)
    try:
        await_(lambda: "read" in story.trouble(nodes).lower(), 10, "the status file tells why")
        claimed = story.count(state="running")
        await_(lambda: "the database is read-only" in story.probe(), 10, "the probe tells why")
        assert "no scheduler is running" in story.probe()
        assert story.count(state="running") == claimed
    finally:
        server.sql(*end)
    back = time.monotonic()
    story.await_another(steady, 10 - (time.monotonic() - back))
    await_(lambda: story.probe() == "ok\n", 10, "the probe is content")
    row = Execution.objects.get(pk=asked.pk)
    assert (row.state, row.attempt) == ("succeeded", 1), "its result waited in memory"
    await_(lambda: not story.trouble(nodes), 5, "the status file is content")
    assert node.stop() == 0
    assert Node.objects.get().state == "stopped"
    story.assert_each_once(steady, story.SECOND)
