"""Accounts of SQL Server: logins and server roles, and inside each database its users and roles.

A login is called by its name, what lives in one database ``name@database``. Rights of a user that belongs to a login
are the login's. DENY is kept as a restriction.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from instances.dialects.access import READ, Held, Holder
from instances.dialects.grants import MEMBER, ROLE, Grant
from instances.dialects.readings import AccountReading, AccountsReading, ServerReading
from instances.exceptions import DialectError, NothingVisible

if TYPE_CHECKING:
    from instances.dialects.sqlserver import Visit

#: Logins and server roles; never a hash. The SID stays when a login is renamed.
PRINCIPALS = """
SELECT p.name, p.type, p.is_disabled, CONVERT(varchar(172), p.sid, 1), p.default_database_name,
       l.is_policy_checked, l.is_expiration_checked,
       CAST(LOGINPROPERTY(p.name, 'IsLocked') AS int), CAST(LOGINPROPERTY(p.name, 'IsExpired') AS int)
FROM sys.server_principals p
LEFT JOIN sys.sql_logins l ON l.principal_id = p.principal_id
WHERE p.type IN ('S', 'U', 'G', 'E', 'X', 'R')
ORDER BY p.principal_id
"""

SERVER_MEMBERS = """
SELECT r.name, m.name
FROM sys.server_role_members x
JOIN sys.server_principals r ON r.principal_id = x.role_principal_id
JOIN sys.server_principals m ON m.principal_id = x.member_principal_id
"""

SERVER_PERMISSIONS = """
SELECT g.name, p.class_desc, p.permission_name, p.state, COALESCE(t.name, e.name)
FROM sys.server_permissions p
JOIN sys.server_principals g ON g.principal_id = p.grantee_principal_id
LEFT JOIN sys.server_principals t ON p.class = 101 AND t.principal_id = p.major_id
LEFT JOIN sys.endpoints e ON p.class = 105 AND e.endpoint_id = p.major_id
"""

#: Databases, and whether one may look inside.
DATABASES = """
SELECT d.name, CASE WHEN d.state = 0 THEN HAS_DBACCESS(d.name) ELSE 0 END
FROM sys.databases d
WHERE d.source_database_id IS NULL
ORDER BY d.name
"""

#: Users and roles of a database, and the login that a user belongs to.
USERS = """
SELECT u.name, u.type, l.name
FROM {database}.sys.database_principals u
LEFT JOIN sys.server_principals l ON l.sid = u.sid AND u.type <> 'R'
WHERE u.type IN ('S', 'U', 'G', 'E', 'X', 'R') AND u.name NOT IN ('sys', 'INFORMATION_SCHEMA', 'guest')
"""

MEMBERS = """
SELECT r.name, m.name
FROM {database}.sys.database_role_members x
JOIN {database}.sys.database_principals r ON r.principal_id = x.role_principal_id
JOIN {database}.sys.database_principals m ON m.principal_id = x.member_principal_id
"""

#: On the database, its schemas, its objects and their columns. What comes with the server has negative numbers.
PERMISSIONS = """
SELECT g.name, p.class, p.permission_name, p.state, COALESCE(s.name, z.name), o.name, c.name
FROM {database}.sys.database_permissions p
JOIN {database}.sys.database_principals g ON g.principal_id = p.grantee_principal_id
LEFT JOIN {database}.sys.schemas s ON p.class = 3 AND s.schema_id = p.major_id
LEFT JOIN {database}.sys.objects o ON p.class = 1 AND o.object_id = p.major_id
LEFT JOIN {database}.sys.schemas z ON z.schema_id = o.schema_id
LEFT JOIN {database}.sys.columns c ON p.class = 1 AND c.object_id = p.major_id AND c.column_id = p.minor_id
WHERE p.class IN (0, 1, 3) AND p.major_id >= 0
"""

#: The type of a role, of the server and of a database.
ROLE_TYPE = "R"
PUBLIC = "public"
#: Roles of the server that may do everything, and that may make accounts or give rights.
SUPERUSERS = ("sysadmin",)
GRANTERS = ("sysadmin", "securityadmin")
GRANTING_RIGHTS = ("CONTROL SERVER", "ALTER ANY LOGIN")

#: What lets read or write: roles of a database, and rights on it, its schemas, objects and columns.
ROLES = {READ: {"db_owner", "db_datareader"}, "write": {"db_owner", "db_datawriter"}}
RIGHTS = {READ: {"SELECT", "CONTROL"}, "write": {"INSERT", "UPDATE", "DELETE", "CONTROL"}}
SERVER_RIGHTS = {READ: {"CONTROL SERVER", "SELECT ALL USER SECURABLES"}, "write": {"CONTROL SERVER"}}

Grants = dict[str, set[Grant]]


def read(visit: Visit, server: ServerReading) -> AccountsReading:
    """Raises ``NothingVisible`` for an empty list."""
    principals = visit.rows(PRINCIPALS)
    if not principals:
        raise NothingVisible
    grants: Grants = defaultdict(set)
    for role, member in visit.rows(SERVER_MEMBERS):
        grants[member].add(Grant(ROLE, (role,), MEMBER))
    for grantee, kind, right, state, on in visit.rows(SERVER_PERMISSIONS):
        category, path = ("global", ()) if kind == "SERVER" else (kind.lower(), (on or "",))
        grants[grantee].add(_grant(category, path, right, state))
    inside, unread, notes = _inside(visit, grants)
    accounts = [_login(row, grants) for row in principals]
    accounts += [_of_database(name, kind, grants) for name, kind in inside.items()]
    return AccountsReading(server, tuple(accounts), tuple(unread), tuple(notes))


def reasons(action: str, database: str, holder: Holder) -> list[Held]:
    """The rights by which somebody may read or write in a database. DENY on a thing or on what holds it is stronger."""
    denied = {
        (held.grant.on, held.grant.right.removeprefix("NOT "))
        for held in holder.held
        if held.grant.category == "restriction"
    }
    return [
        held
        for held in holder.held
        if _lets(held.grant, action, database) and not _is_denied(held.grant, denied)
    ]


def _is_denied(grant: Grant, denied: set[tuple[tuple[str, ...], str]]) -> bool:
    return any((grant.on[:depth], grant.right) in denied for depth in range(len(grant.on) + 1))


def _lets(grant: Grant, action: str, database: str) -> bool:
    if grant.category == "global":
        return grant.right in SERVER_RIGHTS[action]
    if grant.category == ROLE:
        name, _at, where = grant.on[0].rpartition("@")
        return grant.on[0] in SUPERUSERS or (where == database and name in ROLES[action])
    if grant.category == "owner":
        return grant.on == (database,)
    inside = grant.category in ("database", "schema", "object", "column") and grant.on[0] == database
    return inside and grant.right in RIGHTS[action]


def _inside(visit: Visit, grants: Grants) -> tuple[dict[str, str], list[str], list[str]]:
    """Adds what is granted inside each database; gives the accounts that live there, and what could not be read."""
    found: dict[str, str] = {}
    unread, notes = [], []
    for database, may_enter in visit.rows(DATABASES):
        if not may_enter:
            unread.append(database)
            continue
        try:
            found |= _database(visit, database, grants)
        except DialectError as error:
            unread.append(database)
            notes.append(f"{database}: {error}")
    if unread:
        text = _("Rights inside were not read of: {names}. GRANT CONNECT ANY DATABASE.")
        notes.insert(0, text.format(names=", ".join(unread)))
    return found, unread, notes


def _database(visit: Visit, database: str, grants: Grants) -> dict[str, str]:
    from instances.dialects.sqlserver import quoted

    users, members, permissions = (
        visit.rows(statement.format(database=quoted(database))) for statement in (USERS, MEMBERS, PERMISSIONS)
    )
    found: dict[str, str] = {}
    account: dict[str, str] = {}
    for name, kind, login in users:
        account[name] = login or f"{name}@{database}"
        if not login:
            found[account[name]] = "role" if kind == ROLE_TYPE else "user"
        if name == "dbo":
            grants[account[name]].add(Grant("owner", (database,), "OWNER"))
        if kind != ROLE_TYPE:
            grants[account[name]].add(Grant(ROLE, (f"{PUBLIC}@{database}",), MEMBER, default=True))
    for role, member in members:
        if member in account:
            grants[account[member]].add(Grant(ROLE, (f"{role}@{database}",), MEMBER))
    for grantee, kind, right, state, schema, thing, column in permissions:
        if grantee in account:
            category = ("column" if column else "object") if kind == 1 else "schema" if kind else "database"
            path = tuple(part for part in (database, schema, thing, column) if part)
            grants[account[grantee]].add(_grant(category, path, right, state))
    return found


def _grant(category: str, path: tuple[str, ...], right: str, state: str) -> Grant:
    """``state``: G granted, W with grant option, D denied."""
    if state == "D":
        return Grant("restriction", path, f"NOT {right}")
    return Grant(category, path, right, state == "W")


def _login(row: tuple[Any, ...], grants: Grants) -> AccountReading:
    name, kind, disabled, sid, database, policy, expiration, locked, expired = row
    held = grants.get(name, set())
    roles = {grant.on[0] for grant in held if grant.category == ROLE}
    whole = {grant.right for grant in held if grant.category == "global"}
    is_role = kind == ROLE_TYPE
    return AccountReading(
        name=name,
        username=name,
        kind="public" if name == PUBLIC else "role" if is_role else "user",
        superuser=bool(roles & set(SUPERUSERS)) or name in SUPERUSERS or name == "sa",
        locked=is_role or bool(disabled) or bool(locked),
        grant_admin=bool(roles & set(GRANTERS)) or bool(whole & set(GRANTING_RIGHTS)),
        attributes={
            "kind": kind,
            "default_database": database or "",
            "password_policy": None if policy is None else bool(policy),
            "password_expiration": None if expiration is None else bool(expiration),
            "password_expired": bool(expired),
        },
        server_id=sid or "",
        grants=tuple(sorted(held)),
    )


def _of_database(name: str, kind: str, grants: Grants) -> AccountReading:
    username, _at, database = name.rpartition("@")
    held = tuple(sorted(grants.get(name, set())))
    return AccountReading(
        name=name, username=username, host=database, kind=kind, locked=kind == "role", grants=held
    )
