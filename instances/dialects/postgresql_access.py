"""Which rights of PostgreSQL let a role read or write in a database: it must get in, and find a door inside."""

from __future__ import annotations

from instances.dialects.access import ADMIN, READ, WRITE, Held, Holder
from instances.dialects.grants import MEMBER, ROLE, Grant

TABLE_RIGHTS = {READ: {"SELECT"}, WRITE: {"INSERT", "UPDATE", "DELETE", "TRUNCATE"}}
OWNERS = ("DATABASE OWNER", "SCHEMA OWNER", "TABLE OWNER")
#: Predefined roles that may do it to every table.
EVERYWHERE = {READ: "pg_read_all_data", WRITE: "pg_write_all_data"}


def reasons(action: str, database: str, holder: Holder) -> list[Held]:
    """The rights by which it may; empty when it may not. A superuser needs none."""
    if holder.superuser:
        return [Held(Grant("server", (), "SUPERUSER"))]
    own = [held for held in holder.held if held.grant.on[:1] == (database,)]
    if not any(_lets_in(held.grant) for held in own):
        return []
    if action == ADMIN:
        return [held for held in own if _rules(held.grant)]
    everywhere = [
        held
        for held in holder.held
        if held.grant == Grant(ROLE, (EVERYWHERE[action],), MEMBER, held.grant.grantable)
    ]
    spaces = {held.grant.on[1] for held in own if _opens(held.grant)}
    found = [
        held
        for held in own
        if _does(held.grant, action) and (len(held.grant.on) < 2 or held.grant.on[1] in spaces)
    ]
    return [*everywhere, *found]


def _lets_in(grant: Grant) -> bool:
    return (grant.category, grant.right) in (("database", "CONNECT"), ("owner", "DATABASE OWNER"))


def _rules(grant: Grant) -> bool:
    """Whether it lets somebody change what the database is made of, or pass a right on."""
    return (grant.category == "owner" and grant.right in OWNERS) or grant.grantable


def _opens(grant: Grant) -> bool:
    """Whether it opens a schema."""
    return (grant.category, grant.right) in (("schema", "USAGE"), ("owner", "SCHEMA OWNER"))


def _does(grant: Grant, action: str) -> bool:
    if grant.category in ("table", "column"):
        return grant.right in TABLE_RIGHTS[action]
    if grant.category == "owner":
        # Whoever owns a schema or a database may make tables there.
        return grant.right == "TABLE OWNER" or (
            action == WRITE and grant.right in ("SCHEMA OWNER", "DATABASE OWNER")
        )
    return action == WRITE and grant.category in ("database", "schema") and grant.right == "CREATE"
