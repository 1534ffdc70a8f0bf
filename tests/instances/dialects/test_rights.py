"""A connection test says what the user may do, and the statements that would let it do the rest."""

from __future__ import annotations

from typing import Any

import pytest

from instances.dialects import DIALECTS
from instances.models import Instance
from instances.services import instances
from tests.instances.servers import PREFIX, TRUSTED


def test_mariadb_step_by_step(mariadb: Any) -> None:
    """Running each statement that is said to be missing makes it be found."""
    user = f"{PREFIX}o'rights"
    quoted = user.replace("'", "''")
    mariadb.run([f"CREATE USER '{quoted}'@'%' IDENTIFIED BY 'x y'"])
    target = mariadb.target(username=user, password="x y")
    try:
        met = set()
        while missing := DIALECTS["mysql"].test(target).rights.missing:
            statement = missing[0].statement
            assert statement not in met
            met.add(statement)
            mariadb.run([statement])
        assert len(met) == 4
        assert len(DIALECTS["mysql"].test(target).rights.found) == 5
        assert all(
            one.grants is not None
            for one in DIALECTS["mysql"].accounts(target).accounts
            if one.username == user
        )
        assert DIALECTS["mysql"].database_sizes(target).complete
    finally:
        mariadb.run([f"DROP USER '{quoted}'@'%'"])


def test_postgresql_step_by_step(postgres: Any) -> None:
    role, closed = f'{PREFIX}Ri"ghts', f'{PREFIX}clo"sed'
    quote = postgres.quote
    postgres.run([f"CREATE ROLE {quote(role)} LOGIN PASSWORD 'x y'"])
    postgres.sql(f"CREATE DATABASE {quote(closed)}")
    target = postgres.target(username=role, password="x y")
    try:
        postgres.run([f"REVOKE CONNECT ON DATABASE {quote(closed)} FROM PUBLIC"])
        first = DIALECTS["postgresql"].test(target).rights
        mine = [one.statement for one in first.missing if closed in one.statement.replace('""', '"')]
        sizes = [one.statement for one in first.missing if one.purpose == "sizes of all databases"]
        assert (len(mine), len(sizes)) == (1, 1)
        postgres.run(mine + sizes)
        second = DIALECTS["postgresql"].test(target).rights
        assert not {*mine, *sizes} & {one.statement for one in second.missing}
        assert "sizes of all databases" in second.found
        assert closed not in DIALECTS["postgresql"].accounts(target).unread_databases
    finally:
        postgres.sql(f"DROP DATABASE {quote(closed)}")
        postgres.run([f"DROP ROLE {quote(role)}"])


@pytest.mark.django_db
def test_they_are_kept_with_the_instance(of_server: Any, mariadb: Any) -> None:
    instance = of_server(mariadb, "my")
    instances.test_connection(instance, actor=TRUSTED)
    assert Instance.objects.get().rights["missing"] == []
    assert "all databases" in Instance.objects.get().rights["found"]
