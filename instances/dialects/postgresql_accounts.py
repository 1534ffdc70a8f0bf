"""Roles of PostgreSQL and their rights: on the server, on each database, and inside each database."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from instances.dialects.base import Deadline
from instances.dialects.grants import MEMBER, ROLE, Grant
from instances.dialects.readings import AccountReading, AccountsReading
from instances.dialects.target import ConnectionTarget
from instances.exceptions import DialectError

if TYPE_CHECKING:
    from instances.dialects.postgresql import Visit

Connect = Callable[[ConnectionTarget], AbstractContextManager["Visit"]]

#: The pseudo-role that everybody belongs to; its oid in access lists is 0.
PUBLIC = "PUBLIC"

#: Times beyond what Python can hold count as "never", as "infinity" does.
ROLES = """
SELECT r.oid, r.rolname::text, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication,
       r.rolbypassrls, r.rolinherit, r.rolconnlimit,
       CASE WHEN r.rolvaliduntil < '9999-12-31'
            THEN extract(epoch FROM greatest(r.rolvaliduntil, '1970-01-01 00:00:00+00'))::float8
       END
FROM pg_catalog.pg_roles r
ORDER BY r.rolname
"""

#: Since 16 a membership may be granted by several roles.
MEMBERSHIPS = """
SELECT m.member, m.roleid, bool_or(m.admin_option)
FROM pg_catalog.pg_auth_members m
GROUP BY m.member, m.roleid
"""

#: Access lists of what belongs to the server. Without a list the built-in default holds: told apart.
SERVER_GRANTS = """
SELECT 'database', ARRAY[d.datname::text], a.grantee, a.privilege_type, a.is_grantable, d.datacl IS NULL
FROM pg_catalog.pg_database d,
     aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
WHERE NOT d.datistemplate AND a.grantee <> d.datdba
UNION ALL
SELECT 'owner', ARRAY[d.datname::text], d.datdba, 'DATABASE OWNER', false, false
FROM pg_catalog.pg_database d WHERE NOT d.datistemplate
UNION ALL
SELECT 'tablespace', ARRAY[t.spcname::text], a.grantee, a.privilege_type, a.is_grantable, false
FROM pg_catalog.pg_tablespace t, aclexplode(t.spcacl) a
WHERE a.grantee <> t.spcowner
"""

#: Databases, and whether this user may look inside.
DATABASES = """
SELECT d.datname::text, d.datallowconn AND has_database_privilege(d.oid, 'CONNECT')
FROM pg_catalog.pg_database d
WHERE NOT d.datistemplate
ORDER BY d.datname
"""

#: What has been granted inside one database. What belongs to the owner is told by "owner"; functions and types
#: that everybody may use because nobody has said otherwise are left out.
INNER_GRANTS = """
WITH spaces AS (
    SELECT n.oid, n.nspname::text AS name, n.nspowner AS owner, n.nspacl AS acl
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), relations AS (
    SELECT c.oid, s.name AS space, c.relname::text AS name, c.relowner AS owner, c.relacl AS acl,
           CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS category
    FROM pg_catalog.pg_class c JOIN spaces s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), routines AS (
    SELECT s.name AS space, p.proowner AS owner, p.proacl AS acl,
           p.proname::text || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')' AS name
    FROM pg_catalog.pg_proc p JOIN spaces s ON s.oid = p.pronamespace
)
SELECT 'schema', ARRAY[s.name], a.grantee, a.privilege_type, a.is_grantable, s.acl IS NULL
FROM spaces s, aclexplode(coalesce(s.acl, acldefault('n', s.owner))) a
WHERE a.grantee <> s.owner
UNION ALL
SELECT r.category, ARRAY[r.space, r.name], a.grantee, a.privilege_type, a.is_grantable, false
FROM relations r, aclexplode(r.acl) a
WHERE a.grantee <> r.owner
UNION ALL
SELECT 'column', ARRAY[r.space, r.name, t.attname::text], a.grantee, a.privilege_type, a.is_grantable, false
FROM relations r JOIN pg_catalog.pg_attribute t ON t.attrelid = r.oid AND NOT t.attisdropped,
     aclexplode(t.attacl) a
WHERE a.grantee <> r.owner
UNION ALL
SELECT 'routine', ARRAY[r.space, r.name], a.grantee, a.privilege_type, a.is_grantable, false
FROM routines r, aclexplode(r.acl) a
WHERE a.grantee <> r.owner
UNION ALL
SELECT 'type', ARRAY[s.name, t.typname::text], a.grantee, a.privilege_type, a.is_grantable, false
FROM pg_catalog.pg_type t JOIN spaces s ON s.oid = t.typnamespace, aclexplode(t.typacl) a
WHERE a.grantee <> t.typowner
UNION ALL
SELECT 'language', ARRAY[l.lanname::text], a.grantee, a.privilege_type, a.is_grantable, false
FROM pg_catalog.pg_language l, aclexplode(l.lanacl) a
WHERE a.grantee <> l.lanowner
UNION ALL
SELECT 'foreign server', ARRAY[f.srvname::text], a.grantee, a.privilege_type, a.is_grantable, false
FROM pg_catalog.pg_foreign_server f, aclexplode(f.srvacl) a
WHERE a.grantee <> f.srvowner
UNION ALL
SELECT 'default privileges',
       ARRAY[coalesce(s.name, ''),
             CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'routines'
                                  WHEN 'T' THEN 'types' ELSE 'schemas' END,
             pg_catalog.pg_get_userbyid(d.defaclrole)::text],
       a.grantee, a.privilege_type, a.is_grantable, false
FROM pg_catalog.pg_default_acl d LEFT JOIN spaces s ON s.oid = d.defaclnamespace, aclexplode(d.defaclacl) a
WHERE a.grantee <> d.defaclrole
UNION ALL
SELECT 'owner', ARRAY[s.name], s.owner, 'SCHEMA OWNER', false, false FROM spaces s
UNION ALL
(SELECT DISTINCT 'owner', ARRAY[r.space], r.owner, upper(r.category) || ' OWNER', false, false FROM relations r)
UNION ALL
(SELECT DISTINCT 'owner', ARRAY[r.space], r.owner, 'ROUTINE OWNER', false, false FROM routines r)
"""

Grants = dict[int, set[Grant]]


def read(connect: Connect, target: ConnectionTarget) -> AccountsReading:
    """Roles first, then their rights. All statements together take no longer than the target's timeout."""
    began = time.monotonic()
    deadline = Deadline(target.options.statement_timeout_seconds, _("Reading accounts"))
    with connect(target) as visit:
        server = visit.server(began)
        roles = visit.rows(ROLES)
        names = {oid: name for oid, name, *_rest in roles} | {0: PUBLIC}
        grants: Grants = defaultdict(set)
        for member, role, admin in visit.rows(MEMBERSHIPS):
            if role in names:
                grants[member].add(Grant(ROLE, (names[role],), MEMBER, admin))
        _add(grants, visit.rows(SERVER_GRANTS))
        databases = visit.rows(DATABASES)
    unread, notes = _look_inside(connect, target, databases, grants, deadline)
    accounts = [_public(grants), *(_account(row, grants) for row in roles)]
    return AccountsReading(server, tuple(accounts), tuple(unread), tuple(notes))


def _look_inside(
    connect: Connect,
    target: ConnectionTarget,
    databases: Iterable[tuple[str, bool]],
    grants: Grants,
    deadline: Deadline,
) -> tuple[list[str], list[str]]:
    """Adds what is granted inside each database; gives those that refused, and why."""
    unread, notes = [], []
    for name, may_connect in databases:
        if not may_connect:
            unread.append(name)
            notes.append(
                _("“{name}”: this user may not connect: GRANT CONNECT ON DATABASE.").format(name=name)
            )
            continue
        options = replace(target.options, statement_timeout_seconds=deadline.left())
        try:
            with connect(replace(target, database=name, options=options)) as visit:
                _add(grants, visit.rows(INNER_GRANTS), inside=name)
        except (
            DialectError
        ) as error:  # also one that is being dropped, which lets nobody in and answers nothing
            unread.append(name)
            notes.append(f"“{name}”: {error}")
    return unread, notes


def _add(grants: Grants, rows: Iterable[tuple[Any, ...]], *, inside: str = "") -> None:
    prefix = (inside,) if inside else ()
    for category, path, grantee, right, grantable, default in rows:
        grants[grantee].add(Grant(category, (*prefix, *path), right, grantable, default))


def _public(grants: Grants) -> AccountReading:
    return AccountReading(PUBLIC, PUBLIC, kind="public", grants=tuple(sorted(grants[0])))


def _account(row: tuple[Any, ...], grants: Grants) -> AccountReading:
    oid, name, superuser, createrole, createdb, login, replication, bypass, inherit, limit, until = row
    return AccountReading(
        name=name,
        username=name,
        kind="user" if login else "role",
        superuser=superuser,
        locked=not login,
        grant_admin=superuser or createrole,
        expires_at=datetime.fromtimestamp(until, UTC) if until is not None else None,
        attributes={
            "login": login,
            "create_role": createrole,
            "create_database": createdb,
            "replication": replication,
            "bypass_row_security": bypass,
            "inherit": inherit,
            "connection_limit": limit,
        },
        server_id=str(oid),
        grants=tuple(sorted(grants[oid])),
    )
