"""A database server of the tests' own, to be stopped, killed and set up as no server that others use may be."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db import connection

#: Where distributions put PostgreSQL's programs, newest last.
POSTGRESQL_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
START_SECONDS = 30


class OwnServer(ABC):
    """A server in a folder and on a port of its own. Run by root it belongs to the server's usual user."""

    user: ClassVar[str]  # of the system
    programs: ClassVar[tuple[str, ...]]
    #: How the tests, and the schedulers that join them, log in: as somebody whom the server can refuse.
    login: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for program in self.programs:
            if find(program) is None:
                pytest.skip(f"a server of the tests' own needs {program}, which is not installed")
        if os.getuid() == 0:
            account = pwd.getpwnam(self.user)
            os.chown(folder, account.pw_uid, account.pw_gid)

    # --- its life

    @abstractmethod
    def make(self) -> None:
        """Makes an empty server in the folder; does not start it."""

    @abstractmethod
    def command(self) -> list[str]:
        """What runs it in the foreground."""

    @abstractmethod
    def sql(self, *statements: str) -> None:
        """Has its administrator execute them, one by one. Raises the driver's error."""

    def start(self) -> None:
        """Starts it and waits until it answers."""
        end = time.monotonic() + START_SECONDS
        self._process = self._popen(self.command())
        while not self._answers():
            if self._process.poll() is not None:  # what a killed one has left may be in the way for a moment
                time.sleep(0.1)
                self._process = self._popen(self.command())
            if time.monotonic() > end:
                pytest.fail(f"the server does not start: {self._said()[-2_000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """As an administrator does who is in a hurry: sessions are ended, what is committed is on disk."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT if self.user == "postgres" else signal.SIGTERM)
        self._process.wait(60)

    def kill(self) -> None:
        """kill -9 of the server and of all that it has started."""
        assert self._process is not None
        family = [self._process.pid, *descendants(self._process.pid)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(60)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    # --- inside

    def run(self, *command: str) -> None:
        process = self._popen(list(command))
        assert process.wait(120) == 0, self._said()[-2_000:]

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        user: dict[str, Any] = {"user": self.user, "group": self.user} if os.getuid() == 0 else {}
        with (self.folder / "server.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                **user | ({"extra_groups": []} if user else {}),
            )  # fmt: skip

    def _said(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def _answers(self) -> bool:
        import MySQLdb
        import psycopg2

        try:
            self.sql("SELECT 1")
        except (psycopg2.Error, MySQLdb.Error):
            return False
        return True


class PostgreSQL(OwnServer):
    user, programs, login = "postgres", ("initdb", "postgres"), "jobsite"

    def make(self) -> None:
        # Nobody pulls the plug of the machine: a server that is killed loses nothing without fsync either.
        self.run(str(find("initdb")), "--pgdata", "data", "--auth", "trust", "--username", "postgres", "--no-sync",
                 "--encoding", "UTF8", "--locale", "C")  # fmt: skip
        self.start()
        self.sql("CREATE ROLE jobsite LOGIN", "CREATE DATABASE jobsite OWNER jobsite")

    def command(self) -> list[str]:
        settings = {
            "port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder),
            "fsync": "off", "max_connections": "50", "shared_buffers": "32MB",
        }  # fmt: skip
        return [str(find("postgres")), "-D", "data", *(f"--{key}={value}" for key, value in settings.items())]

    def sql(self, *statements: str) -> None:
        import psycopg2

        admin = psycopg2.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", connect_timeout=3
        )
        admin.autocommit = True
        with contextlib.closing(admin), admin.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


class MariaDB(OwnServer):
    user, programs, login = "mysql", ("mariadb-install-db", "mariadbd"), "jobsite"

    def make(self) -> None:
        self.run(str(find("mariadb-install-db")), "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db",
                 "--auth-root-authentication-method=normal")  # fmt: skip
        self.start()
        self.sql(
            "CREATE DATABASE jobsite CHARACTER SET utf8mb4",
            "CREATE USER jobsite@'%'",
            "GRANT ALL ON jobsite.* TO jobsite@'%'",
            "GRANT PROCESS ON *.* TO jobsite@'%'",
        )

    def command(self) -> list[str]:
        return [
            str(find("mariadbd")), "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}",
            f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid", "--bind-address=127.0.0.1",
            "--skip-name-resolve", "--skip-log-bin", "--innodb-buffer-pool-size=64M", "--innodb-flush-method=fsync",
            "--innodb-flush-log-at-trx-commit=2",  # survives a kill of the server, which is all that happens here
        ]  # fmt: skip

    def sql(self, *statements: str) -> None:
        import MySQLdb

        admin = MySQLdb.connect(
            unix_socket=f"{self.folder}/socket", user="root", connect_timeout=3, autocommit=True
        )
        with contextlib.closing(admin):
            cursor = admin.cursor()
            for statement in statements:
                cursor.execute(statement)


SERVERS: dict[str, type[OwnServer]] = {"postgresql": PostgreSQL, "mysql": MariaDB}


@contextlib.contextmanager
def own_server() -> Iterator[OwnServer]:
    """A new server of the kind that the tests run on, with an empty database ``jobsite``."""
    if connection.vendor not in SERVERS:
        pytest.skip("SQLite has no server")
    # Not below pytest's folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="jobsite-server-"))
    server = None
    try:
        folder.chmod(0o755)
        server = SERVERS[connection.vendor](folder)
        server.make()
        yield server
    finally:
        if server is not None:
            server.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def instead(**settings: Any) -> Iterator[None]:
    """Within the block this connection, and those of new threads, lead to another database: NAME, HOST, PORT, USER …"""
    connection.close()
    before = {name: connection.settings_dict[name] for name in settings}
    connection.settings_dict.update(settings)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def find(program: str) -> Path | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *map(str, reversed(POSTGRESQL_FOLDERS))])
    found = shutil.which(program, path=path)
    return Path(found).resolve() if found else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def descendants(pid: int) -> list[int]:
    found = [pid]
    for member in found:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for task in Path(f"/proc/{member}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found[1:]
