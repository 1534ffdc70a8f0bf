"""Who can read or write a database, against what the servers themselves allow."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from instances.dialects.mysql_access import fits_pattern
from instances.services import access, collection
from tests.instances.fleet import MariaDBFleet, PostgresFleet

pytestmark = pytest.mark.django_db

#: What a role can do inside one database, asked of the server.
CAN = """
SELECT r.rolname::text FROM pg_roles r WHERE r.rolcanlogin AND r.rolname = ANY(%(roles)s)
  AND has_database_privilege(r.oid, current_database(), 'CONNECT')
  AND ({create} has_database_privilege(r.oid, current_database(), 'CREATE')
       OR EXISTS (SELECT 1 FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                  AND has_schema_privilege(r.oid, n.oid, 'USAGE')
                  AND ({create} has_schema_privilege(r.oid, n.oid, 'CREATE')
                       OR EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'v')
                                  AND (has_table_privilege(r.oid, c.oid, %(table)s)
                                       OR has_any_column_privilege(r.oid, c.oid, %(column)s))))))
"""


@pytest.mark.parametrize(
    ("action", "create", "table", "column"),
    [
        ("write", "", "INSERT, UPDATE, DELETE, TRUNCATE", "INSERT, UPDATE"),
        ("read", "false AND", "SELECT", "SELECT"),
    ],
)
def test_postgresql(
    action: str, create: str, table: str, column: str, of_server: Any, postgres_fleet: PostgresFleet
) -> None:
    postgres, instance = postgres_fleet.server, of_server(postgres_fleet.server, "pg")
    collection.collect(collection.accounts_kind({}), [instance], origin="schedule")
    found_some = False
    for database in postgres_fleet.databases:
        found = {one.account.name for one in access.who_can(action, database, [instance])}
        values = {"roles": postgres_fleet.accounts, "table": table, "column": column}
        truth = {name for (name,) in postgres.sql(CAN.format(create=create), values, database=database)}
        assert found & set(postgres_fleet.accounts) == truth
        assert "postgres" in found
        found_some = found_some or 0 < len(truth) < len(postgres_fleet.accounts)
    assert found_some


def test_mariadb_by_trying_it(of_server: Any, mariadb: Any, tmp_path: Any) -> None:
    with MariaDBFleet(mariadb, databases=4, accounts=14, seed=3).standing() as fleet:
        users = [(name, "%") for name, _host in fleet.users]
        for name, host in fleet.users:
            if host != "%":
                quoted = "'" + name.replace("\\", "\\\\").replace("'", "''") + "'"
                mariadb.run(
                    [
                        f"RENAME USER {quoted}@'{host}' TO {quoted}@'%'",
                        f"ALTER USER {quoted}@'%' ACCOUNT UNLOCK",
                    ]
                )
        fleet.users = users
        instance = of_server(mariadb, "my")
        collection.collect(collection.accounts_kind({}), [instance], origin="schedule")
        locked = {name for name, locked in instance.accounts.values_list("username", "locked") if locked}
        for database in fleet.databases:
            found = {one.account.username for one in access.who_can("read", database, [instance])}
            for name, _host in users:
                if name in locked:
                    assert name not in found
                else:
                    assert (name in found) == _may_read(mariadb, name, database), (name, database)


def _may_read(mariadb: Any, name: str, database: str) -> bool:
    """Logs in, takes every role it has one after the other, and looks for a column it may select."""
    import MySQLdb

    connection = MySQLdb.connect(
        host=mariadb.host, port=mariadb.port, user=name, password=f"Secret of {name}", charset="utf8mb4"
    )
    cursor = connection.cursor()
    cursor.execute("SELECT ROLE_NAME FROM information_schema.APPLICABLE_ROLES")
    roles = [
        "NONE",
        *("'" + role.replace("\\", "\\\\").replace("'", "''") + "'" for (role,) in cursor.fetchall()),
    ]
    try:
        for role in roles:
            cursor.execute(f"SET ROLE {role}")
            cursor.execute(
                "SELECT COUNT(*) FROM information_schema.columns WHERE BINARY table_schema = %s"
                " AND FIND_IN_SET('select', privileges)",
                (database,),
            )
            if cursor.fetchone()[0]:
                return True
        return False
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("database", "pattern", "fits"),
    [
        ("my_db", "my\\_db", True),
        ("myxdb", "my\\_db", False),
        ("myxdb", "my_db", True),
        ("sales_2026", "sales%", True),
        ("Sales", "sales%", False),
        ("100%", "100\\%", True),
        ("a(b", "a(b", True),
        ("a\nb", "a_b", True),
        ("a\\b", "a\\\\b", True),
    ],
)
def test_a_grant_on_a_database_is_a_pattern(database: str, pattern: str, fits: bool) -> None:
    assert fits_pattern(database, pattern) is fits


def test_the_command_looks_where_the_database_is(of_server: Any, postgres: Any, make_instance: Any) -> None:
    instance = of_server(postgres, "pg")
    make_instance("elsewhere")
    collection.collect(collection.SIZES, [instance], origin="schedule")
    collection.collect(collection.accounts_kind({}), [instance], origin="schedule")
    output = StringIO()
    call_command("who_can", "write", "postgres", "--json", stdout=output)
    rows = [json.loads(line) for line in output.getvalue().splitlines()]
    assert {"instance": "pg", "account": "postgres", "reasons": ["SUPERUSER on the whole server"]} in rows
    output = StringIO()
    call_command("who_can", "write", "no such database", stdout=output)
    assert output.getvalue() == ""
    with pytest.raises(CommandError, match="nobody"):
        call_command("who_can", "read", "postgres", "--instance", "nobody")
