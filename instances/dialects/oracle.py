"""Oracle 12.2 and newer, through oracledb in its asynchronous thin mode: the only one in which every wait can be given
up. Its dictionary as Oracle documents it; no test has met a real server.

A database is a pluggable one: all of them when the connection leads to the root of a container, else the one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from instances.dialects import oracle_accounts
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
from instances.exceptions import AccessDenied, DialectError, QueryFailed, Stopped, TimedOut, Unreachable

#: Where one is, and as whom. CDB$ROOT is the root of a container.
PLACE = "SELECT SYS_CONTEXT('USERENV', 'CON_NAME'), SYS_CONTEXT('USERENV', 'SESSION_USER') FROM dual"
ROOT = "CDB$ROOT"

#: Bytes of the data files and of the temporary files of the database one is in.
SIZES = "SELECT (SELECT SUM(bytes) FROM dba_data_files), (SELECT SUM(bytes) FROM dba_temp_files) FROM dual"

#: The same of every container but the seed; a closed one has no files in these views.
SIZES_OF_ALL = """
SELECT c.name, d.bytes, t.bytes
FROM v$containers c
LEFT JOIN (SELECT con_id, SUM(bytes) AS bytes FROM cdb_data_files GROUP BY con_id) d ON d.con_id = c.con_id
LEFT JOIN (SELECT con_id, SUM(bytes) AS bytes FROM cdb_temp_files GROUP BY con_id) t ON t.con_id = c.con_id
WHERE c.name <> 'PDB$SEED'
ORDER BY c.name
"""

#: What a view is looked at for. "No such table" is how the server says that it is hidden.
VIEWS = (
    (("dba_data_files", "dba_temp_files"), "sizes"),
    (("dba_users", "dba_roles"), "accounts"),
    (("dba_role_privs", "dba_sys_privs", "dba_tab_privs", "dba_col_privs"), "rights"),
)
#: How long one waits for the end of a connection, or of a statement that was to end.
CLOSE_SECONDS = 1
#: How often somebody who waits looks whether it should end.
LOOK_SECONDS = 0.2
LOOK = "SELECT 1 FROM {view} WHERE ROWNUM = 1"

#: Numbers of the server (ORA-…) and of the driver (DPY-…).
HIDDEN = {"ORA-00942", "ORA-01031"}
DENIED = {"ORA-01017", "ORA-28000", "ORA-28001", "ORA-01045", "DPY-4001"}
TIMED_OUT = {"DPY-4024"}
NETWORK = {"DPY-6005", "DPY-6000", "DPY-6001", "DPY-6003", "DPY-4011", "ORA-12514", "ORA-12541", "ORA-12170"}


class Oracle(WithoutDumps):
    label = "Oracle"
    driver = "oracledb"
    requirements = "requirements-oracle.txt"
    recorded = True
    default_port = 1521
    supports_accounts = True
    least_rights: ClassVar[str] = (
        'CREATE USER jobsite IDENTIFIED BY "…";\n'
        "GRANT CREATE SESSION, SELECT_CATALOG_ROLE TO jobsite;\n"
        "-- at the root of a container, to see every pluggable database:\n"
        "ALTER USER c##jobsite SET CONTAINER_DATA = ALL CONTAINER = CURRENT;"
    )

    def target_errors(self, target: ConnectionTarget) -> dict[str, list[str]]:
        if target.database:
            return {}
        return {"database": [_("Oracle needs the name of a service, such as ORCLPDB1.")]}

    def test(self, target: ConnectionTarget) -> ServerReading:
        began = time.monotonic()
        with connect(target) as visit:
            server = visit.server(began)
            return replace(server, rights=_rights(visit))

    def database_sizes(self, target: ConnectionTarget) -> SizesReading:
        """Total is data and temporary files, data the data files alone."""
        began = time.monotonic()
        with connect(target) as visit:
            server = visit.server(began)
            name, _user = visit.place()
            rows = visit.rows(SIZES_OF_ALL) if name == ROOT else [(name, *visit.rows(SIZES)[0])]
        return SizesReading(server, tuple(_reading(*row) for row in rows), complete=name == ROOT)

    def accounts(self, target: ConnectionTarget) -> AccountsReading:
        began = time.monotonic()
        with connect(target) as visit:
            return oracle_accounts.read(visit, visit.server(began))

    def run(self, target: ConnectionTarget, script: Script) -> Table:
        with connect(target, script.stopped) as visit:
            if not script.writes:
                visit.execute("SET TRANSACTION READ ONLY")
            changed = 0
            for statement in script.statements:
                columns, rows, count = visit.execute(statement, script.most_rows + 1)
                changed += count if not columns else 0
            visit.execute("COMMIT")
            return table(columns, rows, script.most_rows, changed=changed)

    def access(self, action: str, database: str, holder: Holder) -> list[Held]:
        return oracle_accounts.reasons(action, holder)


def _reading(name: str, data: Any, temporary: Any) -> DatabaseSizeReading:
    if data is None:
        return DatabaseSizeReading(name, None, reason=_("It is not open, or its files are hidden."))
    return DatabaseSizeReading(name, int(data) + int(temporary or 0), int(data))


def _rights(visit: Visit) -> RightsReading:
    _name, user = visit.place()
    words = {"sizes": _("sizes"), "accounts": _("accounts"), "rights": _("rights of other accounts")}
    found, missing = [], []
    for views, word in VIEWS:
        hidden = [view for view in views if not visit.sees(view)]
        if not hidden:
            found.append(words[word])
        missing += [
            MissingRight(words[word], f"GRANT SELECT ON sys.{view} TO {quoted(user)};") for view in hidden
        ]
    return RightsReading(tuple(found), tuple(missing))


def quoted(name: str) -> str:
    return f'"{name}"'  # no name of Oracle holds a double quote


class Visit:
    """One open connection. Its statements raise ``DialectError``."""

    def __init__(
        self,
        connection: Any,
        loop: asyncio.AbstractEventLoop,
        target: ConnectionTarget,
        stopped: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._stopped = stopped
        self._target = target
        self._deadline = Deadline(target.options.statement_timeout_seconds, _("Waiting for a statement"))

    def rows(self, statement: str) -> Sequence[tuple[Any, ...]]:
        return self.execute(statement)[1]

    def execute(self, statement: str, most: int | None = None) -> tuple[list[str], list[Any], int]:
        """The names of the columns, the rows (at most so many), and how many rows the server says it touched."""
        import oracledb

        if self._stopped():
            raise Stopped
        work = self._watched(self._execute(statement, most))
        try:
            answer: tuple[list[str], list[Any], int] = _within(self._loop, work, self._deadline)
            return answer
        except oracledb.Error as error:
            raise translate(error, self._target) from None

    async def _watched(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What the work gives. Once it should end the server is told so, and ``Stopped`` is raised."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
                if self._stopped():
                    self._connection.cancel()
                    await asyncio.wait({task}, timeout=CLOSE_SECONDS)
                    raise Stopped
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _execute(self, statement: str, most: int | None) -> tuple[list[str], list[Any], int]:
        with self._connection.cursor() as cursor:
            await cursor.execute(statement)
            columns = [column[0] for column in cursor.description or ()]
            if not columns:
                return columns, [], max(int(cursor.rowcount or 0), 0)
            rows = await (cursor.fetchall() if most is None else cursor.fetchmany(most))
            return columns, list(rows), 0

    def sees(self, view: str) -> bool:
        try:
            self.rows(LOOK.format(view=view))
        except QueryFailed as error:
            if str(error).partition(":")[0] in HIDDEN:
                return False
            raise
        return True

    def place(self) -> tuple[str, str]:
        """The container and the user."""
        ((name, user),) = self.rows(PLACE)
        return name, user

    def server(self, began: float) -> ServerReading:
        version = str(self._connection.version)
        latency = round((time.monotonic() - began) * 1000, 2)
        return ServerReading(version, ".".join(version.split(".")[:3]), "Oracle", latency)


@contextlib.contextmanager
def connect(target: ConnectionTarget, stopped: Callable[[], bool] = lambda: False) -> Iterator[Visit]:
    """An open connection. Raises ``DialectError``.

    ``stopped`` is asked while statements run; once true, the server is told to end them.
    """
    try:
        import oracledb
    except ImportError as error:
        raise Oracle().driver_missing() from error
    refuse_disguise(target)
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        deadline = Deadline(target.options.connect_timeout_seconds, _("Connecting"))
        try:
            connection = _within(loop, _connected(oracledb, target), deadline)
        except oracledb.Error as error:
            raise translate(error, target) from None
        try:
            yield Visit(connection, loop, target, stopped)
        finally:
            with contextlib.suppress(oracledb.Error, TimedOut):  # the server sees the line end all the same
                _within(loop, connection.close(), Deadline(CLOSE_SECONDS, _("Closing")))


async def _connected(driver: Any, target: ConnectionTarget) -> Any:
    options = target.options
    encrypted = options.tls not in ("disable", "prefer")  # the server listens for TLS at a port of its own
    more = {"ssl_context": _context(target), "ssl_server_dn_match": options.tls == "verify-full"}
    return await driver.connect_async(
        user=target.username,
        password=target.password,
        host=target.host,
        port=target.port or Oracle.default_port,
        service_name=target.database,
        protocol="tcps" if encrypted else "tcp",
        tcp_connect_timeout=options.connect_timeout_seconds,
        **(more if encrypted else {}),
    )


def _within(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], deadline: Deadline) -> Any:
    """What the coroutine gives. Raises ``TimedOut``."""
    try:
        return loop.run_until_complete(asyncio.wait_for(work, deadline.left()))
    except TimeoutError:
        raise deadline.error() from None


def _context(target: ConnectionTarget) -> ssl.SSLContext:
    """What TLS has to prove: nothing, the authority, or the authority and the name."""
    context = ssl.create_default_context(cafile=target.options.tls_ca or None)
    context.check_hostname = target.options.tls == "verify-full"
    if target.options.tls == "require":
        context.verify_mode = ssl.CERT_NONE
    return context


def translate(error: Any, target: ConnectionTarget) -> DialectError:
    """The driver's error as one of ours, in one line and without the password."""
    text = target.scrub(" ".join(str(error).split())) or type(error).__name__
    code = text.partition(":")[0]
    if code in DENIED:
        return AccessDenied(text)
    if code in TIMED_OUT or (code in NETWORK and "timed out" in text):
        return TimedOut(text)
    if code in NETWORK:
        return Unreachable(text)
    return QueryFailed(text)
