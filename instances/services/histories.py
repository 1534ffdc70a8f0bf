"""What an account change says, in one sentence and as readable lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from instances.models import AccountChange

#: Parts that a sentence repeats.
MOST_PARTS = 4

Kind = AccountChange.Kind


def sentence(change: AccountChange) -> str:
    """One line, such as ``app: granted INSERT on sales.public.orders; …``."""
    parts = list(lines(change)) if change.kind not in (Kind.ADDED, Kind.DROPPED) else []
    shown = "; ".join(parts[:MOST_PARTS]) + ("; …" if len(parts) > MOST_PARTS else "")
    label = str(Kind(change.kind).label)
    return f"{change.name}: {label}" + (f" ({shown})" if shown else "")


def lines(change: AccountChange) -> Iterator[str]:
    """Every change of it, one a line."""
    for name, values in change.difference.get("attributes", {}).items():
        yield _("{name}: {before} → {after}").format(
            name=name, before=_value(values["before"]), after=_value(values["after"])
        )
    for parts in change.difference.get("privileges", {}).values():
        for entry in parts.get("granted", ()):
            yield _("granted {rights} on {place}").format(rights=rights(entry), place=place(entry))
        for entry in parts.get("revoked", ()):
            yield _("revoked {rights} on {place}").format(rights=rights(entry), place=place(entry))


def rights(entry: dict[str, Any]) -> str:
    option = _("with grant option")
    return ", ".join(f"{right} {option}" if passed else right for right, passed in entry["rights"].items())


def place(entry: dict[str, Any]) -> str:
    return ".".join(entry["on"]) or _("the whole server")


def _value(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)
