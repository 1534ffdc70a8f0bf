"""What an account change says, in one sentence and as readable lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from instances.dialects.grants import ROLE
from instances.models import AccountChange, InstanceAccount

# By this name, not by a shorter one: the collection of texts knows no other.
RIGHT_WORDS = {
    "granted": gettext_lazy("granted {rights} on {place}"),
    "revoked": gettext_lazy("revoked {rights} on {place}"),
}
ROLE_WORDS = {
    "granted": gettext_lazy("granted {rights} of {place}"),
    "revoked": gettext_lazy("revoked {rights} of {place}"),
}

#: What the attributes are called, of all kinds of servers; one that is not here is shown as it is.
ATTRIBUTES = {
    "kind": gettext_lazy("kind"),
    "superuser": gettext_lazy("superuser"),
    "locked": gettext_lazy("locked"),
    "grant_admin": gettext_lazy("may give rights"),
    "expires_at": gettext_lazy("expires"),
    "login": gettext_lazy("may log in"),
    "create_role": gettext_lazy("may make roles"),
    "create_database": gettext_lazy("may make databases"),
    "replication": gettext_lazy("replication"),
    "bypass_row_security": gettext_lazy("row security does not hold"),
    "inherit": gettext_lazy("inherits rights"),
    "connection_limit": gettext_lazy("connections at most"),
    "plugin": gettext_lazy("way of logging in"),
    "password_expired": gettext_lazy("password expired"),
    "password_changed_at": gettext_lazy("password changed"),
    "password_lifetime_days": gettext_lazy("password holds for days"),
    "most_connections": gettext_lazy("connections at most"),
    "tls": gettext_lazy("TLS"),
    "status": gettext_lazy("status"),
    "profile": gettext_lazy("profile"),
    "authentication": gettext_lazy("way of logging in"),
    "common": gettext_lazy("common to all databases"),
    "default_tablespace": gettext_lazy("default tablespace"),
    "default_database": gettext_lazy("default database"),
    "password_policy": gettext_lazy("password policy"),
    "password_expiration": gettext_lazy("password expires"),
}
KINDS = dict(InstanceAccount.Kind.choices)

#: Parts that a sentence repeats.
MOST_PARTS = 4

Kind = AccountChange.Kind


def sentence(change: AccountChange) -> str:
    """One line, such as ``app: privileges changed (granted INSERT on sales.public.orders; …)``."""
    said = summary(change)
    return f"{change.name}: {Kind(change.kind).label}" + (f" ({said})" if said else "")


def summary(change: AccountChange) -> str:
    """The first of its lines; empty for an account that came or went, of which everything is new or gone."""
    if change.kind in (Kind.ADDED, Kind.DROPPED):
        return ""
    parts = list(islice(lines(change), MOST_PARTS + 1))
    return "; ".join(parts[:MOST_PARTS]) + ("; …" if len(parts) > MOST_PARTS else "")


def lines(change: AccountChange) -> Iterator[str]:
    """Every change of it, one a line: rights, then attributes."""
    for category, parts in change.difference.get("privileges", {}).items():
        words = ROLE_WORDS if category == ROLE else RIGHT_WORDS
        for verb, text in words.items():
            for entry in parts.get(verb, ()):
                yield str(text).format(rights=rights(entry, category), place=place(entry))
    for name, values in change.difference.get("attributes", {}).items():
        before, after = (
            KINDS.get(value, value) if name == "kind" else value
            for value in (values["before"], values["after"])
        )
        yield _("{name}: {before} → {after}").format(
            name=ATTRIBUTES.get(name, name), before=_value(before), after=_value(after)
        )


def rights(entry: dict[str, Any], category: str = "") -> str:
    option = _("with admin option") if category == ROLE else _("with grant option")
    return ", ".join(f"{right} {option}" if passed else right for right, passed in entry["rights"].items())


def place(entry: dict[str, Any]) -> str:
    return ".".join(entry["on"]) or _("the whole server")


def _value(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)
