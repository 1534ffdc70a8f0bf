"""What MySQL 8 answers differently from MariaDB, against recorded answers in the forms of its manual."""

from __future__ import annotations

from typing import Any

import MySQLdb
import pytest

from instances.dialects import DIALECTS, mysql, mysql_access, mysql_accounts
from instances.dialects.access import Holder, gather
from instances.dialects.grants import Grant
from instances.dialects.target import ConnectionTarget
from instances.exceptions import AccessDenied
from tests.instances.dialects.recorded import Answers, Connection, key

TARGET = ConnectionTarget(host="db.example.com", username="jobsite", password="s3same open »x«")
CHANGED = 1_760_000_000
INVENTORY = mysql_accounts.MYSQL.format(is_role=mysql_accounts.MADE_AS_ROLE)


def account(
    user: str, host: str = "%", *, role: int = 0, superuser: int = 0, locked: int = 0, **more: Any
) -> Any:
    rest = {"expired": 0, "changed": CHANGED, "days": None, "grants": superuser} | more
    return (
        user, host, role, "caching_sha2_password", superuser, rest["grants"], superuser, locked, rest["expired"],
        rest["changed"], rest["days"], 0, "",
    )  # fmt: skip


def grants(user: str, *lines: str, host: str = "%") -> Answers:
    asked = mysql_accounts.SHOW_GRANTS.format(grantee="%(user)s@%(host)s")
    return {key(asked, user=user, host=host): [(line,) for line in lines]}


#: 8.0 writes out what ALL PRIVILEGES means: the static rights on one line, the dynamic ones on another.
STATIC = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, SHUTDOWN, PROCESS, FILE, SUPER, CREATE ROLE, DROP ROLE"
DYNAMIC = "APPLICATION_PASSWORD_ADMIN,AUDIT_ADMIN,BACKUP_ADMIN,ROLE_ADMIN,SYSTEM_USER,SYSTEM_VARIABLES_ADMIN"
ANSWERS: Answers = {
    INVENTORY: [
        account("root", "localhost", superuser=1),
        account("app"),
        account("reporter's"),
        account("writers", role=1, locked=1, expired=1),
        account("held", locked=0),
        account("nobody's", role=1, locked=1, expired=1),
        account("short", days=30),
    ],
    mysql_accounts.LIFETIME: [(0,)],
    mysql_accounts.ROLES: [("writers", "%"), ("held", "%")],
    mysql_accounts.DEFAULT_ROLES: [("app", "%", "writers", "%")],
    **grants(
        "root",
        f"GRANT {STATIC} ON *.* TO `root`@`localhost` WITH GRANT OPTION",
        f"GRANT {DYNAMIC} ON *.* TO `root`@`localhost` WITH GRANT OPTION",
        "GRANT PROXY ON ``@`` TO `root`@`localhost` WITH GRANT OPTION",
        host="localhost",
    ),
    **grants(
        "app",
        "GRANT USAGE ON *.* TO `app`@`%`",
        "GRANT SELECT (`id`, `na``me`), INSERT ON `shop`.`Orders` TO `app`@`%`",
        "GRANT EXECUTE ON PROCEDURE `shop`.`do it` TO `app`@`%` WITH GRANT OPTION",
        "GRANT `held`@`%`,`writers`@`%` TO `app`@`%` WITH ADMIN OPTION",
    ),
    **grants(
        "reporter's",
        "GRANT SELECT, INSERT, UPDATE ON *.* TO `reporter's`@`%`",
        "GRANT CONNECTION_ADMIN,FLUSH_TABLES ON *.* TO `reporter's`@`%`",
        "REVOKE INSERT, UPDATE ON `mysql`.* FROM `reporter's`@`%`",
        "REVOKE SELECT ON `paie 数据`.* FROM `reporter's`@`%`",
    ),
    **grants("writers", "GRANT USAGE ON *.* TO `writers`@`%`", "GRANT INSERT ON `shop`.* TO `writers`@`%`"),
    **grants("held", "GRANT USAGE ON *.* TO `held`@`%`"),
    **grants("nobody's", "GRANT USAGE ON *.* TO `nobody's`@`%`"),
    **grants("short", "GRANT USAGE ON *.* TO `short`@`%`"),
}


def visit(answers: Answers, version: str = "8.0.36") -> mysql.Visit:
    return mysql.Visit(Connection(dict(answers)), TARGET, version, lambda: None)


@pytest.fixture
def found() -> dict[str, Any]:
    reading = mysql_accounts.read(visit(ANSWERS), 0)
    assert reading.notes == ()
    assert (reading.server.product, reading.server.main_version) == ("MySQL", "8.0.36")
    return {one.name: one for one in reading.accounts}


def test_roles_are_told_from_users(found: dict[str, Any]) -> None:
    """By how CREATE ROLE makes them, and by who is held: any account can be granted to another one."""
    kinds = {name: one.kind for name, one in found.items()}
    assert kinds == {
        "root@localhost": "user", "app@%": "user", "reporter's@%": "user", "short@%": "user", "writers@%": "role",
        "held@%": "role", "nobody's@%": "role",
    }  # fmt: skip
    assert not found["writers@%"].attributes["password_expired"]


def test_static_and_dynamic_rights(found: dict[str, Any]) -> None:
    root = found["root@localhost"]
    assert root.superuser
    assert root.grant_admin
    assert {grant.right for grant in root.grants if grant.category == "global"} == {
        *STATIC.split(", "), *DYNAMIC.split(","),
    }  # fmt: skip
    assert all(grant.grantable for grant in root.grants)
    assert root.attributes["plugin"] == "caching_sha2_password"


def test_columns_routines_and_roles(found: dict[str, Any]) -> None:
    assert set(found["app@%"].grants) == {
        Grant("column", ("shop", "Orders", "id"), "SELECT"),
        Grant("column", ("shop", "Orders", "na`me"), "SELECT"),
        Grant("table", ("shop", "Orders"), "INSERT"),
        Grant("routine", ("shop", "do it", "PROCEDURE"), "EXECUTE", True),
        Grant("role", ("held@%",), "MEMBER", True),
        Grant("role", ("writers@%",), "MEMBER", True),
        Grant("role", ("writers@%",), "DEFAULT"),
    }


def test_partial_revokes_take_away(found: dict[str, Any]) -> None:
    rights = found["reporter's@%"].grants
    assert Grant("restriction", ("paie 数据",), "NOT SELECT") in rights
    assert Grant("restriction", ("mysql",), "NOT UPDATE") in rights
    holder = Holder("reporter's@%", False, gather("reporter's@%", {"reporter's@%": rights}, "PUBLIC"))
    dialect = DIALECTS["mysql"]
    assert dialect.access("read", "paie 数据", holder) == []
    assert {held.grant.right for held in dialect.access("write", "paie 数据", holder)} == {"INSERT", "UPDATE"}
    assert {held.grant.right for held in dialect.access("read", "shop", holder)} == {"SELECT"}


def test_lifetimes(found: dict[str, Any]) -> None:
    assert found["app@%"].expires_at is None
    assert found["short@%"].expires_at.timestamp() == CHANGED + 30 * 86_400


def test_mysql_57_has_no_roles() -> None:
    inventory = mysql_accounts.MYSQL.format(is_role="FALSE")
    rows = [account("locked", locked=1, expired=1)]
    answers = {inventory: rows, mysql_accounts.LIFETIME: [(360,)]} | grants(
        "locked", "GRANT USAGE ON *.* TO 'locked'@'%'"
    )
    (one,) = mysql_accounts.read(visit(answers, "5.7.44-log"), 0).accounts
    assert (one.kind, one.locked) == ("user", True)
    assert one.expires_at is not None


def test_sizes_by_the_paths_of_tablespaces() -> None:
    answers: Answers = {
        mysql.MY_ROLES: [("`watchers`@`%`",)],
        mysql.MY_GRANTS_BY_ROLES.format(roles="`watchers`@`%`"): [
            ("GRANT PROCESS, SHOW DATABASES, SHOW VIEW ON *.* TO `jobsite`@`%`",),
            ("GRANT `watchers`@`%` TO `jobsite`@`%`",),
        ],
        mysql.SCHEMAS: [("shop",), ("a/b 数据",), ("empty",)],
        mysql.TABLESPACES.format(files=mysql.FILES_BY_PATH): [("shop", 49_152), ("a/b 数据", 2**41)],
        mysql.STATISTICS.format(apart=mysql.APART.format(tables="innodb_tables")): [
            ("shop", 2, 16_384, 8_192, 1_024),
        ],
    }
    seen = visit(answers)
    reading = mysql.measure(seen, seen.server(0))
    assert reading.complete
    assert {one.name: (one.total_bytes, one.data_bytes, one.index_bytes) for one in reading.databases} == {
        "a/b 数据": (2**41, 0, 0), "empty": (0, 0, 0), "shop": (49_152 + 1_024, 16_384, 8_192),
    }  # fmt: skip
    assert mysql.FRESH_STATISTICS in seen._connection.asked


def test_what_was_taken_away_again_is_not_seen() -> None:
    """A database that a partial revoke hides may be missing in the list, so that a list without it proves nothing."""
    seen = visit(
        {
            mysql.MY_ROLES: [("NONE",)],
            mysql.MY_GRANTS: [
                ("GRANT SELECT, SHOW DATABASES ON *.* TO `jobsite`@`%`",),
                ("REVOKE SELECT ON `paie 数据`.* FROM `jobsite`@`%`",),
                ("GRANT INSERT ON `shop\\_%`.* TO `jobsite`@`%`",),
            ],
        }
    )
    assert (seen.sees_tables_of("shop"), seen.sees_tables_of("paie 数据")) == (True, False)
    assert mysql_access.throughout(seen.grants, "shop_1") == {"SELECT", "SHOW DATABASES", "INSERT"}
    assert mysql_access.throughout(seen.grants, "shopx1") == {"SELECT", "SHOW DATABASES"}
    assert (seen.sees_all_tables(), seen.sees_all_schemas()) == (True, False)


@pytest.mark.parametrize(
    "error",
    [
        (2061, "Authentication plugin 'caching_sha2_password' reported error: Authentication requires TLS."),
        (2059, "Authentication plugin 'caching_sha2_password' cannot be loaded"),
    ],
)  # fmt: skip
def test_a_login_that_wants_tls_is_a_refusal(error: tuple[int, str]) -> None:
    found = mysql.translate(MySQLdb.OperationalError(*error), TARGET)
    assert isinstance(found, AccessDenied)
    assert "caching_sha2_password" in str(found)
