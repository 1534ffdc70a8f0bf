"""One session over instances whose users may do all or nothing: each record says what is missing, the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from instances.models import DatabaseSize, Instance, InstanceAccount, SyncSession
from instances.services import collection, statements
from tests.instances.servers import PREFIX

pytestmark = pytest.mark.django_db

USER = f"{PREFIX}few"


@pytest.fixture
def fleet(of_server: Any, postgres: Any, mariadb: Any) -> Iterator[dict[str, Instance]]:
    """Of each server one instance by a user with all rights, and one by a user with none."""
    who = [f"'{USER}'@'{host}'" for host in ("%", "localhost")]
    mariadb.run([f"CREATE USER {one} IDENTIFIED BY 'x y'" for one in who])
    postgres.run([f"CREATE ROLE {USER} LOGIN PASSWORD 'x y'"])
    poor = {"username": USER, "password": "x y"}
    yield {
        "pg": of_server(postgres, "pg"),
        "my": of_server(mariadb, "my"),
        "poor pg": of_server(postgres, "poor pg", **poor),
        "poor my": of_server(mariadb, "poor my", database="", **poor),
    }
    mariadb.run([f"DROP USER {one}" for one in who])
    postgres.run([f"DROP ROLE {USER}"])


def told(session: SyncSession) -> dict[str, tuple[str, str]]:
    return {
        record.instance.name: (record.state, record.error or " ".join(record.details["notes"]))
        for record in session.records.select_related("instance")
    }


def test_sizes(fleet: dict[str, Instance]) -> None:
    session = collection.collect(collection.SIZES, list(fleet.values()), origin="schedule")
    assert session.status == "partly_failed"
    records = told(session)
    assert {name for name, (state, _text) in records.items() if state == "failed"} == {"poor my"}
    assert "GRANT PROCESS, SHOW DATABASES ON *.*" in records["poor my"][1]
    having = DatabaseSize.objects.exclude(total_bytes=None).values_list("instance__name", flat=True)
    assert {"pg", "my", "poor pg"} == set(having)


def test_accounts_and_their_rights(fleet: dict[str, Instance]) -> None:
    session = collection.collect(collection.accounts_kind({}), list(fleet.values()), origin="schedule")
    assert session.status == "partly_failed"
    records = told(session)
    assert {name for name, (state, _text) in records.items() if state == "failed"} == {"poor my"}
    assert "GRANT SELECT ON mysql.*" in records["poor my"][1]
    known = {name: set(rows(instance)) for name, instance in fleet.items()}
    assert known["poor pg"] >= {USER, "PUBLIC"}
    assert known["my"] >= {f"{USER}@%", f"{USER}@localhost"}
    assert known["poor my"] == set()


def rows(instance: Instance) -> list[str]:
    return list(InstanceAccount.objects.filter(instance=instance).values_list("name", flat=True))


def test_a_right_that_is_taken_away_takes_no_row_away(fleet: dict[str, Instance], mariadb: Any) -> None:
    instance = fleet["poor my"]
    who = [f"'{USER}'@'{host}'" for host in ("%", "localhost")]
    mariadb.run([f"GRANT SELECT ON mysql.* TO {one}" for one in who])
    kind = collection.accounts_kind({})
    assert collection.collect(kind, [instance], origin="schedule").status == "completed"
    before = list(InstanceAccount.objects.order_by("pk").values())
    mariadb.run([f"REVOKE SELECT ON mysql.* FROM {one}" for one in who])
    assert collection.collect(kind, [instance], origin="schedule").status == "failed"
    assert list(InstanceAccount.objects.order_by("pk").values()) == before


def test_statements(fleet: dict[str, Instance]) -> None:
    """What the user may not read, the server refuses; the others answer."""
    chosen = [fleet["my"], fleet["poor my"]]
    whole, refused = statements.run(chosen, "SELECT COUNT(*) FROM mysql.db")
    assert whole.table is not None
    assert refused.table is None
    assert "denied" in refused.error
    chosen = [fleet["pg"], fleet["poor pg"]]
    whole, refused = statements.run(chosen, "SELECT COUNT(*) FROM pg_authid")
    assert whole.table is not None
    assert "permission denied for table pg_authid" in refused.error
