"""A driver that answers with rows that were written down: for servers that no test can meet.

The rows follow the columns that the vendors document; what a real server says may differ, and the dialects say so.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

#: Statement → rows, or what is raised.
Answers = dict[str, Sequence[tuple[Any, ...]] | Exception]


class Error(Exception):
    """As the drivers call theirs."""


class Cursor:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: Any = None
        self.rowcount = 0

    def execute(self, statement: str) -> None:
        self._connection.asked.append(statement)
        answer = self._connection.answers.get(statement, ())
        if isinstance(answer, Exception):
            raise answer
        known = statement in self._connection.answers
        self._rows = list(answer)
        self.description = [(f"c{number}",) for number in range(len(self._rows[0]))] if self._rows else None
        if known and not self._rows:
            self.description = [("c0",)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def fetchmany(self, most: int) -> list[tuple[Any, ...]]:
        return self._rows[:most]

    def close(self) -> None:
        """Nothing is held."""


class Connection:
    version = "19.21.0.0.0"

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.call_timeout = 0
        self.closed = False

    def cursor(self) -> Cursor:
        return Cursor(self)

    def close(self) -> None:
        self.closed = True


class Driver:
    """Stands where the module would; keeps how it was called."""

    def __init__(self, answers: Answers) -> None:
        self.connection = Connection(answers)
        self.arguments: dict[str, Any] = {}
        self.refusal: Exception | None = None

    def install(self, name: str, monkeypatch: pytest.MonkeyPatch) -> Driver:
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(connect=self.connect, Error=Error))
        return self

    def connect(self, **arguments: Any) -> Connection:
        self.arguments = arguments
        if self.refusal:
            raise self.refusal
        return self.connection
