"""What an account change says, in one sentence and as readable lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from instances.dialects.grants import ROLE
from instances.models import AccountChange

RIGHT_WORDS = {
    "granted": _lazy("granted {rights} on {place}"),
    "revoked": _lazy("revoked {rights} on {place}"),
}
ROLE_WORDS = {
    "granted": _lazy("granted {rights} of {place}"),
    "revoked": _lazy("revoked {rights} of {place}"),
}

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
        yield _("{name}: {before} → {after}").format(
            name=name, before=_value(values["before"]), after=_value(values["after"])
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
