"""Which rights of MySQL and MariaDB let an account read or write in a database."""

from __future__ import annotations

import math
import re
from collections import defaultdict
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
    counting = _counting(holder, database)
    return [
        held
        for held in holder.held
        if _fits(held, action, database, restricted)
        and (held.grant.category != "database" or counting[held.via] == held.grant.on[0])
    ]


def _counting(holder: Holder, database: str) -> dict[tuple[str, ...], str]:
    """For the account, and for each way through roles: on which name its rights on the database are looked up."""
    patterns: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for held in holder.held:
        if held.grant.category == "database":
            patterns[held.via].add(held.grant.on[0])
    return {via: most_exact(found, database) for via, found in patterns.items()}


def most_exact(patterns: Iterable[str], database: str) -> str:
    """Of the names that fit, the one that the server looks at, and no other: that with the latest wild card; empty
    when none fits.
    """
    fitting = [pattern for pattern in patterns if fits_pattern(database, pattern)]
    return max(fitting, key=lambda pattern: (_exact_part(pattern), len(pattern)), default="")


def _exact_part(pattern: str) -> float:
    found = re.search(r"(?<!\\)[%_]", pattern)
    return found.start() if found else math.inf


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
    """The rights on everything in a database: not those on some of its tables. Of rights on several names that fit
    the database, those on the most exact one.
    """
    grants = tuple(grants)
    counting = most_exact({grant.on[0] for grant in grants if grant.category == "database"}, database)
    taken = {
        grant.right.removeprefix("NOT ")
        for grant in grants
        if grant.category == "restriction" and grant.on == (database,)
    }
    return everywhere(grants) - taken | {
        grant.right for grant in grants if grant.category == "database" and grant.on == (counting,)
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
