"""SQLite files on this machine: only under the permitted folders, only for reading, and one file at a
time.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.utils.translation import gettext as _

from instances.dialects.base import Dialect
from instances.dialects.readings import DatabaseSizeReading, RightsReading, ServerReading, SizesReading
from instances.dialects.tables import MOST_BYTES, Script, Table, table
from instances.dialects.target import ConnectionTarget
from instances.exceptions import PathRefused, QueryFailed, StatementRefused, Stopped, TimedOut, Unreachable

#: Pages in the file; together with the page size, the bytes of the database.
PAGES = (
    "SELECT c.page_count, s.page_size, f.freelist_count "
    "FROM pragma_page_count c, pragma_page_size s, pragma_freelist_count f"
)

#: Virtual machine steps between two looks at the clock.
STEPS = 10_000


class SQLite(Dialect):
    label = "SQLite"
    needs_credential = False

    def target_errors(self, target: ConnectionTarget) -> dict[str, list[str]]:
        try:
            resolve(target.database)
        except PathRefused as error:
            return {"database": [str(error)]}
        return {}

    def place(self, target: ConnectionTarget) -> tuple[str, ...]:
        """The file, whichever links lead to it."""
        try:
            return (str(resolve(target.database)),)
        except PathRefused:  # not permitted any more
            return (target.database,)

    def test(self, target: ConnectionTarget) -> ServerReading:
        began = time.monotonic()
        with connect(target) as connection:
            _pages(connection)
            return replace(_server(began), rights=RightsReading((_("read the file"),), ()))

    def database_sizes(self, target: ConnectionTarget) -> SizesReading:
        """One reading, named after the file: total is every page, data the pages in use, free ones left
        out.
        """
        began = time.monotonic()
        path = resolve(target.database)
        with connect(target) as connection:
            pages, page_bytes, free = _pages(connection)
            server = _server(began)
        used = (pages - free) * page_bytes
        reading = DatabaseSizeReading(path.name, pages * page_bytes, data_bytes=used)
        return SizesReading(server, (reading,), complete=True)

    def run(self, target: ConnectionTarget, script: Script) -> Table:
        """Only for reading: whoever may write to a file of this machine has better ways."""
        if script.writes:
            raise StatementRefused(_("SQLite files are only read."))
        with connect(target, stopped=script.stopped) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
            cursor = connection.execute(script.statements[0])
            columns = [column[0] for column in cursor.description or ()]
            return table(columns, cursor, script.most_rows)

    dump_suffix = ".sqlite3.gz"

    def dump(self, target: ConnectionTarget, path: Path) -> None:
        from instances.dialects import sqlite_dump

        sqlite_dump.dump(target, path)

    def check_dump(self, path: Path) -> None:
        from instances.dialects import sqlite_dump

        sqlite_dump.check(path)

    def restore_dump(self, target: ConnectionTarget, path: Path) -> None:
        from instances.dialects import sqlite_dump

        sqlite_dump.restore(target, path)

    def make_database(self, target: ConnectionTarget, name: str) -> None:
        """A restore makes the file; one that is there is refused."""
        refuse_existing(resolve(name))

    def remove_database(self, target: ConnectionTarget, name: str) -> None:
        resolve(name).unlink(missing_ok=True)

    def scratch_database(self, target: ConnectionTarget, name: str) -> str:
        return str(resolve(target.database).with_name(f"{name}.sqlite3"))


def resolve(name: str) -> Path:
    """The file behind ``name`` with every symbolic link followed. Raises ``PathRefused``."""
    roots = [Path(root).resolve() for root in settings.JOBSITE_SQLITE_ROOTS]
    allowed = ", ".join(str(root) for root in roots) or _("no folder (JOBSITE_SQLITE_ROOTS is empty)")
    if "\0" in name or not name.startswith("/"):
        raise PathRefused(
            _("“{name}” is no absolute path; files may lie under: {allowed}.").format(
                name=name, allowed=allowed
            )
        )
    try:
        path = Path(name).resolve()
    except (OSError, RuntimeError):  # a loop of links
        raise PathRefused(_("“{name}” cannot be followed to a file.").format(name=name)) from None
    if not any(path.is_relative_to(root) for root in roots):
        raise PathRefused(
            _("“{name}” lies elsewhere; files may lie under: {allowed}.").format(name=name, allowed=allowed)
        )
    return path


def refuse_existing(path: Path) -> None:
    """Raises ``PathRefused``."""
    if path.exists():
        raise PathRefused(_("There is a file “{name}” already.").format(name=path))


@contextlib.contextmanager
def connect(
    target: ConnectionTarget, *, stopped: Callable[[], bool] | None = None
) -> Iterator[sqlite3.Connection]:
    """A read-only connection that refuses ATTACH and gives up after the statement timeout, or once ``stopped``."""
    path = resolve(target.database)
    if not path.is_file():
        raise PathRefused(_("There is no file “{name}”.").format(name=path))
    try:
        # mode=ro changes no database and makes none; beside one in WAL mode SQLite may put its empty -wal and -shm.
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro",
            uri=True,
            timeout=target.options.connect_timeout_seconds,
            isolation_level=None,
        )
    except sqlite3.Error as error:
        raise Unreachable(str(error)) from error
    until = time.monotonic() + target.options.statement_timeout_seconds
    with contextlib.closing(connection):
        connection.set_authorizer(_authorize)
        connection.set_progress_handler(
            lambda: time.monotonic() > until or bool(stopped and stopped()), STEPS
        )
        try:
            yield connection
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                if stopped and stopped():
                    raise Stopped from None
                raise TimedOut(_("The statement took too long.")) from None
            raise QueryFailed(str(error)) from error
        except sqlite3.DatabaseError as error:  # not a database, damaged, or refused by the authorizer
            raise QueryFailed(str(error)) from error


def _authorize(action: int, *_: str | None) -> int:
    return (
        sqlite3.SQLITE_DENY if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH) else sqlite3.SQLITE_OK
    )


def _pages(connection: sqlite3.Connection) -> tuple[int, int, int]:
    pages, page_bytes, free = connection.execute(PAGES).fetchone()
    return pages, page_bytes, free


def _server(began: float) -> ServerReading:
    version = sqlite3.sqlite_version
    return ServerReading(f"SQLite {version}", version, "SQLite", round((time.monotonic() - began) * 1000, 2))
