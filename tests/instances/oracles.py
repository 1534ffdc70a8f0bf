"""The servers' own answers about rights, asked by other ways than the dialects ask."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import Any

from instances.dialects.access import gather
from instances.dialects.grants import Grant
from instances.dialects.readings import AccountsReading

#: Privileges that a has_…_privilege function knows, by category.
POSTGRES_RIGHTS = {
    "database": ("CONNECT", "CREATE", "TEMPORARY"),
    "schema": ("USAGE", "CREATE"),
    "table": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "column": ("SELECT", "INSERT", "UPDATE"),
    "sequence": ("USAGE", "SELECT", "UPDATE"),
    "routine": ("EXECUTE",),
}

#: Every (role, object, right) that holds inside one database, after the server's functions.
POSTGRES_INSIDE = """
SELECT r.rolname::text, 'schema', ARRAY[n.nspname::text], p.right
FROM pg_namespace n, pg_roles r, unnest(%(schema)s) AS p("right")
WHERE n.nspname LIKE 'S%%' AND r.rolname = ANY(%(roles)s) AND has_schema_privilege(r.oid, n.oid, p.right)
UNION ALL
SELECT r.rolname::text, 'table', ARRAY[n.nspname::text, c.relname::text], p.right
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_roles r, unnest(%(table)s) AS p("right")
WHERE n.nspname LIKE 'S%%' AND c.relkind IN ('r', 'v') AND r.rolname = ANY(%(roles)s)
  AND has_table_privilege(r.oid, c.oid, p.right)
UNION ALL
SELECT r.rolname::text, 'sequence', ARRAY[n.nspname::text, c.relname::text], p.right
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_roles r, unnest(%(sequence)s) AS p("right")
WHERE n.nspname LIKE 'S%%' AND c.relkind = 'S' AND r.rolname = ANY(%(roles)s)
  AND has_sequence_privilege(r.oid, c.oid, p.right)
UNION ALL
SELECT r.rolname::text, 'routine', ARRAY[n.nspname::text, f.proname || '(integer, text)'], p.right
FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace, pg_roles r, unnest(%(routine)s) AS p("right")
WHERE n.nspname LIKE 'S%%' AND r.rolname = ANY(%(roles)s) AND has_function_privilege(r.oid, f.oid, p.right)
UNION ALL
SELECT r.rolname::text, 'column', ARRAY[n.nspname::text, c.relname::text, t.attname::text], p.right
FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
     pg_roles r, unnest(%(column)s) AS p("right")
WHERE n.nspname LIKE 'S%%' AND c.relkind IN ('r', 'v') AND t.attnum > 0 AND r.rolname = ANY(%(roles)s)
  AND has_column_privilege(r.oid, c.oid, t.attnum, p.right)
"""

POSTGRES_DATABASES = """
SELECT r.rolname::text, 'database', ARRAY[d.datname::text], p.right
FROM pg_database d, pg_roles r, unnest(%(database)s) AS p("right")
WHERE d.datname = ANY(%(databases)s) AND r.rolname = ANY(%(roles)s) AND has_database_privilege(r.oid, d.oid, p.right)
"""

POSTGRES_OWNERS = """
SELECT pg_get_userbyid(c.relowner)::text, ARRAY[n.nspname::text, c.relname::text],
       CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname LIKE 'S%%' AND c.relkind IN ('r', 'v', 'S')
UNION ALL SELECT pg_get_userbyid(n.nspowner)::text, ARRAY[n.nspname::text], 'schema'
FROM pg_namespace n WHERE n.nspname LIKE 'S%%'
UNION ALL SELECT pg_get_userbyid(p.proowner)::text, ARRAY[n.nspname::text, p.proname || '(integer, text)'], 'routine'
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname LIKE 'S%%'
"""

Right = tuple[str, str, tuple[str, ...], str]


def postgres_truth(fleet: Any) -> set[Right]:
    values: dict[str, Any] = {name: list(rights) for name, rights in POSTGRES_RIGHTS.items()}
    values |= {"roles": fleet.accounts, "databases": fleet.databases}
    found = {
        (who, kind, tuple(on), right) for who, kind, on, right in fleet.server.sql(POSTGRES_DATABASES, values)
    }
    for name in fleet.databases:
        found |= {
            (who, kind, (name, *on), right)
            for who, kind, on, right in fleet.server.sql(POSTGRES_INSIDE, values, database=name)
        }
    return found


def postgres_concluded(fleet: Any, reading: AccountsReading) -> set[Right]:
    """The same from a reading: through roles and everybody, by owners, and columns by their tables."""
    owners: dict[str, set[tuple[str, tuple[str, ...]]]] = defaultdict(set)
    columns: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for name in fleet.databases:
        for who, on, kind in fleet.server.sql(POSTGRES_OWNERS, database=name):
            owners[who].add((kind, (name, *on)))
        for schema, table, column in fleet.server.sql(
            "SELECT n.nspname, c.relname, t.attname FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE t.attnum > 0 AND n.nspname LIKE 'S%%' AND c.relkind IN ('r', 'v')",
            {},
            database=name,
        ):
            columns[name, schema, table].add(column)
    grants = {one.name: set(one.grants or ()) for one in reading.accounts}
    mine = set(fleet.databases)
    found: set[Right] = set()
    for who in fleet.accounts:
        held = gather(who, grants, "PUBLIC")
        for grant in (one.grant for one in held):
            if grant.category in POSTGRES_RIGHTS and grant.on[0] in mine and _of_fleet(grant):
                found.add((who, grant.category, grant.on, grant.right))
        for owner in {who, *(role for one in held for role in one.via)}:
            for kind, on in owners[owner]:
                found |= {(who, kind, on, right) for right in POSTGRES_RIGHTS[kind]}
    for who, kind, on, right in list(found):
        if kind == "table" and right in POSTGRES_RIGHTS["column"]:
            found |= {(who, "column", (*on, column), right) for column in columns[on]}
    return {one for one in found if one[3] != "REFERENCES" or one[1] != "column"}


def _of_fleet(grant: Grant) -> bool:
    return grant.category == "database" or grant.on[1].startswith("S")


# --- MariaDB: the grant tables, while the dialect parses SHOW GRANTS ------------------------------------------------

#: Columns of mysql.db by the right they stand for, where the name alone does not say it.
WORDS = {
    "create_tmp_table": "CREATE TEMPORARY TABLES",
    "grant": "GRANT OPTION",
    "delete_history": "DELETE HISTORY",
}
#: How SHOW GRANTS writes what the grant tables write otherwise.
SPELLINGS = {"DELETE HISTORY": "DELETE HISTORY", "DELETE VERSIONING ROWS": "DELETE HISTORY"}


def mariadb_truth(fleet: Any) -> set[tuple[Any, ...]]:
    """(account, category, on, right, may be passed on)"""
    mine = {name for name, _host in fleet.users} | set(fleet.roles)
    found: set[tuple[Any, ...]] = set()
    for row in _dicts(fleet.server, "SELECT * FROM mysql.db"):
        if row["User"] in mine:
            granted = {
                WORDS.get(name[: -len("_priv")].lower(), name[: -len("_priv")].upper().replace("_", " "))
                for name, value in row.items()
                if name.endswith("_priv") and value == "Y"
            }
            found |= _spread(row, "database", (row["Db"],), granted)
    for row in _dicts(fleet.server, "SELECT * FROM mysql.tables_priv"):
        if row["User"] in mine:
            found |= _spread(row, "table", (row["Db"], row["Table_name"]), _words(row["Table_priv"]))
    tables = {
        (row["User"], row["Host"], row["Db"], row["Table_name"]): "Grant" in row["Table_priv"]
        for row in _dicts(fleet.server, "SELECT * FROM mysql.tables_priv")
    }
    for row in _dicts(fleet.server, "SELECT * FROM mysql.columns_priv"):
        if row["User"] in mine:
            option = tables[row["User"], row["Host"], row["Db"], row["Table_name"]]
            on = (row["Db"], row["Table_name"], row["Column_name"])
            found |= {(_account(row), "column", on, right, option) for right in _words(row["Column_priv"])}
    for row in map(_mended, _dicts(fleet.server, "SELECT * FROM mysql.procs_priv")):
        if row["User"] in mine:
            on = (row["Db"], row["Routine_name"], row["Routine_type"])
            found |= _spread(row, "routine", on, _words(row["Proc_priv"]))
    for row in _dicts(fleet.server, "SELECT * FROM mysql.roles_mapping"):
        if row["User"] in mine:
            found.add((_account(row), "role", (row["Role"],), "MEMBER", row["Admin_option"] == "Y"))
    for row in _dicts(fleet.server, "SELECT User, Host, default_role, Select_priv, Process_priv, Create_user_priv FROM mysql.user"):  # fmt: skip  # noqa: E501
        if row["User"] in mine:
            if row["default_role"]:
                found.add((_account(row), "role", (row["default_role"],), "DEFAULT", False))
            for name, right in (("Select", "SELECT"), ("Process", "PROCESS"), ("Create_user", "CREATE USER")):
                if row[f"{name}_priv"] == "Y":
                    found.add((_account(row), "global", (), right, False))
    return found


def mariadb_concluded(fleet: Any, reading: AccountsReading) -> set[tuple[Any, ...]]:
    """The same from a reading, with ALL PRIVILEGES as the rights it stands for."""
    mine = {name for name, _host in fleet.users} | set(fleet.roles)
    whole = {
        "database": _everything(fleet, "db"),
        "table": _set_members(fleet, "tables_priv", "Table_priv") - {"GRANT OPTION"},
    }
    found: set[tuple[Any, ...]] = set()
    for account in reading.accounts:
        for grant in account.grants or () if account.username in mine else ():
            rights = whole[grant.category] if grant.right == "ALL PRIVILEGES" else {grant.right}
            rights = {SPELLINGS.get(right, right) for right in rights}
            found |= {(account.name, grant.category, grant.on, right, grant.grantable) for right in rights}
    return found


def _everything(fleet: Any, table: str) -> set[str]:
    names = [
        name
        for (name, *_rest) in fleet.server.sql(f"SHOW COLUMNS FROM mysql.{table}")
        if name.endswith("_priv")
    ]
    short = {name[: -len("_priv")].lower() for name in names} - {"grant"}
    return {WORDS.get(name, name.upper().replace("_", " ")) for name in short}


def _set_members(fleet: Any, table: str, column: str) -> set[str]:
    ((_field, kind, *_rest),) = fleet.server.sql(f"SHOW COLUMNS FROM mysql.{table} LIKE '{column}'")
    return _words(kind.removeprefix("set(").removesuffix(")").replace("'", ""))


def _words(listed: str) -> set[str]:
    words = {word.strip().upper() for word in listed.split(",") if word.strip()}
    return {"GRANT OPTION" if word == "GRANT" else SPELLINGS.get(word, word) for word in words}


def _spread(
    row: dict[str, Any], category: str, on: tuple[str, ...], rights: set[str]
) -> set[tuple[Any, ...]]:
    option = "GRANT OPTION" in rights
    rest = rights - {"GRANT OPTION"} or ({"GRANT OPTION"} if option else set())
    return {(_account(row), category, on, right, option) for right in rest}


def _mended(row: dict[str, Any]) -> dict[str, Any]:
    """MariaDB keeps UTF-8 in this one table as if it were latin1 (seen with 10.11)."""

    def mend(text: str) -> str:
        octets = b"".join(
            bytes([ord(sign)]) if ord(sign) < 256 else sign.encode("cp1252", "replace") for sign in text
        )
        return octets.decode(errors="replace")  # others' names, too

    names = ("User", "Db", "Routine_name")
    return row | {name: mend(row[name]) for name in names}


def _account(row: dict[str, Any]) -> str:
    return f"{row['User']}@{row['Host']}" if row["Host"] else row["User"]


def _dicts(server: Any, statement: str) -> list[dict[str, Any]]:
    with contextlib.closing(server.connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
