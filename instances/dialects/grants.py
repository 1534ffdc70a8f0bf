"""Rights as plain values, and what differs between two sets of them. Every dialect speaks this one language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

#: A membership: ``on`` is the role, ``right`` one of these.
ROLE = "role"
MEMBER = "MEMBER"
DEFAULT_ROLE = "DEFAULT"

#: What is given on everything that somebody will make: the last part of ``on`` is that account.
DEFAULT_PRIVILEGES = "default privileges"

#: As JSON: category → one entry for each object, with right → may it be passed on.
Snapshot = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One right of one account on one object."""

    #: "global", "database", "schema", "table", "column", "routine", "role", "owner" …
    category: str
    #: Where, from the outside in and as the server spells it: database, schema, table, column. () is the server.
    on: tuple[str, ...]
    #: "SELECT", "ALL PRIVILEGES", "MEMBER" …
    right: str
    #: May it be passed on: GRANT OPTION, ADMIN OPTION.
    grantable: bool = False
    #: Nobody has granted it: the database gives it to everybody by itself. No difference between two grants.
    default: bool = field(default=False, compare=False)


def snapshot(grants: Iterable[Grant]) -> Snapshot:
    """The rights in the form that is stored and shown, always in the same order."""
    found: dict[str, dict[tuple[str, ...], dict[str, Any]]] = defaultdict(dict)
    for grant in sorted(grants):
        entry = found[grant.category].setdefault(grant.on, {"on": list(grant.on), "rights": {}})
        # Of two grants of one right, the stronger counts; it comes later.
        entry["rights"][grant.right] = grant.grantable
        if grant.default:
            entry.setdefault("default", []).append(grant.right)
    return {category: list(objects.values()) for category, objects in found.items()}


def grants_of(stored: Snapshot) -> set[Grant]:
    """The way back."""
    return {
        Grant(category, tuple(entry["on"]), right, grantable, right in entry.get("default", ()))
        for category, entries in stored.items()
        for entry in entries
        for right, grantable in entry["rights"].items()
    }


def with_names(stored: Snapshot, names: Mapping[str, str]) -> Snapshot:
    """The same rights, with accounts that are mentioned in them under their new names (old → new)."""
    return snapshot(replace(grant, on=_named(grant, names)) for grant in grants_of(stored))


def _named(grant: Grant, names: Mapping[str, str]) -> tuple[str, ...]:
    if grant.category not in (ROLE, DEFAULT_PRIVILEGES):
        return grant.on
    return (*grant.on[:-1], names.get(grant.on[-1], grant.on[-1]))


def difference(before: Snapshot, after: Snapshot) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Category → what was granted and what was revoked; empty when the same rights are in both."""
    old, new = grants_of(before), grants_of(after)
    granted, revoked = snapshot(new - old), snapshot(old - new)
    changes: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for category in sorted(granted.keys() | revoked.keys()):
        parts = {"granted": granted.get(category), "revoked": revoked.get(category)}
        changes[category] = {word: entries for word, entries in parts.items() if entries}
    return changes
