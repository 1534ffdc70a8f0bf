"""Reads the answers of SHOW GRANTS (MySQL 5.7 and 8, MariaDB 10 and 11). Names keep their case and every character.

What follows the grantee (IDENTIFIED BY …) is never looked at: it may hold a password's hash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from instances.dialects.grants import DEFAULT_ROLE, MEMBER, ROLE, Grant

#: A quoted name in any of the three ways, a bare word, or a single sign.
TOKEN = re.compile(
    r"""`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|[^\s`'"(),.@*]+|[(),.@*]""", re.DOTALL
)

ROUTINES = ("PROCEDURE", "FUNCTION", "PACKAGE")
ADMIN_OPTION = "WITH ADMIN OPTION"
GRANT_OPTION = "WITH GRANT OPTION"

#: The privilege that means nothing but "it exists".
USAGE = "USAGE"


class NotUnderstood(ValueError):
    """A line of SHOW GRANTS that this program does not know."""


#: The two halves of an account's name.
Grantee = tuple[str, str]


def parse(lines: Iterable[str], username: str, host: str) -> tuple[set[Grant], list[str]]:
    """The rights of one account, and the lines nobody understood (without what follows their grantee).

    Lines about another grantee are left out: MariaDB adds those of the roles that a role holds.
    """
    return _parsed(lines, (username, host))


def parse_all(lines: Iterable[str]) -> set[Grant]:
    """The rights of everybody whom the lines are about."""
    return _parsed(lines, None)[0]


def _parsed(lines: Iterable[str], of: Grantee | None) -> tuple[set[Grant], list[str]]:
    grants: set[Grant] = set()
    strange: list[str] = []
    for line in lines:
        tokens = _Tokens(line)
        try:
            grants.update(_line(tokens, of))
        except (NotUnderstood, StopIteration):
            strange.append(re.split(r"\s(?:TO|IDENTIFIED)\s", line, maxsplit=1)[0])
    return grants, strange


class _Tokens:
    """One line, word by word."""

    def __init__(self, line: str) -> None:
        self._words: list[str] = TOKEN.findall(line)
        self._at = 0

    def peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def next(self) -> str:
        if self._at >= len(self._words):
            raise NotUnderstood
        self._at += 1
        return self._words[self._at - 1]

    def expect(self, word: str) -> None:
        if self.next() != word:
            raise NotUnderstood

    def skip(self, word: str) -> bool:
        if self.peek() == word:
            self._at += 1
            return True
        return False

    def name(self) -> str:
        return unquoted(self.next())

    def account(self) -> tuple[str, str]:
        """``name`` or ``name@host``."""
        name = self.name()
        return (name, self.name()) if self.skip("@") else (name, "")

    def rest(self) -> str:
        return " ".join(self._words[self._at :])


def unquoted(word: str) -> str:
    quote = word[0]
    if quote not in "`'\"":
        return word
    inner = word[1:-1].replace(quote * 2, quote)
    # Only strings know a backslash; in a name between backticks it is a character as any other.
    return inner if quote == "`" else re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def _line(tokens: _Tokens, of: Grantee | None) -> Iterator[Grant]:
    verb = tokens.next()
    if verb == "SET":  # SET DEFAULT ROLE `r` FOR `u`@`h` (MariaDB)
        yield from _default_role(tokens, of)
    elif verb in ("GRANT", "REVOKE"):
        if tokens.peek()[:1] in ("`", "'", '"'):
            yield from _roles(tokens, of)
        else:
            yield from _rights(tokens, of, revoked=verb == "REVOKE")
    else:
        raise NotUnderstood


def _default_role(tokens: _Tokens, of: Grantee | None) -> Iterator[Grant]:
    tokens.expect("DEFAULT")
    tokens.expect("ROLE")
    role, host = tokens.account()
    tokens.expect("FOR")
    if tokens.account() == of or of is None:
        yield Grant(ROLE, (account_name(role, host),), DEFAULT_ROLE)


def _roles(tokens: _Tokens, of: Grantee | None) -> Iterator[Grant]:
    """GRANT `r`, `s`@`%` TO `u`@`h` [WITH ADMIN OPTION]"""
    roles = [tokens.account()]
    while tokens.skip(","):
        roles.append(tokens.account())
    tokens.expect("TO")
    if tokens.account() != of and of is not None:
        return
    admin = ADMIN_OPTION in tokens.rest()
    for role, host in roles:
        yield Grant(ROLE, (account_name(role, host),), MEMBER, admin)


def _rights(tokens: _Tokens, of: Grantee | None, *, revoked: bool) -> Iterator[Grant]:
    rights: list[tuple[str, list[str]]] = []
    while True:
        words = []
        while tokens.peek() not in ("(", ",", "ON", ""):
            words.append(tokens.next())
        rights.append((" ".join(words), list(_columns(tokens))))
        if not tokens.skip(","):
            break
    tokens.expect("ON")
    category, path = _object(tokens)
    tokens.next()  # TO, or FROM
    if tokens.account() != of and of is not None:
        return
    grantable = GRANT_OPTION in tokens.rest()
    for right, columns in rights:
        if revoked:
            yield Grant("restriction", path, f"NOT {right}")  # MySQL 8: a partial revoke
        elif right == USAGE:
            if grantable:
                yield Grant(category, path, "GRANT OPTION", True)
        elif columns:
            yield from (Grant("column", (*path, column), right, grantable) for column in columns)
        else:
            yield Grant(category, path, right, grantable)


def _columns(tokens: _Tokens) -> Iterator[str]:
    if not tokens.skip("("):
        return
    yield tokens.name()
    while tokens.skip(","):
        yield tokens.name()
    tokens.expect(")")


def _object(tokens: _Tokens) -> tuple[str, tuple[str, ...]]:
    """``*.*``, ``db.*``, ``db.table``, ``PROCEDURE db.routine`` or an account (PROXY)."""
    if tokens.skip("*"):
        tokens.expect(".")
        tokens.expect("*")
        return "global", ()
    tokens.skip("TABLE")
    if tokens.peek() in ROUTINES:
        kind = tokens.next()
        if kind == "PACKAGE" and tokens.skip("BODY"):
            kind = "PACKAGE BODY"
        database = tokens.name()
        tokens.expect(".")
        return "routine", (database, tokens.name(), kind)
    first = tokens.name()
    if tokens.skip("@"):
        return "proxy", (account_name(first, tokens.name()),)
    tokens.expect(".")
    return ("database", (first,)) if tokens.skip("*") else ("table", (first, tokens.name()))


def account_name(username: str, host: str) -> str:
    """As people write it; a role of MariaDB has no host."""
    return f"{username}@{host}" if host else username
