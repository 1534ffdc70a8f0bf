"""Backup and restore of one PostgreSQL database, by pg_dump and pg_restore in their own compressed format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instances.dialects import programs
from instances.dialects.target import ConnectionTarget

SUFFIX = ".dump"


def dump(target: ConnectionTarget, path: Path) -> None:
    with _environment(target) as environment:
        argv = [
            programs.find("pg_dump"),
            "--format=custom",
            "--no-password",
            f"--file={path}",
            _database(target.database),
        ]
        programs.run(argv, target, environment=environment)


def check(path: Path) -> None:
    """Reads all of it, as a restore would."""
    programs.run([programs.find("pg_restore"), "--file=/dev/null", str(path)], ConnectionTarget())


def restore(target: ConnectionTarget, path: Path) -> None:
    """Into the target's database, which exists and is empty. Owners stay with whoever restores."""
    with _environment(target) as environment:
        argv = [
            programs.find("pg_restore"), "--exit-on-error", "--no-password", "--no-owner", "--no-privileges",
            _database(target.database), str(path),
        ]  # fmt: skip
        programs.run(argv, target, environment=environment)


def _database(name: str) -> str:
    """A name alone would be read as a connection string when it looks like one."""
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"--dbname=dbname='{quoted}'"


@contextmanager
def _environment(target: ConnectionTarget) -> Iterator[dict[str, str]]:
    password = target.password.replace("\\", "\\\\").replace(":", "\\:")
    with programs.private_folder({"pgpass": f"*:*:*:*:{password}\n"}) as folder:
        environment = {
            "PGHOST": target.host,
            "PGPORT": str(target.port or 5432),
            "PGUSER": target.username,
            "PGPASSFILE": str(folder / "pgpass"),
            "PGSSLMODE": target.options.tls,
            "PGCONNECT_TIMEOUT": str(max(2, round(target.options.connect_timeout_seconds))),
            "PGAPPNAME": "jobsite",
            "PGCLIENTENCODING": "UTF8",
        }
        if target.options.tls_ca:
            environment["PGSSLROOTCERT"] = target.options.tls_ca
        yield environment
