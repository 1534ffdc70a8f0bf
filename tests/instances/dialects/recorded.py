"""A driver that answers with rows that were written down: for servers that no test can meet.

The rows follow the columns that the vendors document; what a real server says may differ, and the dialects say so.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

#: Statement → rows, or what is raised.
Answers = dict[str, Sequence[tuple[Any, ...]] | Exception]


def key(statement: str, **values: Any) -> str:
    return f"{statement} with {sorted(values.items())}"


class Error(Exception):
    """As the drivers call theirs."""


class Cursor:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: Any = None
        self.rowcount = 0

    def execute(self, statement: str, values: dict[str, Any] | None = None) -> None:
        """An answer may be kept for a statement alone, or for the statement and its values (``key``)."""
        self._connection.asked.append(statement)
        if statement in self._connection.endless:
            self._connection.wait()
        answers = self._connection.answers
        asked = key(statement, **values) if values and key(statement, **values) in answers else statement
        answer = answers.get(asked, ())
        if isinstance(answer, Exception):
            raise answer
        known = asked in answers
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
        self.closed = False
        #: Statements that never end by themselves.
        self.endless: set[str] = set()
        #: Somebody has asked for the end of what runs.
        self.cancelled = False
        #: Does not care.
        self.deaf = False
        #: What the driver was given to wait with: it gets the number of a line on which nothing ever comes.
        self.callback: Any = None
        self._conn = self

    def cursor(self) -> Cursor:
        return Cursor(self)

    def close(self) -> None:
        self.closed = True

    def cancel(self) -> None:
        self.cancelled = True

    def wait(self) -> None:
        assert self.callback, "nobody would ever come back"
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.callback(ours.fileno())


class AsyncCursor:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def __enter__(self) -> AsyncCursor:
        return self

    def __exit__(self, *_error: object) -> None:
        self._cursor.close()

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    async def execute(self, statement: str) -> None:
        connection = self._cursor._connection
        if statement in connection.endless:
            connection.asked.append(statement)
            while connection.deaf or not connection.cancelled:
                await asyncio.sleep(0.01)
            raise Error("ORA-01013: user requested cancel of current operation")
        self._cursor.execute(statement)

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return self._cursor.fetchall()

    async def fetchmany(self, most: int) -> list[tuple[Any, ...]]:
        return self._cursor.fetchmany(most)


class AsyncConnection:
    """The same for drivers that are awaited."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.version = connection.version

    def cursor(self) -> AsyncCursor:
        return AsyncCursor(self._connection.cursor())

    def cancel(self) -> None:
        self._connection.cancel()

    async def close(self) -> None:
        self._connection.close()


class Driver:
    """Stands where the module would; keeps how it was called."""

    def __init__(self, answers: Answers) -> None:
        self.connection = Connection(answers)
        self.arguments: dict[str, Any] = {}
        self.refusal: Exception | None = None
        #: Never lets anybody in.
        self.silent = False

    def install(self, name: str, monkeypatch: pytest.MonkeyPatch) -> Driver:
        module = SimpleNamespace(
            connect=self.connect,
            connect_async=self.connect_async,
            set_wait_callback=self.set_wait_callback,
            Error=Error,
        )
        monkeypatch.setitem(sys.modules, name, module)
        return self

    def set_wait_callback(self, callback: Any) -> None:
        self.connection.callback = callback

    def connect(self, **arguments: Any) -> Connection:
        self.arguments = arguments
        if self.refusal:
            raise self.refusal
        return self.connection

    async def connect_async(self, **arguments: Any) -> AsyncConnection:
        self.arguments = arguments
        if self.refusal:
            raise self.refusal
        if self.silent:
            await asyncio.Event().wait()
        return AsyncConnection(self.connection)
