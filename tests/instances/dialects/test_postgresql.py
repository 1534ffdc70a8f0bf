from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from instances.dialects import DIALECTS, postgresql
from instances.dialects.target import ConnectionOptions
from instances.exceptions import AccessDenied, QueryFailed, TimedOut, Unreachable
from tests.instances.servers import PREFIX

dialect = DIALECTS["postgresql"]


@pytest.fixture
def poor(postgres: Any, postgres_databases: list[str]) -> Iterator[str]:
    """A role that may connect to everything but one database, and no more."""
    role = f"{PREFIX}poor"
    closed = postgres.quote(postgres_databases[1])
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'x y'")
    postgres.sql(f"REVOKE CONNECT ON DATABASE {closed} FROM PUBLIC")
    yield role
    postgres.sql(f"GRANT CONNECT ON DATABASE {closed} TO PUBLIC")
    postgres.sql(f"DROP ROLE {role}")


def size_from_inside(postgres: Any, name: str) -> int:
    """What the database says of itself, asked from within it and by another way."""
    return int(postgres.sql("SELECT pg_database_size(current_database())", database=name)[0][0])


def test_it_tells_the_version(postgres: Any) -> None:
    reading = dialect.test(postgres.target())
    assert reading.version.startswith(f"PostgreSQL {reading.main_version} ")
    assert reading.product == "PostgreSQL"
    assert 0 < reading.latency_ms < 5000


def test_it_sees_every_database_and_the_same_bytes(postgres: Any, postgres_databases: list[str]) -> None:
    sizes = {one.name: one.total_bytes for one in dialect.database_sizes(postgres.target()).databases}
    listed = {name for (name,) in postgres.sql("SELECT datname FROM pg_database") if name.startswith(PREFIX)}
    assert {name for name in sizes if name.startswith(PREFIX)} == listed == set(postgres_databases)
    for name in postgres_databases:
        assert sizes[name] == size_from_inside(postgres, name), name
    assert not {"template0", "template1"} & set(sizes)


def test_a_database_that_refuses_is_listed_with_the_reason(
    postgres: Any, postgres_databases: list[str], poor: str
) -> None:
    reading = dialect.database_sizes(postgres.target(username=poor, password="x y"))
    sizes = {one.name: one for one in reading.databases}
    closed = sizes[postgres_databases[1]]
    assert closed.total_bytes is None
    assert "pg_monitor" in closed.reason
    assert sizes[postgres_databases[0]].total_bytes == size_from_inside(postgres, postgres_databases[0])
    assert reading.notes


def test_the_documented_least_rights_are_enough(
    postgres: Any, postgres_databases: list[str], poor: str
) -> None:
    assert "GRANT pg_monitor" in dialect.least_rights
    postgres.sql(f"GRANT pg_monitor TO {poor}")
    reading = dialect.database_sizes(postgres.target(username=poor, password="x y"))
    assert all(one.total_bytes for one in reading.databases)


def test_the_connection_is_read_only(postgres: Any) -> None:
    with postgresql.connect(postgres.target()) as visit, pytest.raises(QueryFailed, match="read-only"):
        visit.rows("CREATE TABLE never (n int)")


def test_a_slow_statement_ends_at_its_timeout(postgres: Any) -> None:
    began = time.monotonic()
    options = ConnectionOptions(statement_timeout_seconds=0.3)
    with postgresql.connect(postgres.target(options=options)) as visit, pytest.raises(TimedOut):
        visit.rows("SELECT pg_sleep(30)")
    assert time.monotonic() - began < 20


def test_a_silent_server_costs_its_connect_timeout(silent_port: int, postgres: Any) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut):
        dialect.test(
            postgres.target(port=silent_port, options=ConnectionOptions(connect_timeout_seconds=0.5))
        )
    assert time.monotonic() - began < 20


def test_nobody_listens(postgres: Any) -> None:
    with pytest.raises(Unreachable, match="refused"):
        dialect.test(postgres.target(port=1))


@pytest.mark.parametrize(
    "text", ["FATAL: password authentication failed for user", "FATAL: no pg_hba.conf entry for host"]
)
def test_a_refusal_is_told_apart(text: str, postgres: Any) -> None:
    class Refusal(Exception):
        pgcode = None

    error = postgresql.translate(Refusal(f"{text} 'bob' hunter2"), postgres.target(password="hunter2"))
    assert isinstance(error, AccessDenied)
    assert "hunter2" not in str(error)


def test_tls_that_the_server_lacks_is_refused(postgres: Any) -> None:
    if postgres.sql("SHOW ssl") == [("on",)]:
        pytest.skip("this server speaks TLS")
    with pytest.raises(Unreachable, match="SSL"):
        dialect.test(postgres.target(options=ConnectionOptions(tls="require")))


@pytest.mark.parametrize(
    "host", ["/var/run/postgresql", "@abstract", "a.example,b.example", "host user=x", ""]
)
def test_a_disguised_host_reaches_no_driver(host: str, postgres: Any) -> None:
    with pytest.raises(Unreachable, match="host name"):
        dialect.test(postgres.target(host=host))
