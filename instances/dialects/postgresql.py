"""PostgreSQL 12 and newer, through psycopg2 in its asynchronous mode: the only one in which a wait can be
given up.
"""

from __future__ import annotations

import contextlib
import math
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from instances.dialects import postgresql_access, postgresql_accounts, postgresql_dump
from instances.dialects.access import Held, Holder
from instances.dialects.base import Deadline, Dialect, refuse_disguise
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
    DriverMissing,
    QueryFailed,
    Stopped,
    TimedOut,
    Unreachable,
)

#: The version, for machines and for people.
VERSION = "SELECT current_setting('server_version'), version()"

#: Every database that is no template. An unguarded pg_database_size() fails the whole statement when one may
#: not connect to a single database.
SIZES = """
SELECT d.datname,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
            THEN pg_database_size(d.oid)
       END
FROM pg_database d
WHERE NOT d.datistemplate
ORDER BY d.datname
"""

#: Names come quoted where a statement needs it.
MAY_SEE_SIZES = "SELECT quote_ident(current_user), pg_has_role('pg_read_all_stats', 'USAGE')"
CLOSED = """
SELECT quote_ident(d.datname) FROM pg_database d
WHERE NOT d.datistemplate AND d.datallowconn AND NOT has_database_privilege(d.oid, 'CONNECT')
ORDER BY d.datname
"""
#: Statements that a list of missing rights repeats.
MOST_STATEMENTS = 50

#: What a cursor of the server can be declared for.
FETCHED = ("SELECT", "WITH", "VALUES", "TABLE")

#: Rows that come at a time: they may be long.
FETCH_ROWS = 50
#: How often somebody who waits looks whether it should end.
LOOK_SECONDS = 0.2

#: How long after the server's own limit the client gives up on its own.
GRACE_SECONDS = 1

#: SQLSTATE 57014: the server has cancelled the statement, here because of statement_timeout.
QUERY_CANCELED = "57014"
#: SQLSTATE class 08: the connection broke.
CONNECTION_BROKEN = "08"

#: How PostgreSQL says "not you", in its untranslated messages; a translated one counts as unreachable.
REFUSALS = (
    "authentication failed",
    "no pg_hba.conf entry",
    "no password supplied",
    "is not permitted to log in",
    "permission denied for database",
)


class PostgreSQL(Dialect):
    label = "PostgreSQL"
    driver = "psycopg2"
    default_port = 5432
    default_database = "postgres"
    supports_accounts = True
    own_accounts = ("pg_*",)
    least_rights: ClassVar[str] = "CREATE ROLE jobsite LOGIN PASSWORD '…';\nGRANT pg_monitor TO jobsite;"

    def target_errors(self, target: ConnectionTarget) -> dict[str, list[str]]:
        # libpq and its relatives read such a "database name" as a whole connection string, with a host of its
        # own.
        if "=" in target.database or "://" in target.database:
            sentence = _(
                "“{value}” is a connection string: give the name of a database, without “=” and “://”."
            )
            return {"database": [sentence.format(value=target.database)]}
        return {}

    def test(self, target: ConnectionTarget) -> ServerReading:
        began = time.monotonic()
        with connect(target) as visit:
            server = visit.server(began)
            return replace(server, rights=_rights(visit))

    def database_sizes(self, target: ConnectionTarget) -> SizesReading:
        began = time.monotonic()
        with connect(target) as visit:
            server = visit.server(began)
            readings = tuple(_reading(name, size) for name, size in visit.rows(SIZES))
        refused = sum(reading.total_bytes is None for reading in readings)
        notes = (_("%d databases refuse their size: GRANT pg_monitor.") % refused,) if refused else ()
        return SizesReading(server, readings, notes, complete=True)

    def accounts(self, target: ConnectionTarget) -> AccountsReading:
        return postgresql_accounts.read(connect, target)

    def run(self, target: ConnectionTarget, script: Script) -> Table:
        with connect(target, writes=script.writes, stopped=script.stopped) as visit:
            visit.execute("BEGIN" if script.writes else "BEGIN READ ONLY")
            if not script.writes and script.statements[0].lstrip("( ").upper().startswith(FETCHED):
                return visit.fetched(script.statements[0], script.most_rows)
            changed = 0
            for statement in script.statements:
                columns, rows, count = visit.execute(statement)
                changed += count if script.writes and not columns else 0
            if script.writes:
                visit.execute("COMMIT")
            return table(columns, rows, script.most_rows, changed=changed)

    dump_suffix = postgresql_dump.SUFFIX

    def dump(self, target: ConnectionTarget, path: Path) -> None:
        postgresql_dump.dump(target, path)

    def check_dump(self, path: Path) -> None:
        postgresql_dump.check(path)

    def restore_dump(self, target: ConnectionTarget, path: Path) -> None:
        postgresql_dump.restore(target, path)

    def make_database(self, target: ConnectionTarget, name: str) -> None:
        with connect(target, writes=True) as visit:
            visit.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE template0")

    def remove_database(self, target: ConnectionTarget, name: str) -> None:
        with connect(target, writes=True) as visit:
            visit.execute(f"DROP DATABASE IF EXISTS {quoted(name)}")

    def access(self, action: str, database: str, holder: Holder) -> list[Held]:
        return postgresql_access.reasons(action, database, holder)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _rights(visit: Visit) -> RightsReading:
    """Roles and access lists are open to everybody; sizes and the inside of databases are not."""
    ((user, sees_sizes),) = visit.rows(MAY_SEE_SIZES)
    closed = [name for (name,) in visit.rows(CLOSED)]
    found = [_("roles and their memberships")]
    missing = []
    if sees_sizes:
        found.append(_("sizes of all databases"))
    else:
        missing.append(MissingRight(_("sizes of all databases"), f"GRANT pg_monitor TO {user};"))
    if not closed:
        found.append(_("rights inside all databases"))
    purpose = _("rights inside the database")
    missing += [
        MissingRight(purpose, f"GRANT CONNECT ON DATABASE {name} TO {user};")
        for name in closed[:MOST_STATEMENTS]
    ]
    return RightsReading(tuple(found), tuple(missing))


def _reading(name: str, size: int | None) -> DatabaseSizeReading:
    reason = "" if size is not None else _("This user may not connect to it: GRANT pg_monitor, or CONNECT.")
    return DatabaseSizeReading(name, size, reason=reason)


class Visit:
    """One open connection and the time its statements share."""

    def __init__(self, connection: Any, target: ConnectionTarget, stopped: Callable[[], bool]) -> None:
        self._connection = connection
        self._target = target
        self._stopped = stopped
        seconds = target.options.statement_timeout_seconds + GRACE_SECONDS
        self._deadline = Deadline(seconds, _("Waiting for a statement"))

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.execute(statement, values)[1]

    def execute(
        self, statement: str, values: Sequence[Any] = ()
    ) -> tuple[list[str], list[tuple[Any, ...]], int]:
        """The names of the columns, the rows, and how many rows the server says it touched."""
        import psycopg2

        cursor = self._connection.cursor()
        try:
            cursor.execute(statement, values or None)
            wait(self._connection, self._deadline, self._stopped)
            if cursor.description is None:
                return [], [], max(cursor.rowcount, 0)
            return [one.name for one in cursor.description], list(cursor.fetchall()), max(cursor.rowcount, 0)
        except psycopg2.Error as error:
            raise translate(error, self._target) from None

    def fetched(self, statement: str, most_rows: int) -> Table:
        """The answer by a cursor of the server, a few rows at a time: a large one never arrives whole."""
        self.execute(f"DECLARE answer NO SCROLL CURSOR FOR {statement}")
        columns, first, _count = self.execute("FETCH FORWARD 1 FROM answer")

        def rows() -> Iterator[tuple[Any, ...]]:
            yield from first
            while batch := self.rows(f"FETCH FORWARD {FETCH_ROWS} FROM answer"):
                yield from batch

        return table(columns, rows(), most_rows)

    def server(self, began: float) -> ServerReading:
        ((number, sentence),) = self.rows(VERSION)
        latency_ms = (time.monotonic() - began) * 1000
        return ServerReading(sentence, number.split()[0], "PostgreSQL", round(latency_ms, 2))


@contextlib.contextmanager
def connect(
    target: ConnectionTarget, *, writes: bool = False, stopped: Callable[[], bool] | None = None
) -> Iterator[Visit]:
    """An open connection, read-only unless it is for a person's own statements. Raises ``DialectError``.

    ``stopped`` is asked while a statement runs; once true, the server is told to end it.
    """
    try:
        import psycopg2
    except ImportError as error:
        raise DriverMissing(
            _("PostgreSQL needs the Python package psycopg2: pip install psycopg2-binary.")
        ) from error

    refuse_disguise(target)
    deadline = Deadline(target.options.connect_timeout_seconds, _("Connecting"))
    try:
        connection = psycopg2.connect(**_arguments(target, writes=writes))
    except psycopg2.Error as error:
        raise translate(error, target) from None
    with contextlib.closing(connection):
        try:
            wait(connection, deadline)
        except psycopg2.Error as error:
            raise translate(error, target) from None
        yield Visit(connection, target, stopped or never)


def _arguments(target: ConnectionTarget, *, writes: bool = False) -> dict[str, Any]:
    milliseconds = math.ceil(target.options.statement_timeout_seconds * 1000)
    session = {
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        "default_transaction_read_only": "off" if writes else "on",
    }
    arguments = {
        "host": target.host,
        "port": target.port or PostgreSQL.default_port,
        "dbname": target.database or PostgreSQL.default_database,
        "user": target.username,
        "password": target.password,
        "sslmode": target.options.tls,
        "gssencmode": "disable",
        "client_encoding": "UTF8",
        "application_name": "jobsite",
        "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
        "async_": True,
    }
    if target.options.tls_ca:
        arguments["sslrootcert"] = target.options.tls_ca
    return arguments


def never() -> bool:
    return False


def wait(connection: Any, deadline: Deadline, stopped: Callable[[], bool] = never) -> None:
    """Drives the connection until it has nothing more to wait for. Raises ``TimedOut``, ``Stopped`` and the driver's
    errors.
    """
    from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

    while True:
        state = connection.poll()
        if state == POLL_OK:
            return
        poller = select.poll()  # not select(): that one knows no file number over 1023
        poller.register(connection.fileno(), {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}[state])
        while not poller.poll(math.ceil(min(deadline.left(), LOOK_SECONDS) * 1000)):
            if stopped():
                connection.cancel()
                raise Stopped


def translate(error: Any, target: ConnectionTarget) -> DialectError:
    """The driver's error as one of ours, in one line and without the password."""
    text = target.scrub(_said(error)) or type(error).__name__
    if error.pgcode == QUERY_CANCELED:
        return TimedOut(text)
    if error.pgcode and not error.pgcode.startswith(CONNECTION_BROKEN):
        return QueryFailed(text)
    if any(refusal in text for refusal in REFUSALS):
        return AccessDenied(text)
    return Unreachable(text)


def _said(error: Any) -> str:
    """What the server says, as sentences. Not the line of the statement that it repeats: we have put words before it.
    Where the driver speaks, its lines.
    """
    told = getattr(error, "diag", None)
    said = (
        [told.message_primary, told.message_detail, told.message_hint]
        if told and told.message_primary
        else str(error).splitlines()
    )
    lines = [" ".join(line.split()) for line in said if line and line.strip()]
    ended = [line if line[-1] in ".?!:;," else f"{line}." for line in lines[:-1]]
    return " ".join([*ended, *lines[-1:]])
