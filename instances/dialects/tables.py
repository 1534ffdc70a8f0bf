"""What a statement of a person's own gave, as plain values; and which statements may be asked for reading."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlparse
from django.utils.translation import gettext as _

from instances.exceptions import StatementRefused
from scheduling.text import storable_characters

#: With what a statement for reading begins.
READING_WORDS = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC")
#: What writes files of the server although it only reads tables; looked for with all comments taken for spaces.
FILES = re.compile(r"\bINTO\s+(OUTFILE|DUMPFILE)\b", re.IGNORECASE)
#: Functions that do more than read, although a transaction that only reads lets them. A guard against slips: names
#: can be put together, so the server's own rights are the last word.
EFFECTS = re.compile(
    r"\b(pg_(?:terminate|cancel)_backend|pg_reload_conf|pg_rotate_logfile|pg_promote|pg_switch_wal|pg_file_\w+"
    r"|pg_create_\w+|pg_drop_\w+|pg_logical_\w+|pg_replication_\w+|pg_wal_replay_(?:pause|resume)"
    r"|pg_backup_st\w+|pg_st(?:art|op)_backup|pg_(?:try_)?advisory_\w+|pg_stat_reset\w*|lo_(?:im|ex)port|dblink\w*"
    r"|get_lock|load_file|sys_(?:exec|eval)|load_extension)\s*\(",
    re.IGNORECASE,
)
#: Comments that one server reads as such and another runs: MySQL's conditional ones, those that begin with "#" (an
#: operator elsewhere) or with "--" and no space (two minus signs in MySQL), and one inside another.
AMBIGUOUS = re.compile(r"/\*!|/\*M!|#|--(?!\s|$)|/\*.*/\*", re.IGNORECASE | re.DOTALL)

MOST_STATEMENTS = 100
MOST_CHARACTERS = 100_000
CELL_CHARACTERS = 2_000
#: About how much of an answer is taken from a server, whatever the number of rows.
MOST_BYTES = 16 * 1024 * 1024


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
    #: Asked a few times a second: should it end?
    stopped: Callable[[], bool] = lambda: False


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
    for comment in _comments(text):
        if AMBIGUOUS.match(comment):
            raise StatementRefused(_("Not every server takes this for a comment: %s") % comment[:100])
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
    # A server may end a string elsewhere than sqlparse does: what looks like a comment counts as a space, strings
    # and all.
    if FILES.search(re.sub(r"/\*.*?\*/|(#|--)[^\n]*", " ", text, flags=re.DOTALL)) or FILES.search(bare):
        raise StatementRefused(_("A statement for reading writes no file."))
    if found := EFFECTS.search(bare):
        raise StatementRefused(_("%s does more than read.") % found[1])
    return bare


def _comments(text: str) -> Iterator[str]:
    for statement in sqlparse.parse(text):
        for token in statement.flatten():  # type: ignore[no-untyped-call]  # it has no types
            if token.ttype in sqlparse.tokens.Comment:
                yield token.value


def table(columns: Iterable[str], rows: Iterable[Sequence[Any]], most: int, *, changed: int = 0) -> Table:
    """Takes so many of the rows, and no more of them than ``MOST_BYTES`` hold; if there are more, the answer is cut."""
    kept: list[tuple[Any, ...]] = []
    left = MOST_BYTES
    for row in rows:
        if len(kept) == most or left <= 0:
            return Table(tuple(columns), tuple(kept), cut=True, changed=changed)
        left -= sum(_bytes(value) for value in row)
        kept.append(tuple(cell(value) for value in row))
    return Table(tuple(columns), tuple(kept), changed=changed)


def _bytes(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | bytearray | memoryview) else 16


def cell(value: Any) -> Any:
    """A value as JSON has it: numbers, booleans and null as they are, everything else as text."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return storable_characters("0x" + bytes(value[:CELL_CHARACTERS]).hex(), CELL_CHARACTERS)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return storable_characters(str(value), CELL_CHARACTERS)
