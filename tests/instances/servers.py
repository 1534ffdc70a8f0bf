"""The servers that tests manage, as tests see them, and names that are hard to keep."""

from __future__ import annotations

import contextlib
import os
from typing import Any
from urllib.parse import unquote, urlsplit

from instances.dialects.target import ConnectionOptions, ConnectionTarget
from scheduling.services.actor import Actor

#: Names that have broken size collectors before; the prefix keeps them off everybody else's databases.
PREFIX = f"jt{os.getpid()}_"
AWKWARD = [
    "Sales",
    "sales",
    'say "hi"',
    "it's",
    "back\\slash",
    "two words",
    "销售数据",
    "Sàles",
    "100%_s",
    "a/b",
    "a@b#c",
]

TRUSTED = Actor(source="command")
PASSWORD = "s3same open »x«"


class Server:
    """A server that tests may fill and empty."""

    def __init__(self, url: str, default_port: int) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or default_port
        self.username = unquote(parts.username or "root")
        self.password = unquote(parts.password or "")
        self.database = unquote(parts.path.removeprefix("/"))

    def target(self, **values: Any) -> ConnectionTarget:
        values = {"username": self.username, "password": self.password} | values
        values.setdefault(
            "options", ConnectionOptions(connect_timeout_seconds=20, statement_timeout_seconds=20)
        )
        return ConnectionTarget(**({"host": self.host, "port": self.port} | values))

    def sql(self, statement: str, values: Any = None, **where: Any) -> list[tuple[Any, ...]]:
        with contextlib.closing(self.connect(**where)) as connection:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def run(self, statements: list[str], **where: Any) -> None:
        """All of them on one connection, as they are written: no character in them is a placeholder."""
        with contextlib.closing(self.connect(**where)) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)

    def connect(self, **where: Any) -> Any:
        raise NotImplementedError


class Postgres(Server):
    def connect(self, database: str = "") -> Any:
        import psycopg2

        connection = psycopg2.connect(
            host=self.host, port=self.port, user=self.username, password=self.password,
            dbname=database or self.database, connect_timeout=3,
        )  # fmt: skip
        connection.autocommit = True
        return connection

    def quote(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'


class MariaDB(Server):
    def connect(self, database: str = "") -> Any:
        import MySQLdb

        return MySQLdb.connect(
            host=self.host, port=self.port, user=self.username, password=self.password,
            database=database or self.database, charset="utf8mb4", autocommit=True, connect_timeout=3,
        )  # fmt: skip

    def quote(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"
