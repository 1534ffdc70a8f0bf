"""The default tasks in a scheduler process of its own, against real servers: the stored bytes are the servers' own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from instances.models import DatabaseSize, Instance, InstanceAccount, SyncSession
from scheduling import clock
from scheduling.models import Execution, Task
from scheduling.services import liverows
from tests.conftest import ROOT, Nodes, await_
from tests.instances.servers import MariaDB, Postgres

pytestmark = pytest.mark.processes


def test_default_tasks_collect_what_the_servers_say(
    nodes: Nodes,
    of_server: Callable[..., Instance],
    postgres: Postgres,
    mariadb: MariaDB,
    postgres_databases: list[str],
    mariadb_databases: list[str],
) -> None:
    of_server(postgres, "pg")
    of_server(mariadb, "maria")
    for app in ("scheduling", "instances"):
        call_command("load_tasks", str(ROOT / app / "default_tasks.yaml"), stdout=StringIO())
    # As if it were three in the morning: each default task has just come due.
    now = clock.refresh()
    liverows.move({pk: now - timedelta(seconds=1) for pk in Task.objects.values_list("pk", flat=True)})
    nodes.start_ready(JOBSITE_KEY_FILE=_key_file())
    count = Task.objects.count()
    await_(
        lambda: (
            # An interval may have a missed row too: its nominal times are not at three.
            Execution.objects.exclude(state="missed").count() == count
            and not Execution.objects.filter(finished_at=None).exists()
        ),
        60,
    )
    states = dict(Execution.objects.exclude(state="missed").values_list("task_key", "state"))
    assert states.keys() >= {"prune_history", "cleanup_old_logs", "collect_database_sizes", "sync_accounts"}
    assert set(states.values()) == {"succeeded"}
    assert SyncSession.objects.get(category="size").succeeded == 2
    assert SyncSession.objects.get(category="account").succeeded == 2
    assert InstanceAccount.objects.filter(instance__name="maria", username="root", superuser=True).exists()
    stored = {
        name: dict(
            DatabaseSize.objects.filter(instance=Instance.objects.get(name=name)).values_list(
                "database", "total_bytes"
            )
        )
        for name in ("pg", "maria")
    }
    for database in postgres_databases:
        assert stored["pg"][database] == postgres.sql("SELECT pg_database_size(%s)", (database,))[0][0]
    assert set(mariadb_databases) <= set(stored["maria"])
    for database in mariadb_databases:
        assert stored["maria"][database] == _mariadb_bytes(mariadb, database)


def _mariadb_bytes(server: MariaDB, database: str) -> int:
    """Asked another way: the files of InnoDB's tables, and the statistics of the others."""
    files = server.sql(
        "SELECT COALESCE(SUM(file_size), 0) FROM information_schema.innodb_sys_tablespaces s"
        " JOIN information_schema.tables t ON s.name ="
        " CONCAT(CONVERT(CONVERT(t.table_schema USING filename) USING binary), '/',"
        "        CONVERT(CONVERT(t.table_name USING filename) USING binary))"
        " WHERE BINARY t.table_schema = %s",
        (database,),
    )[0][0]
    others = server.sql(
        "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables"
        " WHERE BINARY table_schema = %s AND engine <> 'InnoDB'",
        (database,),
    )[0][0]
    return int(files) + int(others)


def _key_file() -> str:
    from django.conf import settings

    return str(settings.JOBSITE_KEY_FILE)
