"""Accounts of Oracle: users and roles, and what each has been granted. What Oracle itself maintains is left out, but
for SYS, SYSTEM and the roles that somebody holds.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from instances.dialects.access import READ, Held, Holder
from instances.dialects.grants import DEFAULT_ROLE, MEMBER, ROLE, Grant
from instances.dialects.readings import AccountReading, AccountsReading, ServerReading
from instances.exceptions import NothingVisible

if TYPE_CHECKING:
    from instances.dialects.oracle import Visit

#: Users; never a hash. Dates of the dictionary are in the server's zone.
USERS = """
SELECT u.username, u.user_id, u.account_status,
       SYS_EXTRACT_UTC(FROM_TZ(CAST(u.expiry_date AS TIMESTAMP), TO_CHAR(SYSTIMESTAMP, 'TZR'))),
       u.profile, u.authentication_type, u.common, u.default_tablespace
FROM dba_users u
WHERE u.oracle_maintained = 'N' OR u.username IN ('SYS', 'SYSTEM')
ORDER BY u.username
"""

ROLES = "SELECT r.role, r.oracle_maintained FROM dba_roles r ORDER BY r.role"

ROLE_GRANTS = "SELECT p.grantee, p.granted_role, p.admin_option, p.default_role FROM dba_role_privs p"
SYSTEM_GRANTS = "SELECT p.grantee, p.privilege, p.admin_option FROM dba_sys_privs p"

#: On objects; without the thousands that everybody has on Oracle's own.
OBJECT_GRANTS = """
SELECT p.grantee, p.owner, p.table_name, NULL, p.privilege, p.grantable, p.type
FROM dba_tab_privs p
WHERE p.owner NOT IN (SELECT username FROM dba_users WHERE oracle_maintained = 'Y')
UNION ALL
SELECT c.grantee, c.owner, c.table_name, c.column_name, c.privilege, c.grantable, 'COLUMN'
FROM dba_col_privs c
WHERE c.owner NOT IN (SELECT username FROM dba_users WHERE oracle_maintained = 'Y')
"""

PUBLIC = "PUBLIC"
SUPERUSERS = {"SYS"}
DBA = "DBA"
GRANTING_RIGHTS = {"GRANT ANY PRIVILEGE", "GRANT ANY ROLE", "GRANT ANY OBJECT PRIVILEGE", "CREATE USER"}
READING = {"SELECT", "READ", "SELECT ANY TABLE", "READ ANY TABLE"}
WRITING = {
    "INSERT", "UPDATE", "DELETE", "INSERT ANY TABLE", "UPDATE ANY TABLE", "DELETE ANY TABLE",
}  # fmt: skip


def read(visit: Visit, server: ServerReading) -> AccountsReading:
    """Raises ``NothingVisible`` for an empty list."""
    users = visit.rows(USERS)
    if not users:
        raise NothingVisible
    grants: dict[str, set[Grant]] = defaultdict(set)
    for grantee, role, admin, default in visit.rows(ROLE_GRANTS):
        grants[grantee].add(Grant(ROLE, (role,), MEMBER, admin == "YES"))
        if default == "YES":
            grants[grantee].add(Grant(ROLE, (role,), DEFAULT_ROLE))
    for grantee, right, admin in visit.rows(SYSTEM_GRANTS):
        grants[grantee].add(Grant("global", (), right, admin == "YES"))
    for grantee, owner, name, column, right, grantable, kind in visit.rows(OBJECT_GRANTS):
        path = (owner, name, column) if column else (owner, name)
        grants[grantee].add(Grant(str(kind).lower(), path, right, grantable == "YES"))
    names = [row[0] for row in users]
    roles = _held_roles(names, visit.rows(ROLES), grants)
    accounts = [_user(row, grants) for row in users]
    accounts += [_role(name, grants) for name in roles]
    accounts.append(
        AccountReading(PUBLIC, PUBLIC, kind="public", locked=True, grants=_sorted(grants[PUBLIC]))
    )
    return AccountsReading(server, tuple(accounts))


def reasons(action: str, holder: Holder) -> list[Held]:
    """Everything that was read concerns the one database that one was connected to."""
    rights = READING if action == READ else WRITING
    return [held for held in holder.held if held.grant.right in rights]


def _held_roles(users: list[str], roles: Any, grants: dict[str, set[Grant]]) -> list[str]:
    """Roles that people made, and those of Oracle's that an account has, itself or through roles."""
    chosen = {name for name, maintained in roles if maintained != "Y"}
    known = {name for name, _maintained in roles}
    waiting, met = [*users, *chosen, PUBLIC], set()
    while waiting:
        holder = waiting.pop()
        if holder in met:
            continue
        met.add(holder)
        waiting += [grant.on[0] for grant in grants.get(holder, ()) if grant.category == ROLE]
    return sorted(met & known)


def _user(row: tuple[Any, ...], grants: dict[str, set[Grant]]) -> AccountReading:
    name, number, status, expires, profile, authentication, common, tablespace = row
    held = grants.get(name, set())
    roles = {grant.on[0] for grant in held if grant.category == ROLE}
    rights = {grant.right for grant in held if grant.category == "global"}
    return AccountReading(
        name=name,
        username=name,
        superuser=name in SUPERUSERS or DBA in roles,
        locked="LOCKED" in status,
        grant_admin=name in SUPERUSERS or DBA in roles or bool(rights & GRANTING_RIGHTS),
        expires_at=_moment(expires),
        attributes={
            "status": status,
            "profile": profile,
            "authentication": authentication or "",
            "common": common == "YES",
            "default_tablespace": tablespace or "",
        },
        server_id=str(number),
        grants=_sorted(held),
    )


def _role(name: str, grants: dict[str, set[Grant]]) -> AccountReading:
    return AccountReading(name, name, kind="role", locked=True, grants=_sorted(grants.get(name, set())))


def _sorted(grants: set[Grant]) -> tuple[Grant, ...]:
    return tuple(sorted(grants))


def _moment(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at else None
