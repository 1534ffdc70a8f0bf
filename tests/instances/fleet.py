"""Fills a real server with databases, accounts, roles and rights of hard names, the same for the same seed."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator

from tests.instances.servers import MariaDB, Postgres

#: Not that of the databases which the tests of sizes list.
PREFIX = f"jf{os.getpid()}_"

#: Parts of names: quotes of each kind, a space, a backslash, both cases, a wild card, Chinese, an emoji.
HARD = [
    'say "hi"', "it's", "back\\slash", "two words", "UPPER", "upper", "销售", "Sàles", "100%_s", "a.b", "`tick`",
    "x@y", "(a, b)", "-- c",
]  # fmt: skip
EMOJI = "😀 🗄"


def names(random_: random.Random, count: int, word: str, *, emoji: bool) -> list[str]:
    hard = [*HARD, EMOJI] if emoji else HARD
    return [f"{PREFIX}{word}{number} {random_.choice(hard)}" for number in range(count)]


class PostgresFleet:
    """Databases, roles within roles, and rights on databases, schemas, tables, columns, sequences and routines."""

    def __init__(self, server: Postgres, *, databases: int, accounts: int, seed: int = 1) -> None:
        self.server = server
        self._random = random.Random(seed)
        self.databases = names(self._random, databases, "d", emoji=True)
        self.accounts = names(self._random, accounts, "u", emoji=True)

    @contextlib.contextmanager
    def standing(self) -> Iterator[PostgresFleet]:
        try:
            self._create()
            yield self
        finally:
            self._drop()

    def _create(self) -> None:
        quote = self.server.quote
        statements = []
        for number, name in enumerate(self.accounts):
            login = "LOGIN" if number % 3 else "NOLOGIN"
            statements.append(f"CREATE ROLE {quote(name)} {login}")
            for role in self._random.sample(self.accounts[:number], min(number, self._random.randrange(3))):
                admin = self._random.choice(("", " WITH ADMIN OPTION"))
                statements.append(f"GRANT {quote(role)} TO {quote(name)}{admin}")
        self.server.run(statements)
        for name in self.databases:
            self.server.sql(f"CREATE DATABASE {quote(name)} TEMPLATE template0 ENCODING 'UTF8'")
            self.server.run(self._inside(), database=name)
            rights = [f"GRANT {right} ON DATABASE {quote(name)} TO {who}{option}"
                      for right, who, option in self._some(("CONNECT", "CREATE", "TEMPORARY"))]  # fmt: skip
            if self._random.random() < 0.3:
                rights.insert(0, f"REVOKE CONNECT ON DATABASE {quote(name)} FROM PUBLIC")
            self.server.run(rights)

    def _some(self, rights: tuple[str, ...]) -> list[tuple[str, str, str]]:
        chosen = []
        for _ in range(self._random.randrange(1, 5)):
            who = self._random.choice([*map(self.server.quote, self.accounts), "PUBLIC"])
            option = "" if who == "PUBLIC" else self._random.choice(("", " WITH GRANT OPTION"))
            chosen.append((self._random.choice(rights), who, option))
        return chosen

    def _inside(self) -> list[str]:
        quote, statements = self.server.quote, []
        for number in range(2):
            schema = quote(f"S{number} {self._random.choice(HARD)}")
            owner = quote(self._random.choice(self.accounts))
            table, view, sequence = (
                f"{schema}.{quote(word + self._random.choice(HARD))}" for word in ("T", "V", "Q")
            )
            column = quote(f"C {self._random.choice(HARD)}")
            function = f"{schema}.{quote('F' + self._random.choice(HARD))}(integer, text)"
            statements += [
                f"CREATE SCHEMA {schema}" + (f" AUTHORIZATION {owner}" if number else ""),
                f"CREATE TABLE {table} (a int, {column} text)",
                f"CREATE VIEW {view} AS SELECT 1 AS a",
                f"CREATE SEQUENCE {sequence}",
                f"CREATE FUNCTION {function} RETURNS int LANGUAGE sql AS 'SELECT 1'",
                f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC",
            ]
            for place, rights in (
                (f"SCHEMA {schema}", ("USAGE", "CREATE")),
                (table, ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")),
                (table, (f"SELECT ({column})", f"UPDATE (a, {column})", "INSERT (a)")),
                (view, ("SELECT", "INSERT")),
                (f"SEQUENCE {sequence}", ("USAGE", "SELECT", "UPDATE")),
                (f"FUNCTION {function}", ("EXECUTE",)),
            ):
                statements += [
                    f"GRANT {right} ON {place} TO {who}{option}" for right, who, option in self._some(rights)
                ]
            if number:
                statements.append(f"ALTER TABLE {table} OWNER TO {quote(self._random.choice(self.accounts))}")
        return statements

    def _drop(self) -> None:
        quote = self.server.quote
        for name in self.databases:
            self.server.sql(f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)")
        self.server.run([f"DROP ROLE IF EXISTS {quote(name)}" for name in reversed(self.accounts)])


class MariaDBFleet:
    """Schemas, users, roles within roles, and rights on everything, schemas, tables, columns and routines."""

    def __init__(self, server: MariaDB, *, databases: int, accounts: int, seed: int = 1) -> None:
        self.server = server
        self._random = random.Random(seed)
        self.databases = [name[:60] for name in names(self._random, databases, "d", emoji=False)]
        roles = max(accounts // 5, 1)
        self.roles = names(self._random, roles, "r", emoji=False)
        hosts = ("%", "localhost", "10.0.%", "db_1.example.com")
        self.users = [
            (name, self._random.choice(hosts))
            for name in names(self._random, accounts - roles, "u", emoji=False)
        ]

    @contextlib.contextmanager
    def standing(self) -> Iterator[MariaDBFleet]:
        try:
            self._create()
            yield self
        finally:
            self._drop()

    def grantees(self) -> list[str]:
        return [*map(literal, self.roles), *(f"{literal(name)}@{literal(host)}" for name, host in self.users)]

    def _create(self) -> None:
        statements = []
        for number, role in enumerate(self.roles):
            statements.append(f"CREATE ROLE {literal(role)}")
            if number:
                statements.append(
                    f"GRANT {literal(self._random.choice(self.roles[:number]))} TO {literal(role)}"
                )
        for number, (name, host) in enumerate(self.users):
            who = f"{literal(name)}@{literal(host)}"
            lock = ("", " ACCOUNT LOCK", " PASSWORD EXPIRE INTERVAL 30 DAY", " PASSWORD EXPIRE NEVER")[
                number % 4
            ]
            statements.append(f"CREATE USER {who} IDENTIFIED BY {literal('Secret of ' + name)}{lock}")
            role = literal(self._random.choice(self.roles))
            if number % 2:
                statements.append(f"GRANT {role} TO {who}" + (" WITH ADMIN OPTION" if number % 3 else ""))
                statements.append(f"SET DEFAULT ROLE {role} FOR {who}")
        for name in self.databases:
            statements += self._database(name)
        for _ in range(max(len(self.users) // 5, 2)):
            statements.append(
                f"GRANT {self._random.choice(('SELECT, PROCESS', 'CREATE USER'))} ON *.* TO {self._who()}"
            )
        self.server.run(statements)

    def _who(self) -> str:
        return self._random.choice(self.grantees())

    def _database(self, name: str) -> list[str]:
        quote, choice = self.server.quote, self._random.choice
        database, table, column = quote(name), quote("T" + choice(HARD)), quote("C" + choice(HARD))
        pattern = quote(name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))
        routine = f"{database}.{quote('P' + choice(HARD))}"
        some = choice(("ALL PRIVILEGES", "SELECT, INSERT", "CREATE, DROP"))
        more = choice(("SELECT", "INSERT, UPDATE, DELETE", "ALL PRIVILEGES"))
        return [
            f"CREATE DATABASE {database}",
            f"CREATE TABLE {database}.{table} (a int, {column} int) ENGINE=MyISAM",
            f"CREATE PROCEDURE {routine}() SELECT 1",
            f"GRANT {some} ON {pattern}.* TO {self._who()}{self._option()}",
            f"GRANT SELECT ON {database}.* TO {self._who()}",
            f"GRANT {more} ON {database}.{table} TO {self._who()}{self._option()}",
            f"GRANT SELECT (a, {column}), UPDATE ({column}) ON {database}.{table} TO {self._who()}",
            f"GRANT EXECUTE ON PROCEDURE {routine} TO {self._who()}{self._option()}",
        ]

    def _option(self) -> str:
        return self._random.choice(("", " WITH GRANT OPTION"))

    def _drop(self) -> None:
        statements = [f"DROP DATABASE IF EXISTS {self.server.quote(name)}" for name in self.databases]
        statements += [f"DROP USER IF EXISTS {literal(name)}@{literal(host)}" for name, host in self.users]
        statements += [f"DROP ROLE IF EXISTS {literal(role)}" for role in self.roles]
        # MariaDB leaves rights on routines behind whose names are not ASCII (seen with 10.11).
        statements += [
            f"DELETE FROM mysql.procs_priv WHERE Db LIKE {literal(PREFIX + '%')}",
            "FLUSH PRIVILEGES",
        ]
        self.server.run(statements)


def literal(text: str) -> str:
    """A string of MariaDB."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
