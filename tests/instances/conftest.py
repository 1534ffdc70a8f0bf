"""Real servers to manage, a silent one, and rows that point at them."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from instances.models import Credential, Instance
from instances.services import credentials, instances
from tests.instances.fleet import MariaDBFleet, PostgresFleet
from tests.instances.servers import AWKWARD, PASSWORD, PREFIX, TRUSTED, MariaDB, Postgres, Server


def reachable(server: Server, variable: str) -> Server:
    try:
        server.sql("SELECT 1")
    except Exception as error:
        message = f"{variable}: no server at {server.host}:{server.port} ({type(error).__name__}: {error})"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
    return server


@pytest.fixture(scope="session")
def postgres() -> Server:
    url = os.environ.get("JOBSITE_TEST_POSTGRES", "postgres://root@127.0.0.1:5432/postgres")
    return reachable(Postgres(url, 5432), "JOBSITE_TEST_POSTGRES")


@pytest.fixture(scope="session")
def mariadb() -> Server:
    url = os.environ.get("JOBSITE_TEST_MARIADB", "mysql://root@127.0.0.1:3306/mysql")
    return reachable(MariaDB(url, 3306), "JOBSITE_TEST_MARIADB")


@pytest.fixture(scope="session")
def postgres_databases(postgres: Postgres) -> Iterator[list[str]]:
    """Databases with awkward names; one of them holds rows."""
    names = [PREFIX + name for name in [*AWKWARD, "😀 🗄"]]
    try:
        for name in names:
            postgres.sql(f"CREATE DATABASE {postgres.quote(name)} TEMPLATE template0 ENCODING 'UTF8'")
        for name in names:  # the first connection to a database adds a cache file to it
            postgres.sql("SELECT 1", database=name)
        postgres.sql("CREATE TABLE t AS SELECT generate_series(1, 20000) AS n", database=names[0])
        yield names
    finally:
        for name in names:
            postgres.sql(f"DROP DATABASE IF EXISTS {postgres.quote(name)}")


@pytest.fixture(scope="session")
def mariadb_databases(mariadb: MariaDB) -> Iterator[list[str]]:
    """Schemas with awkward names: the first holds rows, the second is empty, the third has no InnoDB."""
    names = [PREFIX + name for name in AWKWARD]
    try:
        for name in names:
            mariadb.sql(f"CREATE DATABASE {mariadb.quote(name)}".replace("%", "%%"), ())
        first, _empty, third, *others = map(mariadb.quote, names)
        mariadb.sql(f"CREATE TABLE {first}.big (b longtext) ENGINE=InnoDB")
        mariadb.sql(f"INSERT INTO {first}.big VALUES {', '.join(['(repeat(1, 20000))'] * 200)}")
        mariadb.sql(f"CREATE TABLE {third}.m (a int, KEY (a)) ENGINE=MyISAM")
        mariadb.sql(f"INSERT INTO {third}.m VALUES (1), (2)")
        for other in others:
            mariadb.sql(f"CREATE TABLE {other}.`T@#1` (a int) ENGINE=InnoDB")
        yield names
    finally:
        for name in names:
            mariadb.sql(f"DROP DATABASE IF EXISTS {mariadb.quote(name)}")


@pytest.fixture(scope="session")
def postgres_fleet(postgres: Postgres) -> Iterator[PostgresFleet]:
    with PostgresFleet(postgres, databases=2, accounts=24).standing() as fleet:
        yield fleet


@pytest.fixture(scope="session")
def mariadb_fleet(mariadb: MariaDB) -> Iterator[MariaDBFleet]:
    with MariaDBFleet(mariadb, databases=12, accounts=25).standing() as fleet:
        yield fleet


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that accepts connections and never says a word."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(listener.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    for connection in held:
        connection.close()


@pytest.fixture(autouse=True)
def own_files(settings: Any, tmp_path: Path) -> None:
    """Keys and permitted folders of this test alone."""
    settings.JOBSITE_KEY_FILE = tmp_path / "var" / "keys"
    settings.JOBSITE_SQLITE_ROOTS = [tmp_path / "files"]
    settings.JOBSITE_LOG_ROOTS = [tmp_path / "log"]
    settings.JOBSITE_ALLOW_SOCKETS = False
    (tmp_path / "files").mkdir()
    (tmp_path / "log").mkdir()


MakeCredential = Callable[..., Credential]
MakeInstance = Callable[..., Instance]


@pytest.fixture
def make_credential(db: None) -> MakeCredential:
    def make(name: str = "ops", *, password: str = PASSWORD, **values: Any) -> Credential:
        return credentials.create(
            Credential(name=name, **({"username": "root"} | values)), password=password, actor=TRUSTED
        )

    return make


@pytest.fixture
def make_instance(db: None, make_credential: MakeCredential) -> MakeInstance:
    def make(name: str = "one", **values: Any) -> Instance:
        others = Instance.objects.count()
        values = {"dialect": "postgresql", "host": f"db{others or ''}.example.com"} | values
        if values["dialect"] != "sqlite" and "credential" not in values:
            found = Credential.objects.filter(name="ops").first()
            values["credential"] = found or make_credential()
        return instances.create(Instance(name=name, **values), actor=TRUSTED)

    return make


def spelled(host: str) -> str:
    """Another spelling of the address for each instance: two may not point at one server."""
    if not (others := Instance.objects.count()):
        return host
    *first, last = socket.gethostbyname(host).split(".")
    return ".".join([*first, f"{'0' * others}{int(last):o}"])


@pytest.fixture
def of_server(make_instance: MakeInstance, make_credential: MakeCredential) -> Callable[..., Instance]:
    """An instance row for a real server."""

    def make(server: Server, name: str, **values: Any) -> Instance:
        username = values.pop("username", server.username)
        password = values.pop("password", server.password)
        credential = make_credential(f"for {name}", username=username, password=password)
        values = {"host": spelled(server.host), "port": server.port, "database": server.database} | values
        values.setdefault("options", {"connect_timeout_seconds": 20})  # the machine may be busy
        dialect = "postgresql" if isinstance(server, Postgres) else "mysql"
        return make_instance(name, dialect=dialect, credential=credential, **values)

    return make
