"""The kinds of databases that can be managed: plain values in, plain values out, no ORM. SQL text lives here.

A new kind is one file with a ``Dialect`` and one line in the table.
"""

from __future__ import annotations

from difflib import get_close_matches

from django.utils.translation import gettext as _

from instances.dialects.base import Dialect
from instances.dialects.mysql import MySQL
from instances.dialects.oracle import Oracle
from instances.dialects.postgresql import PostgreSQL
from instances.dialects.sqlite import SQLite
from instances.dialects.sqlserver import SQLServer

DIALECTS: dict[str, Dialect] = {
    "mysql": MySQL(),
    "postgresql": PostgreSQL(),
    "sqlite": SQLite(),
    "sqlserver": SQLServer(),
    "oracle": Oracle(),
}


def choices() -> list[tuple[str, str]]:
    """For model fields: called, not frozen into migrations."""
    return [(name, str(dialect.label)) for name, dialect in DIALECTS.items()]


def described() -> list[tuple[str, str]]:
    """For forms: with what is to be known of each before it is chosen."""
    return [(name, dialect.description()) for name, dialect in DIALECTS.items()]


def get(name: str) -> Dialect:
    """Raises ``LookupError`` with the known names."""
    try:
        return DIALECTS[name]
    except KeyError:
        near = get_close_matches(name, DIALECTS, n=1)
        hint = _(" Did you mean “{name}”?").format(name=near[0]) if near else ""
        known = ", ".join(DIALECTS)
        raise LookupError(
            _("There is no dialect “{name}”; known are {known}.").format(name=name, known=known) + hint
        ) from None
