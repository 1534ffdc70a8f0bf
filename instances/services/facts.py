"""What deserves a look about an account, each with its reason. Computed at each collection, shown as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from instances.dialects.grants import ROLE
from instances.dialects.readings import AccountReading

#: Code → sentence; ``{detail}`` says from what it follows.
SENTENCES = {
    "superuser": _("May do everything on this server."),
    "may_grant": _("May give rights to others: {detail}."),
    "locked": _("Cannot log in."),
    "expired": _("Expired at {detail}."),
    "password_expired": _("The password has expired and must be changed at the next login."),
    "no_expiry": _("Its password never expires."),
    "wildcard_host": _("May come from many hosts: {detail}."),
    "anonymous": _("Has no name: anybody may log in as it."),
    "unused_role": _("A role that nobody holds."),
    "bypass_row_security": _("Row security does not hold for it."),
    "replication": _("May read everything by replication."),
}

#: Objects that a reason repeats.
MOST_NAMES = 5


def sentence(fact: dict[str, str]) -> str:
    """For people; a code of a newer version is shown as it is."""
    text = SENTENCES.get(fact["code"])
    return str(text).format(detail=fact.get("detail", "")) if text else fact["code"]


def of(account: AccountReading, held_roles: set[str], now: datetime) -> list[dict[str, str]]:
    """``held_roles``: the roles of this server that somebody holds."""
    return [{"code": code, "detail": detail} for code, detail in _facts(account, held_roles, now)]


def _facts(account: AccountReading, held_roles: set[str], now: datetime) -> Iterator[tuple[str, str]]:
    if account.superuser:
        yield "superuser", ""
    if detail := ", ".join(_granting(account)):
        yield "may_grant", detail
    if account.kind == "user":
        yield from _login_facts(account, now)
    if account.kind == "role" and account.name not in held_roles:
        yield "unused_role", ""
    for name in ("bypass_row_security", "replication"):
        if account.attributes.get(name) and not account.superuser:
            yield name, ""


def _login_facts(account: AccountReading, now: datetime) -> Iterator[tuple[str, str]]:
    if account.locked:
        yield "locked", ""
    if account.expires_at and account.expires_at <= now:
        yield "expired", account.expires_at.isoformat(timespec="seconds")
    if account.attributes.get("password_expired"):
        yield "password_expired", ""
    elif account.expires_at is None:
        yield "no_expiry", ""
    if "%" in account.host or "_" in account.host:
        yield "wildcard_host", account.host
    if not account.username:
        yield "anonymous", ""


def _granting(account: AccountReading) -> list[str]:
    """From what it follows that an account may give rights."""
    if account.attributes.get("create_role"):
        return ["CREATEROLE"]
    if account.grant_admin:
        return [] if account.superuser else ["GRANT OPTION"]
    names = dict.fromkeys(
        f"{'ADMIN' if grant.category == ROLE else 'GRANT'} OPTION ({'.'.join(grant.on) or '*'})"
        for grant in account.grants or ()
        if grant.grantable
    )
    return [*list(names)[:MOST_NAMES], *(["…"] if len(names) > MOST_NAMES else [])]


def attributes_of(account: AccountReading) -> dict[str, Any]:
    """What is compared between two collections, as plain JSON."""
    return {
        "kind": account.kind,
        "superuser": account.superuser,
        "locked": account.locked,
        "grant_admin": account.grant_admin,
        "expires_at": account.expires_at.isoformat() if account.expires_at else None,
    } | account.attributes
