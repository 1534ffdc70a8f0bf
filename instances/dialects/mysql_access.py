"""Which rights of MySQL and MariaDB let an account read or write in a database."""

from __future__ import annotations

import re
from collections.abc import Iterable

from instances.dialects.access import ADMIN, READ, WRITE, Held, Holder
from instances.dialects.grants import Grant

RIGHTS = {
    READ: {"ALL PRIVILEGES", "SELECT"},
    WRITE: {"ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP"},
    ADMIN: {"ALL PRIVILEGES", "CREATE", "ALTER", "DROP"},
}

WILD = re.compile(r"[%_\\]")


def reasons(action: str, database: str, holder: Holder) -> list[Held]:
    """The rights by which it may; empty when it may not."""
    restricted = {
        held.grant.right.removeprefix("NOT ")
        for held in holder.held
        if held.grant.category == "restriction" and held.grant.on == (database,) and not held.via
    }
    return [held for held in holder.held if _fits(held, action, database, restricted)]


def _fits(held: Held, action: str, database: str, restricted: set[str]) -> bool:
    grant = held.grant
    if grant.right not in RIGHTS[action] and not (action == ADMIN and grant.grantable):
        return False
    return concerns(database, grant.category, grant.on) and not (
        grant.category == "global" and grant.right in restricted
    )


def everywhere(grants: Iterable[Grant]) -> set[str]:
    """The rights on everything that the server has."""
    return {grant.right for grant in grants if grant.category == "global"}


def throughout(grants: Iterable[Grant], database: str) -> set[str]:
    """The rights on everything in a database: not those on some of its tables."""
    grants = tuple(grants)
    taken = {
        grant.right.removeprefix("NOT ")
        for grant in grants
        if grant.category == "restriction" and grant.on == (database,)
    }
    return everywhere(grants) - taken | {
        grant.right
        for grant in grants
        if grant.category == "database" and fits_pattern(database, grant.on[0])
    }


def concerns(database: str, category: str, on: tuple[str, ...]) -> bool:
    """Whether a right on this says anything about what may be done in the database."""
    if category == "global":
        return True
    if category == "database":
        return fits_pattern(database, on[0])
    return category in ("table", "column", "routine", "restriction") and on[:1] == (database,)


def fits_pattern(database: str, pattern: str) -> bool:
    r"""As the server compares: ``%`` and ``_`` are wild unless a backslash stands before them."""
    if not WILD.search(pattern):
        return pattern == database
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(
        wild.get(part) or re.escape(part[1:] if part[:1] == "\\" and len(part) > 1 else part)
        for part in parts
    )
    return re.fullmatch(expression, database, re.DOTALL) is not None
