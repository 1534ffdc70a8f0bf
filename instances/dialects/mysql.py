"""MySQL 5.7 and newer and MariaDB 10 and newer, told apart by what ``VERSION()`` says.

Tried against MariaDB; what differs on MySQL 8 follows its manual, and is tested against recorded answers only.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.utils.translation import gettext as _

from instances.dialects import mysql_access, mysql_accounts, mysql_dump, mysql_grants
from instances.dialects.access import Held, Holder
from instances.dialects.base import Dialect, refuse_disguise
from instances.dialects.grants import Grant
from instances.dialects.readings import AccountsReading, DatabaseSizeReading, ServerReading, SizesReading
from instances.dialects.tables import Script, Table, table
from instances.dialects.target import ConnectionTarget
from instances.exceptions import (
    AccessDenied,
    DialectError,
    DriverMissing,
    NothingVisible,
    QueryFailed,
    Stopped,
    TimedOut,
    Unreachable,
)

logger = logging.getLogger(__name__)

#: The version; MariaDB says its name in it.
VERSION = "SELECT VERSION()"

#: Whether the connection is encrypted: the name of the protocol, or nothing.
TLS_IN_USE = "SHOW SESSION STATUS LIKE 'Ssl_version'"

#: Statistics as they are now instead of up to a day old (MySQL 8).
FRESH_STATISTICS = "SET SESSION information_schema_stats_expiry = 0"

#: Schemas that hold no files: views on the server's memory.
VIRTUAL_SCHEMAS = ("information_schema", "performance_schema")

#: The rights that make a table visible in information_schema.tables.
VIEWING_RIGHTS = (
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER", "CREATE VIEW",
    "SHOW VIEW", "TRIGGER", "ALL PRIVILEGES",
)  # fmt: skip

#: Every schema the user may know of.
SCHEMAS = "SELECT s.schema_name FROM information_schema.schemata s WHERE s.schema_name NOT IN %(virtual)s"

#: What this user may do. MariaDB adds what the roles give that are in force, MySQL 8 those that are named.
MY_GRANTS = "SHOW GRANTS"
MY_GRANTS_BY_ROLES = "SHOW GRANTS FOR CURRENT_USER() USING {roles}"
#: The roles in force, quoted, with commas between them; MySQL 8 says NONE for none.
MY_ROLES = "SELECT CURRENT_ROLE()"
NO_ROLES = "NONE"

#: Rows and indexes of all visible tables by schema, after the engines' statistics. BINARY, because the
#: catalogue compares without case: 'Sales' and 'sales' would become one.
STATISTICS = """
SELECT MIN(t.table_schema), COUNT(*), SUM(t.data_length), SUM(t.index_length),
       SUM(CASE WHEN {apart} THEN t.data_length + t.index_length ELSE 0 END)
FROM information_schema.tables t
WHERE t.table_schema NOT IN %(virtual)s AND t.table_type LIKE 'BASE%%'
GROUP BY BINARY t.table_schema
"""

#: The tables that have no InnoDB file of their own: other engines, and InnoDB in a shared tablespace.
APART = """
t.engine IS NULL OR t.engine <> 'InnoDB'
OR CONCAT(CAST(CONVERT(t.table_schema USING filename) AS BINARY), '/',
          CAST(CONVERT(t.table_name USING filename) AS BINARY))
   IN (SELECT CAST(SUBSTRING_INDEX(i.name, '#', 1) AS BINARY)
       FROM information_schema.{tables} i WHERE i.space_type <> 'Single')
"""

#: Bytes of InnoDB's files by folder; a folder is a schema's name in the server's `filename` encoding, which
#: the server itself decodes (`my@0020db` is "my db").
TABLESPACES = """
SELECT CONVERT(CONVERT(f.folder USING filename) USING utf8mb4), SUM(f.bytes)
FROM ({files}) f
GROUP BY f.folder
"""

#: MariaDB and MySQL 5.7: a tablespace is called folder/table.
FILES_BY_NAME = """
SELECT CAST(SUBSTRING_INDEX(t.name, '/', 1) AS BINARY) AS folder, t.file_size AS bytes
FROM information_schema.innodb_sys_tablespaces t
WHERE t.name LIKE '%%/%%'
"""

#: MySQL 8 decodes the names of tablespaces, so that a slash in them says nothing; the paths keep the
#: encoding.
FILES_BY_PATH = """
SELECT CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(d.path, '/', -2), '/', 1) AS BINARY) AS folder,
       t.file_size AS bytes
FROM information_schema.innodb_tablespaces t
JOIN information_schema.innodb_datafiles d ON CAST(d.space AS UNSIGNED) = t.space
WHERE t.space_type = 'Single' AND t.name LIKE '%%/%%'
"""

#: How often somebody who waits looks whether it should end.
LOOK_SECONDS = 0.2

#: For how long a server is asked to end a session, and after what pause again, in seconds.
KILL_SECONDS, KILL_PAUSE = 5, 0.05

#: What the server answers when no session has the number.
NO_SUCH_SESSION = 1094

#: Error numbers of the server and of the client library. 2059 and 2061: caching_sha2_password wants TLS, or its plugin.
DENIED = {1044, 1045, 1130, 1251, 1698, 2059, 2061, 3118, 3159, 4151}
TIMED_OUT = {1969, 3024, 1205}
NETWORK = {2002, 2003, 2005, 2006, 2012, 2013, 2026, 2055}
MISSING_RIGHT = {1142, 1227}

#: errno ETIMEDOUT and EAGAIN, as the client library appends them to its sentences.
SYSTEM_TIMEOUTS = ("system error: 110", "system error: 11", "(110)")


@dataclass(frozen=True, slots=True)
class Totals:
    """What the statistics say of one schema, in bytes."""

    tables: int
    data: int
    index: int
    #: Data and indexes of the tables without an InnoDB file of their own.
    apart: int


class MySQL(Dialect):
    label = "MySQL / MariaDB"
    driver = "MySQLdb"
    default_port = 3306
    default_database = ""
    supports_accounts = True
    own_accounts = (
        "mysql.sys@localhost",
        "mysql.session@localhost",
        "mysql.infoschema@localhost",
        "mariadb.sys@localhost",
    )
    least_rights: ClassVar[str] = (
        "CREATE USER jobsite@'…' IDENTIFIED BY '…';\nGRANT PROCESS, SHOW DATABASES ON *.* TO jobsite@'…';\n"
        "-- for tables of other engines, and for rows and indexes apart:\n"
        "GRANT SHOW VIEW ON *.* TO jobsite@'…';\n"
        "-- for accounts and their rights:\n"
        "GRANT SELECT ON mysql.* TO jobsite@'…';"
    )

    def test(self, target: ConnectionTarget) -> ServerReading:
        began = time.monotonic()
        with connect(target) as visit:
            server = visit.server(began)
            return replace(server, rights=mysql_accounts.rights(visit))

    def database_sizes(self, target: ConnectionTarget) -> SizesReading:
        """Total is the size of InnoDB's files where the user may see them (PROCESS), plus what other engines
        say; else the engines' statistics. Data and index are always statistics, which lag behind for InnoDB.
        """
        began = time.monotonic()
        with connect(target) as visit:
            server = visit.server(began)
            return measure(visit, server)

    def accounts(self, target: ConnectionTarget) -> AccountsReading:
        began = time.monotonic()
        with connect(target) as visit:
            return mysql_accounts.read(visit, began)

    def run(self, target: ConnectionTarget, script: Script) -> Table:
        with connect(target, writes=script.writes, stopped=script.stopped) as visit:
            visit.rows(f"SET SESSION sql_select_limit = {script.most_rows + 1}")
            *before, last = script.statements
            changed = sum(visit.execute(statement) for statement in before)
            answer = visit.answer(last, script.most_rows, whole=script.writes)
            if script.writes:
                visit.rows("COMMIT")
            return replace(answer, changed=answer.changed + changed)

    dump_suffix = mysql_dump.SUFFIX

    def dump(self, target: ConnectionTarget, path: Path) -> None:
        """Raises ``RightsMissing`` first where the program would leave out, without a word, what it may not see."""
        # In no database: who may not enter this one shall be told what is missing, too.
        with connect(replace(target, database="")) as visit:
            mysql_dump.refuse_part(visit, target.database)
        mysql_dump.dump(target, path)

    def check_dump(self, path: Path) -> None:
        mysql_dump.check(path)

    def restore_dump(self, target: ConnectionTarget, path: Path) -> None:
        mysql_dump.restore(target, path)

    def make_database(self, target: ConnectionTarget, name: str) -> None:
        with connect(target, writes=True) as visit:
            visit.execute(f"CREATE DATABASE {quoted(name)} CHARACTER SET utf8mb4")

    def remove_database(self, target: ConnectionTarget, name: str) -> None:
        with connect(target, writes=True) as visit:
            visit.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")

    def access(self, action: str, database: str, holder: Holder) -> list[Held]:
        return mysql_access.reasons(action, database, holder)

    def concerns(self, database: str, category: str, on: tuple[str, ...]) -> bool:
        return mysql_access.concerns(database, category, on)


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def measure(visit: Visit, server: ServerReading) -> SizesReading:
    schemas = visit.schemas()
    files = visit.tablespaces()
    totals = visit.statistics(with_files=files is not None)
    notes = []
    if files is None:
        notes.append(
            _("Without the PROCESS privilege InnoDB's files are hidden: sizes are the engine's estimates.")
        )
        readings = [_estimated(name, seen, totals.get(name)) for name, seen in schemas.items()]
    else:
        names = [*schemas, *(name for name in files if name not in schemas)]
        readings = [
            _measured(name, files.get(name, 0), schemas.get(name), totals.get(name)) for name in names
        ]
    if files is not None and any(not seen for seen in schemas.values()):
        notes.append(
            _("Tables of other engines are hidden in some databases: GRANT SHOW VIEW ON *.* shows them.")
        )
    if not readings:
        raise NothingVisible(
            _("The server shows this user no database: GRANT PROCESS, SHOW DATABASES ON *.*.")
        )
    found = tuple(sorted(readings, key=lambda reading: reading.name))
    return SizesReading(server, found, tuple(notes), complete=visit.sees_all_schemas())


def _measured(name: str, file_bytes: int, seen: bool | None, totals: Totals | None) -> DatabaseSizeReading:
    """``seen``: are all tables visible; None: the schema itself is hidden, and known by its files only."""
    reason = (
        ""
        if seen
        else _("Only InnoDB's files are visible to this user; other engines' tables are not counted.")
    )
    if totals is None:
        whole = 0 if seen else None
        return DatabaseSizeReading(name, file_bytes, whole, whole, reason)
    return DatabaseSizeReading(name, file_bytes + totals.apart, totals.data, totals.index, reason)


def _estimated(name: str, seen: bool, totals: Totals | None) -> DatabaseSizeReading:
    if totals is None:
        if seen:
            return DatabaseSizeReading(name, 0, 0, 0)
        return DatabaseSizeReading(name, None, reason=_("This user may see none of its tables."))
    reason = "" if seen else _("Only the tables visible to this user are counted.")
    return DatabaseSizeReading(name, totals.data + totals.index, totals.data, totals.index, reason)


class Visit:
    """One open connection."""

    def __init__(
        self, connection: Any, target: ConnectionTarget, version: str, cut: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._cut = cut
        self._target = target
        self.version = version
        self.main_version = main_version(version)
        self.is_mariadb = "mariadb" in version.lower()
        self.is_mysql8 = not self.is_mariadb and self.main_version >= (8,)

    def rows(self, statement: str, values: dict[str, Any] | None = None) -> Sequence[tuple[Any, ...]]:
        return _rows(self._connection, statement, values)

    def execute(self, statement: str) -> int:
        """How many rows the server says it changed; an answer of rows is thrown away."""
        with contextlib.closing(self._connection.cursor()) as cursor:
            count = cursor.execute(statement)
            return 0 if cursor.description else int(count or 0)

    def answer(self, statement: str, most_rows: int, *, whole: bool) -> Table:
        """The answer row by row: a large one (a LIMIT of one's own overrides the session's) never is in memory whole.

        Not ``whole``: after a cut one this connection can do nothing more.
        """
        from MySQLdb.cursors import SSCursor

        cursor = self._connection.cursor(SSCursor)
        cursor.execute(statement)
        if cursor.description is None:
            return Table(changed=max(int(cursor.rowcount), 0))
        found = table([column[0] for column in cursor.description], cursor, most_rows)
        if found.cut and not whole:
            self._cut()  # otherwise the library would read the rest, however long, to throw it away
        else:
            cursor.close()
        return found

    def server(self, began: float) -> ServerReading:
        numbers = ".".join(map(str, self.main_version))
        product = "MariaDB" if self.is_mariadb else "MySQL"
        return ServerReading(self.version, numbers, product, round((time.monotonic() - began) * 1000, 2))

    def schemas(self) -> dict[str, bool]:
        """Name → are all tables of it visible."""
        return {
            schema: self.sees_tables_of(schema)
            for (schema,) in self.rows(SCHEMAS, {"virtual": VIRTUAL_SCHEMAS})
        }

    def sees_tables_of(self, schema: str) -> bool:
        return not mysql_access.throughout(self.grants, schema).isdisjoint(VIEWING_RIGHTS)

    def sees_all_tables(self) -> bool:
        return not mysql_access.everywhere(self.grants).isdisjoint(VIEWING_RIGHTS)

    def sees_all_schemas(self) -> bool:
        """A right on everything shows them too; MySQL 8 hides those from which it was taken again."""
        if any(grant.category == "restriction" for grant in self.grants):
            return False
        return "SHOW DATABASES" in mysql_access.everywhere(self.grants) or self.sees_all_tables()

    @functools.cached_property
    def grants(self) -> frozenset[Grant]:
        """What this user may do, itself and by the roles that are in force."""
        self.rows(mysql_accounts.PLAIN_QUOTES)
        statement = MY_GRANTS
        if self.is_mysql8:
            ((roles,),) = self.rows(MY_ROLES)
            if roles != NO_ROLES:
                statement = MY_GRANTS_BY_ROLES.format(roles=roles)
        return frozenset(mysql_grants.parse_all(str(line) for (line, *_more) in self.rows(statement)))

    def user(self) -> str:
        """This user, quoted as a statement needs it."""
        ((user,),) = self.rows("SELECT CURRENT_USER()")
        name, _at, host = str(user).rpartition("@")
        return f"{literal(name)}@{literal(host)}"

    def tablespaces(self) -> dict[str, int] | None:
        """Bytes of InnoDB's files by schema; None without the right to see them."""
        import MySQLdb

        try:
            found = self.rows(
                TABLESPACES.format(files=FILES_BY_PATH if self.is_mysql8 else FILES_BY_NAME), {}
            )
        except MySQLdb.Error as error:
            if error.args[0] in MISSING_RIGHT:
                return None
            raise
        return {name: int(size) for name, size in found}

    def statistics(self, *, with_files: bool) -> dict[str, Totals]:
        if self.is_mysql8:
            self.rows(FRESH_STATISTICS)
        tables = "innodb_tables" if self.is_mysql8 else "innodb_sys_tables"
        statement = STATISTICS.format(apart=APART.format(tables=tables) if with_files else "TRUE")
        found = self.rows(statement, {"virtual": VIRTUAL_SCHEMAS})
        return {name: Totals(*(int(number or 0) for number in numbers)) for name, *numbers in found}


@contextlib.contextmanager
def connect(
    target: ConnectionTarget, *, writes: bool = False, stopped: Callable[[], bool] | None = None
) -> Iterator[Visit]:
    """An open connection, read-only unless it is for a person's own statements, which are then one transaction.

    ``stopped`` is asked while statements run; once true, the server is told to end them. Raises ``DialectError``.
    """
    try:
        import MySQLdb
    except ImportError as error:
        raise DriverMissing(
            _(
                "MySQL and MariaDB need the Python package mysqlclient, which is not installed: "
                "pip install mysqlclient."
            )
        ) from error
    refuse_disguise(target)
    try:
        connection = MySQLdb.connect(**_arguments(target))
        with contextlib.closing(connection), _Watch(connection, target, stopped) as watch:
            try:
                ((version,),) = _rows(connection, VERSION)
                _prepare(connection, target, version, writes=writes)
                yield Visit(connection, target, version, watch.cut)
            except MySQLdb.Error:
                if watch.error is None:
                    raise
            if watch.error is not None:  # a statement that was killed may also have answered
                raise watch.error
    except MySQLdb.Error as error:
        raise translate(error, target) from None


def _arguments(target: ConnectionTarget) -> dict[str, Any]:
    seconds = target.options.statement_timeout_seconds
    arguments: dict[str, Any] = {
        "host": target.host,
        "port": target.port or MySQL.default_port,
        "user": target.username,
        "password": target.password,
        "database": target.database,
        "charset": "utf8mb4",
        "use_unicode": True,
        "autocommit": True,
        "connect_timeout": math.ceil(target.options.connect_timeout_seconds),
        "read_timeout": math.ceil(seconds) + 1,
        "write_timeout": math.ceil(seconds) + 1,
        # Otherwise a server may ask the client for any file of this machine.
        "local_infile": 0,
        "multi_statements": False,
        "ssl_mode": {
            "disable": "DISABLED",
            "prefer": "PREFERRED",
            "require": "REQUIRED",
            "verify-ca": "VERIFY_CA",
            "verify-full": "VERIFY_IDENTITY",
        }[target.options.tls],
    }
    if target.options.tls_ca:
        arguments["ssl"] = {"ca": target.options.tls_ca}
    if target.host.startswith("/"):
        arguments |= {"host": "localhost", "unix_socket": target.host}
    elif target.host.casefold() == "localhost" and not settings.JOBSITE_ALLOW_SOCKETS:
        arguments["host"] = "127.0.0.1"  # the client library takes "localhost" for a socket path
    return arguments


def _prepare(connection: Any, target: ConnectionTarget, version: str, *, writes: bool) -> None:
    # MariaDB's client library takes "required" for "if the server can" (seen with 3.3): ask what came of it.
    if target.options.tls not in ("disable", "prefer"):
        ((_name, protocol),) = _rows(connection, TLS_IN_USE)
        if not protocol:
            raise Unreachable(
                _("The server speaks no TLS, but TLS is “{mode}”.").format(mode=target.options.tls)
            )
    seconds = target.options.statement_timeout_seconds
    if "mariadb" in version.lower():
        _rows(connection, f"SET SESSION max_statement_time = {seconds:f}")
    else:
        _rows(connection, f"SET SESSION max_execution_time = {math.ceil(seconds * 1000)}")
    _rows(connection, "SET SESSION autocommit = 0" if writes else "SET SESSION TRANSACTION READ ONLY")


class _Watch(threading.Thread):
    """Cuts the line when all statements together take too long (the library's own timeouts begin anew with each
    packet), or when somebody has ``stopped`` them: then the server is told first to end what it does.
    """

    def __init__(self, connection: Any, target: ConnectionTarget, stopped: Callable[[], bool] | None) -> None:
        super().__init__(name="mysql-watch", daemon=True)
        # A duplicate, so that the number cannot have come to mean another connection when the line is cut.
        self._line = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        self._number = connection.thread_id()
        self._target = target
        self._stopped = stopped
        self._over = threading.Event()
        #: Why the line was cut; None: it was not.
        self.error: DialectError | None = None

    def __enter__(self) -> _Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
        self._line.close()

    def run(self) -> None:
        seconds = self._target.options.statement_timeout_seconds + 1
        until = time.monotonic() + seconds
        while not self._over.wait(self._wait(until)):
            if self._stopped and self._stopped():
                self.error = Stopped()
            elif time.monotonic() >= until:
                sentence = _("Waiting for a statement: no answer within {seconds:g} s.")
                self.error = TimedOut(sentence.format(seconds=seconds))
            else:
                continue
            if self._stopped:
                self._kill()
            self.cut()
            return

    def _wait(self, until: float) -> float:
        left = max(0.0, until - time.monotonic())
        return min(left, LOOK_SECONDS) if self._stopped else left

    def _kill(self) -> None:
        """Ends the whole session, as the statement may be on its way still and nothing would end it then. Asks until
        the server no longer knows the session: it has been seen to go on after one request.
        """
        import MySQLdb

        until = time.monotonic() + KILL_SECONDS
        while True:
            try:
                with contextlib.closing(MySQLdb.connect(**_arguments(self._target))) as other:
                    while time.monotonic() < until:
                        _rows(other, f"KILL CONNECTION {self._number}")
                        time.sleep(KILL_PAUSE)
                error = "it goes on"
            except MySQLdb.Error as refusal:
                if refusal.args[:1] == (NO_SUCH_SESSION,):
                    return
                error = str(translate(refusal, self._target))
            if time.monotonic() >= until:  # the server finds out when it answers
                logger.warning("statement %d could not be ended: %s", self._number, error)
                return
            time.sleep(KILL_PAUSE)

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)


def _rows(connection: Any, statement: str, values: dict[str, Any] | None = None) -> Sequence[tuple[Any, ...]]:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def main_version(version: str) -> tuple[int, ...]:
    """The leading numbers. Some MariaDB servers put a "5.5.5-" in front, for the sake of old replicas."""
    numbers = re.match(
        r"[0-9.]+", version.removeprefix("5.5.5-") if "mariadb" in version.lower() else version
    )
    return tuple(int(number) for number in numbers[0].strip(".").split(".")) if numbers else ()


def translate(error: Any, target: ConnectionTarget) -> DialectError:
    """The driver's error as one of ours, in one line and without the password."""
    number, text = (*error.args, "")[:2] if error.args else (0, "")
    text = target.scrub(" ".join(str(text or error).split())) or type(error).__name__
    if number in DENIED:
        return AccessDenied(text)
    if number in TIMED_OUT or (number in NETWORK and any(text.endswith(code) for code in SYSTEM_TIMEOUTS)):
        return TimedOut(text)
    if number in NETWORK:
        return Unreachable(text)
    return QueryFailed(f"{number}: {text}" if number else text)
