"""Backup and restore of one schema of MySQL or MariaDB, by their own dump program and client; compressed with gzip."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from instances.dialects import mysql_access, programs
from instances.dialects.target import ConnectionTarget
from instances.exceptions import BackupDamaged, RightsMissing

if TYPE_CHECKING:
    from instances.dialects.mysql import Visit

SUFFIX = ".sql.gz"

#: The last line of a dump that is whole.
END = b"-- Dump completed"

#: What the program needs to see all of a schema.
NEEDED = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")

OPTIONS = (
    "--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob", "--skip-lock-tables",
    "--default-character-set=utf8mb4",
)  # fmt: skip


def refuse_part(visit: Visit, database: str) -> None:
    """Raises ``RightsMissing`` when this user may not see all of a database: tables, triggers and routines that it may
    not see would be missing in the file, and nothing would say so.
    """
    held = mysql_access.throughout(visit.grants, database)
    lacking = [] if "ALL PRIVILEGES" in held else [right for right in NEEDED if right not in held]
    statements = [f"GRANT {', '.join(lacking)} ON {_pattern(database)}.*"] if lacking else []
    if not _sees_routines(visit):
        statements.append("GRANT SHOW_ROUTINE ON *.*" if visit.is_mysql8 else "GRANT SELECT ON mysql.proc")
    if statements:
        who = visit.user()
        sentence = _(
            "The backup would not be whole, as this user may not see all of the database: {statements}"
        )
        raise RightsMissing(sentence.format(statements=" ".join(f"{one} TO {who};" for one in statements)))


def _sees_routines(visit: Visit) -> bool:
    held = {"SELECT", "ALL PRIVILEGES"}
    if visit.is_mysql8:
        return not mysql_access.everywhere(visit.grants).isdisjoint({*held, "SHOW_ROUTINE"})
    table = {
        grant.right for grant in visit.grants if (grant.category, grant.on) == ("table", ("mysql", "proc"))
    }
    return not (table | mysql_access.throughout(visit.grants, "mysql")).isdisjoint(held)


def _pattern(database: str) -> str:
    """The name for a GRANT, in which ``_`` and ``%`` would be wild."""
    text = database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
    return "`" + text.replace("`", "``") + "`"


def dump(target: ConnectionTarget, path: Path) -> None:
    with _folder(target) as folder:
        plain = path.with_name(path.name + ".plain")
        try:
            with plain.open("xb") as output:
                plain.chmod(0o600)
                argv = [
                    programs.find("mariadb-dump", "mysqldump"),
                    _options(folder),
                    *OPTIONS,
                    "--",
                    target.database,
                ]
                programs.run(argv, target, stdout=output)
            with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=6) as packed:
                shutil.copyfileobj(source, packed, 1024 * 1024)
        finally:
            plain.unlink(missing_ok=True)


def check(path: Path) -> None:
    """Reads it to its last line. Raises ``BackupDamaged``."""
    tail = b""
    try:
        with gzip.open(path, "rb") as source:
            while chunk := source.read(1024 * 1024):
                tail = (tail + chunk)[-400:]
    except (OSError, EOFError) as error:
        raise BackupDamaged(f"{path.name}: {error}") from error
    if END not in tail:
        raise BackupDamaged(_("%s ends before its end.") % path.name)


def restore(target: ConnectionTarget, path: Path) -> None:
    """Into the target's schema, which exists and is empty."""
    with _folder(target) as folder:
        plain = folder / "dump.sql"
        with gzip.open(path, "rb") as source, plain.open("wb") as output:
            shutil.copyfileobj(source, output, 1024 * 1024)
        argv = [
            programs.find("mariadb", "mysql"), _options(folder), "--batch", "--default-character-set=utf8mb4",
            f"--database={target.database}",
        ]  # fmt: skip
        with plain.open("rb") as source:
            programs.run(argv, target, stdin=source)


def _options(folder: Path) -> str:
    """Must be the first argument; no other file of options is read."""
    return f"--defaults-file={folder / 'client.cnf'}"


@contextmanager
def _folder(target: ConnectionTarget) -> Iterator[Path]:
    values = {
        "host": target.host,
        "port": str(target.port or 3306),
        "user": target.username,
        "password": target.password,
    }
    if target.host.startswith("/"):
        values |= {"host": "localhost", "socket": target.host}
    elif target.host.casefold() == "localhost":
        values["host"] = "127.0.0.1"
    lines = ["[client]", *(f"{name}={_quoted(value)}" for name, value in values.items())]
    if target.options.tls not in ("disable", "prefer"):
        # Of the two families of clients, each knows its own; "loose" makes the other ignore it.
        lines += ["loose-ssl=1", "loose-ssl-mode=REQUIRED"]
    if target.options.tls_ca:
        lines += [f"ssl-ca={_quoted(target.options.tls_ca)}", "loose-ssl-verify-server-cert=1"]
        lines += (
            ["loose-ssl-mode=VERIFY_CA"]
            if target.options.tls == "verify-ca"
            else ["loose-ssl-mode=VERIFY_IDENTITY"]
        )
    with programs.private_folder({"client.cnf": "\n".join(lines) + "\n"}) as folder:
        yield folder


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
