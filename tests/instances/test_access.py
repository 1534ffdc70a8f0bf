"""Who can read or write a database, against what the servers themselves allow."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from instances.dialects import DIALECTS
from instances.dialects.access import Holder, gather
from instances.dialects.grants import Grant
from instances.dialects.mysql_access import fits_pattern
from instances.models import Instance, InstanceAccount, InstanceDatabase, Tag
from instances.services import access, collection, instances
from instances.services.access import Access, Question
from scheduling import clock
from tests.instances.fleet import MariaDBFleet, PostgresFleet
from tests.instances.servers import TRUSTED

pytestmark = pytest.mark.django_db


def who_can(action: str, database: str, *instances: str, **more: Any) -> list[Access]:
    question = Question(action, database, instances, **more)
    return [found for answer in access.who_can(question) for found in answer.found]


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
        found = {one.account.name for one in who_can(action, database, "pg")}
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
            found = {one.account.username for one in who_can("read", database, "my")}
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


def test_of_several_names_that_fit_the_most_exact_counts() -> None:
    """As MariaDB does (tried with 10.11): for each account, and for each role, by itself."""
    wide, exact = Grant("database", ("shop%",), "SELECT"), Grant("database", ("shop\\_1",), "INSERT")
    role = Grant("role", ("readers",), "MEMBER")

    def rights(action: str, **grants: list[Grant]) -> set[str]:
        holder = Holder("app", False, gather("app", grants, "PUBLIC"))
        return {held.grant.right for held in DIALECTS["mysql"].access(action, "shop_1", holder)}

    assert rights("read", app=[wide, exact]) == set()
    assert rights("write", app=[wide, exact]) == {"INSERT"}
    assert rights("read", app=[wide]) == {"SELECT"}
    assert rights("read", app=[exact, role], readers=[wide]) == {"SELECT"}


def test_the_command_looks_where_the_database_is(of_server: Any, postgres: Any, make_instance: Any) -> None:
    instance = of_server(postgres, "pg")
    make_instance("elsewhere")
    collection.collect(collection.SIZES, [instance], origin="schedule")
    collection.collect(collection.accounts_kind({}), [instance], origin="schedule")
    output = StringIO()
    call_command("who_can", "write", "postgres", "--json", stdout=output)
    rows = [json.loads(line) for line in output.getvalue().splitlines()]
    (row,) = (row for row in rows if row["account"] == "postgres")
    assert (row["instance"], row["paths"]) == ("pg", ["superuser"])
    assert row["reasons"] == ["SUPERUSER on the whole server"]
    assert row["as_of"] == max(instance.accounts.values_list("last_seen_at", flat=True)).isoformat()
    output, told = StringIO(), StringIO()
    call_command("who_can", "write", "no such database", stdout=output, stderr=told)
    assert (output.getvalue(), told.getvalue()) == (
        "",
        "Not collected yet, so nothing is known of: elsewhere.\n",
    )
    with pytest.raises(CommandError, match="nobody"):
        call_command("who_can", "read", "postgres", "--instance", "nobody")


# --- stored rows, so that each path and filter can be told apart


def account(instance: Any, name: str, privileges: Any, **more: Any) -> InstanceAccount:
    seen = dict.fromkeys(("first_seen_at", "last_seen_at"), clock.now())
    return InstanceAccount.objects.create(
        instance=instance, name=name, username=name, privileges=privileges, **seen | more
    )


def has(instance: Any, *names: str) -> None:
    for name in names:
        InstanceDatabase.objects.create(
            instance=instance, name=name, first_seen_at=clock.now(), last_seen_at=clock.now()
        )


def on(*where: str, **rights: bool) -> dict[str, Any]:
    return {"on": list(where), "rights": {name.replace("_", " "): passed for name, passed in rights.items()}}


@pytest.fixture
def shop(make_instance: Any) -> Any:
    """One database, and an account for each way to it."""
    made = make_instance("my", dialect="mysql", environment="production")
    Tag.objects.create(name="shop")
    instances.set_tags(made, ["shop"], actor=TRUSTED)
    has(made, "sales", "sales_old")
    account(made, "direct@%", {"table": [on("sales", "orders", INSERT=False, UPDATE=True, SELECT=False)]})
    account(made, "pattern@%", {"database": [on("sal%", INSERT=False)]})
    account(made, "root@localhost", {"global": [on(ALL_PRIVILEGES=True)]}, superuser=True)
    account(made, "member@%", {"role": [on("writers", MEMBER=False)]})
    account(made, "writers", {"role": [on("base", MEMBER=False)]}, kind="role")
    account(made, "base", {"database": [on("sales", DELETE=False)]}, kind="role")
    account(made, "reader@%", {"database": [on("sales", SELECT=False)]})
    account(made, "locked@%", {"global": [on(INSERT=False)]}, locked=True)
    account(made, "gone@%", {"global": [on(INSERT=False)]}, active=False)
    account(made, "elsewhere@%", {"database": [on("sales_old", INSERT=False)]})
    account(made, "hidden@%", None)
    return made


def test_each_way_is_named(shop: Any) -> None:
    found = {one.account.name: one.reasons for one in who_can("write", "sales")}
    assert {name: [(one.path, one.rights) for one in reasons] for name, reasons in found.items()} == {
        "direct@%": [("direct", ("INSERT", "UPDATE"))],
        "pattern@%": [("pattern", ("INSERT",))],
        "root@localhost": [("superuser", ("ALL PRIVILEGES",))],
        "member@%": [("role", ("DELETE",))],
    }
    assert str(found["member@%"][0]) == "DELETE on sales, through writers → base"
    account(shop, "PUBLIC", {"database": [on("sales", INSERT=False)]}, kind="public")
    found = {one.account.name: one.reasons for one in who_can("write", "sales")}
    assert [one.path for one in found["reader@%"]] == ["everybody"]


def test_to_read_and_to_administer_are_other_questions(shop: Any) -> None:
    assert {one.account.name for one in who_can("read", "sales")} == {
        "direct@%",
        "root@localhost",
        "reader@%",
    }
    (direct, root) = who_can("admin", "sales")
    assert (direct.account.name, direct.reasons[0].rights) == ("direct@%", ("UPDATE",))
    assert (direct.reasons[0].grantable, root.account.name) == (True, "root@localhost")


def test_what_a_role_may_pass_on_in_postgresql(make_instance: Any) -> None:
    pg = make_instance("pg")
    has(pg, "d")
    connect = on("d", CONNECT=False)
    account(pg, "owner", {"owner": [on("d", DATABASE_OWNER=False)]})
    account(pg, "granter", {"database": [connect], "table": [on("d", "public", "t", SELECT=True)]})
    account(pg, "outside", {"table": [on("d", "public", "t", SELECT=True)]})
    account(pg, "writer", {"database": [connect], "table": [on("d", "public", "t", INSERT=False)]})
    assert {one.account.name for one in who_can("admin", "d")} == {"owner", "granter"}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"tag": "shop"}, 4),
        ({"tag": "other"}, 0),
        ({"environment": "production"}, 4),
        ({"environment": "test"}, 0),
        ({"dialect": "mysql"}, 4),
        ({"dialect": "postgresql"}, 0),
        ({"account": "ROOT"}, 1),
        ({"account": "%"}, 3),
    ],
)
def test_filters(more: dict[str, str], found: int, shop: Any) -> None:
    assert len(who_can("write", "sales", **more)) == found


def test_what_is_not_known_is_said(shop: Any, make_instance: Any) -> None:
    (answer,) = access.who_can(Question("write", "sales"))
    assert (answer.unread, answer.as_of) == (1, max(shop.accounts.values_list("last_seen_at", flat=True)))
    sized = make_instance("sized")
    has(sized, "sales")
    make_instance("untouched")
    answers = list(access.who_can(Question("write", "sales")))
    assert [(one.instance.name, one.as_of is None) for one in answers] == [("my", False), ("sized", True)]
    assert list(access.not_collected(Question("write", "sales"))) == [Instance.objects.get(name="untouched")]
    assert not access.not_collected(Question("write", "sales", tag="shop")).exists()


def test_pages_are_bounded_and_whole(make_instance: Any, django_assert_max_num_queries: Any) -> None:
    names = [f"i{number:02}" for number in range(25)]
    for name in names:
        made = make_instance(name)
        has(made, "d")
        for number in range(3):
            account(made, f"a{number}", {}, superuser=True)
    question, seen, after = Question("write", "d"), [], ""
    while True:
        with django_assert_max_num_queries(4):
            page = access.page(question, after=after, most_instances=10, most_accounts=20)
        assert page.accounts <= 20
        seen += [answer.instance.name for answer in page.answers]
        if not page.after:
            break
        after = page.after
    assert seen == names
