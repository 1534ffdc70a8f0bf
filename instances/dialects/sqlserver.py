"""SQL Server 2016 and newer, through pymssql. Its catalogue as Microsoft documents it; no test has met a real server.

The driver keeps its timeouts for the whole process and in whole seconds: the last connection that was opened sets them.
So each visit waits by itself for the first word of an answer, within its own time.
"""

from __future__ import annotations

import contextlib
import math
import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from instances.dialects import sqlserver_accounts
from instances.dialects.access import Held, Holder
from instances.dialects.base import Deadline, WithoutDumps, refuse_disguise
from instances.dialects.readings import (
    AccountsReading,
    DatabaseSizeReading,
    MissingRight,
    RightsReading,
    ServerReading,
    SizesReading,
)
from instances.dialects.tables import Script, Table, table
from instances.dialects.target import ConnectionTarget
from instances.exceptions import (
    AccessDenied,
    DialectError,
    NothingVisible,
    QueryFailed,
    Stopped,
    TimedOut,
    Unreachable,
)

#: The version in numbers, and the edition.
VERSION = """
SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), CAST(SERVERPROPERTY('Edition') AS nvarchar(128))
"""

#: Every database but snapshots: bytes of data files and of log files. A size is in pages of 8 KiB; without VIEW ANY
#: DEFINITION the files are hidden, and the sums are null.
SIZES = """
SELECT d.name,
       SUM(CASE WHEN f.type <> 1 THEN CAST(f.size AS bigint) END) * 8192,
       SUM(CASE WHEN f.type = 1 THEN CAST(f.size AS bigint) END) * 8192
FROM sys.databases d
LEFT JOIN sys.master_files f ON f.database_id = d.database_id
WHERE d.source_database_id IS NULL
GROUP BY d.name
ORDER BY d.name
"""

#: The login, quoted, and what it may see.
RIGHTS = """
SELECT QUOTENAME(SUSER_SNAME()),
       HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW ANY DATABASE'),
       HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW ANY DEFINITION'),
       HAS_PERMS_BY_NAME(NULL, NULL, 'CONNECT ANY DATABASE')
"""

#: How the driver is asked to encrypt. It verifies no certificate.
ENCRYPTION = {"disable": "off", "prefer": "request", "require": "require"}

#: How often somebody who waits looks whether it should end.
LOOK_SECONDS = 0.2

#: Error numbers of the server and of the driver's library.
DENIED = {18452, 18456, 18470, 18486, 18487, 18488, 4060, 916}
TIMED_OUT = {1222, 20003}
NETWORK = {20002, 20004, 20006, 20009, 20012, 20013, 20014}


class SQLServer(WithoutDumps):
    label = "SQL Server"
    driver = "pymssql"
    requirements = "requirements-sqlserver.txt"
    recorded = True
    default_port = 1433
    default_database = "master"
    supports_accounts = True
    everybody = "public"
    own_accounts = ("##MS_*", "NT SERVICE\\*", "NT AUTHORITY\\*")
    least_rights: ClassVar[str] = (
        "CREATE LOGIN jobsite WITH PASSWORD = '…';\n"
        "GRANT VIEW ANY DEFINITION TO jobsite;\n"
        "-- for rights inside every database:\n"
        "GRANT CONNECT ANY DATABASE TO jobsite;"
    )

    def target_errors(self, target: ConnectionTarget) -> dict[str, list[str]]:
        if target.options.tls in ENCRYPTION:
            return {}
        text = _("tls: the driver of SQL Server verifies no certificate; use one of {modes}.")
        return {"options": [text.format(modes=", ".join(ENCRYPTION))]}

    def test(self, target: ConnectionTarget) -> ServerReading:
        began = time.monotonic()
        with connect(target) as visit:
            server = visit.server(began)
            return replace(server, rights=_rights(visit))

    def database_sizes(self, target: ConnectionTarget) -> SizesReading:
        """Total is data and log; the log stands where other kinds of databases have their indexes."""
        began = time.monotonic()
        with connect(target) as visit:
            server = visit.server(began)
            readings = tuple(_reading(*row) for row in visit.rows(SIZES))
            _user, sees_all, _definitions, _connects = visit.rows(RIGHTS)[0]
        if not readings:
            raise NothingVisible
        hidden = sum(one.total_bytes is None for one in readings)
        notes = (_("%d databases hide their files: GRANT VIEW ANY DEFINITION.") % hidden,) if hidden else ()
        return SizesReading(server, readings, notes, complete=bool(sees_all))

    def accounts(self, target: ConnectionTarget) -> AccountsReading:
        began = time.monotonic()
        with connect(target) as visit:
            return sqlserver_accounts.read(visit, visit.server(began))

    def run(self, target: ConnectionTarget, script: Script) -> Table:
        """The server knows no session that only reads: what was for reading is rolled back."""
        with connect(target, script.stopped) as visit:
            visit.execute("BEGIN TRANSACTION", 0)
            changed = 0
            for statement in script.statements:
                columns, rows, count = visit.execute(statement, script.most_rows + 1)
                changed += count if not columns else 0
            visit.execute("COMMIT TRANSACTION" if script.writes else "ROLLBACK TRANSACTION", 0)
            return table(columns, rows, script.most_rows, changed=changed)

    def access(self, action: str, database: str, holder: Holder) -> list[Held]:
        return sqlserver_accounts.reasons(action, database, holder)


def quoted(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"


def _reading(name: str, data: Any, log: Any) -> DatabaseSizeReading:
    if data is None:
        return DatabaseSizeReading(name, None, reason=_("Its files are hidden from this user."))
    return DatabaseSizeReading(name, int(data) + int(log or 0), int(data), None if log is None else int(log))


def _rights(visit: Visit) -> RightsReading:
    ((user, databases, definitions, connects),) = visit.rows(RIGHTS)
    tries = (
        (databases, _("all databases"), "VIEW ANY DATABASE"),
        (definitions, _("sizes, accounts and their rights"), "VIEW ANY DEFINITION"),
        (connects, _("rights inside every database"), "CONNECT ANY DATABASE"),
    )
    found = tuple(purpose for may, purpose, _right in tries if may)
    missing = tuple(
        MissingRight(purpose, f"GRANT {right} TO {user};") for may, purpose, right in tries if not may
    )
    return RightsReading(found, missing)


class Visit:
    """One open connection. Its statements raise ``DialectError``."""

    def __init__(
        self, connection: Any, deadline: Deadline, target: ConnectionTarget, stopped: Callable[[], bool]
    ) -> None:
        self._connection = connection
        self._deadline = deadline
        self._target = target
        self._stopped = stopped

    def rows(self, statement: str) -> Sequence[tuple[Any, ...]]:
        return self.execute(statement)[1]

    def execute(self, statement: str, most: int | None = None) -> tuple[list[str], list[Any], int]:
        """The names of the columns, the rows (at most so many), and how many rows the server says it touched."""
        import pymssql

        self._deadline.left()
        if self._stopped():
            raise Stopped
        try:
            with contextlib.closing(self._connection.cursor()) as cursor:
                cursor.execute(statement)
                columns = [column[0] for column in cursor.description or ()]
                if not columns:
                    return columns, [], max(int(cursor.rowcount or 0), 0)
                return columns, list(cursor.fetchall() if most is None else cursor.fetchmany(most)), 0
        except pymssql.Error as error:
            if self._stopped():  # what the driver says of a statement that was to end is no matter
                raise Stopped from None
            raise translate(error, self._target) from None

    def wait(self, number: int) -> None:
        """Until something comes on the line. Raises ``TimedOut``; ``Stopped``, after the server was told to end it."""
        poller = select.poll()
        poller.register(number, select.POLLIN)
        while not poller.poll(math.ceil(min(self._deadline.left(), LOOK_SECONDS) * 1000)):
            if self._stopped():
                self._connection._conn.cancel()
                raise Stopped

    def server(self, began: float) -> ServerReading:
        ((version, edition),) = self.rows(VERSION)
        latency = round((time.monotonic() - began) * 1000, 2)
        return ServerReading(f"{version} {edition}", ".".join(version.split(".")[:3]), "SQL Server", latency)


#: The visit of this thread: the driver takes one function for the whole process to wait with.
_here = threading.local()


def _wait(number: int) -> None:
    """Before the driver waits for an answer on this line, without a look at anything else."""
    visit: Visit | None = getattr(_here, "visit", None)
    if visit is not None:
        visit.wait(number)


@contextlib.contextmanager
def connect(target: ConnectionTarget, stopped: Callable[[], bool] = lambda: False) -> Iterator[Visit]:
    """An open connection, one in a thread at a time. Raises ``DialectError``.

    ``stopped`` is asked until the first word of an answer comes; once true, the server is told to end the statement.
    """
    try:
        import pymssql
    except ImportError as error:
        raise SQLServer().driver_missing() from error
    refuse_disguise(target)
    options = target.options
    try:
        connection = pymssql.connect(
            server=target.host,
            port=str(target.port or SQLServer.default_port),
            user=target.username,
            password=target.password,
            database=target.database or SQLServer.default_database,
            login_timeout=math.ceil(options.connect_timeout_seconds),
            timeout=math.ceil(options.statement_timeout_seconds),
            encryption=ENCRYPTION[options.tls],
            tds_version="7.4",  # else it tries one after the other, and waits for each
            appname="jobsite",
            autocommit=True,
        )
    except pymssql.Error as error:
        raise translate(error, target) from None
    deadline = Deadline(options.statement_timeout_seconds, _("Waiting for a statement"))
    pymssql.set_wait_callback(_wait)
    with contextlib.closing(connection):
        _here.visit = Visit(connection, deadline, target, stopped)
        try:
            yield _here.visit
        finally:
            _here.visit = None


def translate(error: Any, target: ConnectionTarget) -> DialectError:
    """The driver's error as one of ours, in one line and without the password."""
    number, text = _parts(error)
    if "message 20003" in text:  # below the first number, which says no more than that it did not work
        number = 20003
    text = target.scrub(" ".join(text.split())) or type(error).__name__
    if number in DENIED:
        return AccessDenied(text)
    if number in TIMED_OUT:
        return TimedOut(text)
    if number in NETWORK:
        return Unreachable(text)
    return QueryFailed(f"{number}: {text}" if number else text)


def _parts(error: Any) -> tuple[int, str]:
    """A number and a text: the driver gives both, or a pair of them, and a text as bytes."""
    arguments = error.args[0] if len(error.args) == 1 and isinstance(error.args[0], tuple) else error.args
    number = arguments[0] if arguments and isinstance(arguments[0], int) else 0
    text = arguments[-1] if arguments and not isinstance(arguments[-1], int) else ""
    return number, text.decode(errors="replace") if isinstance(text, bytes) else str(text)
