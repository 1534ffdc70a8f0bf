"""What a statement of a person's own gave, as plain values; and which statements may be asked for reading."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlparse
from django.utils.translation import gettext as _

from instances.exceptions import StatementRefused
from scheduling.text import storable_characters

#: With what a statement for reading begins.
READING_WORDS = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC")
#: What writes files of the server although it only reads tables.
FILES = re.compile(r"\bINTO\s+(OUTFILE|DUMPFILE)\b", re.IGNORECASE)

MOST_STATEMENTS = 100
MOST_CHARACTERS = 100_000
CELL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Table:
    """The answer to the last statement."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    #: There were more rows than were asked for.
    cut: bool = False
    #: Rows that the statements changed, together, as the server counts them.
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """What is to be run on a server, and within which limits."""

    statements: tuple[str, ...]
    writes: bool = False
    most_rows: int = 1_000


def script(text: str, *, writes: bool, most_rows: int) -> Script:
    """Takes a text apart. Raises ``StatementRefused``.

    For reading it must be one statement without any semicolon inside, so that what is sent is what was looked at.
    """
    if len(text) > MOST_CHARACTERS or "\0" in text:
        raise StatementRefused(_("A script has at most %d characters, and no NUL.") % MOST_CHARACTERS)
    if not writes:
        return Script((_reading(text),), most_rows=most_rows)
    statements = tuple(one.rstrip().rstrip(";").rstrip() for one in sqlparse.split(text))
    statements = tuple(one for one in statements if _bare(one))
    if not statements:
        raise StatementRefused(_("There is no statement."))
    if len(statements) > MOST_STATEMENTS:
        raise StatementRefused(_("A script has at most %d statements.") % MOST_STATEMENTS)
    return Script(statements, writes=True, most_rows=most_rows)


def _bare(text: str) -> str:
    """Without comments, and without the semicolon at its end."""
    return str(sqlparse.format(text, strip_comments=True)).strip().rstrip(";").rstrip()


def _reading(text: str) -> str:
    bare = _bare(text)
    if not bare:
        raise StatementRefused(_("There is no statement."))
    if ";" in bare:
        raise StatementRefused(_("For reading, give one statement without semicolons inside."))
    word = re.match(r"\(*\s*(\w*)", bare)
    if word is None or word[1].upper() not in READING_WORDS:
        raise StatementRefused(
            _("For reading, a statement begins with one of: %s.") % ", ".join(READING_WORDS)
        )
    if FILES.search(bare):
        raise StatementRefused(_("A statement for reading writes no file."))
    return bare


def table(columns: Iterable[str], rows: Sequence[Sequence[Any]], most: int, *, changed: int = 0) -> Table:
    """``rows`` may hold one more than ``most``: then the answer was cut."""
    kept = tuple(tuple(cell(value) for value in row) for row in rows[:most])
    return Table(tuple(columns), kept, len(rows) > most, changed)


def cell(value: Any) -> Any:
    """A value as JSON has it: numbers, booleans and null as they are, everything else as text."""
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return storable_characters("0x" + bytes(value)[:CELL_CHARACTERS].hex(), CELL_CHARACTERS)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return storable_characters(str(value), CELL_CHARACTERS)
