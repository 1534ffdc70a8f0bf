"""Backup and restore of an SQLite file by SQLite's own online backup; compressed with gzip."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import sqlite3
import tempfile
from pathlib import Path

from django.utils.translation import gettext as _

from instances.dialects import sqlite
from instances.dialects.target import ConnectionTarget
from instances.exceptions import BackupDamaged

SUFFIX = ".sqlite3.gz"


def dump(target: ConnectionTarget, path: Path) -> None:
    plain = path.with_name(path.name + ".plain")
    try:
        with sqlite.connect(target) as source, contextlib.closing(sqlite3.connect(plain)) as copy:
            plain.chmod(0o600)
            source.backup(copy, pages=1_000)
        with plain.open("rb") as opened, gzip.open(path, "wb", compresslevel=6) as packed:
            shutil.copyfileobj(opened, packed, 1024 * 1024)
    finally:
        plain.unlink(missing_ok=True)


def check(path: Path) -> None:
    """Unpacks it, and lets SQLite look at every page. Raises ``BackupDamaged``."""
    with tempfile.NamedTemporaryFile(prefix="jobsite-") as plain:
        try:
            with gzip.open(path, "rb") as packed:
                shutil.copyfileobj(packed, plain, 1024 * 1024)
            plain.flush()
            with contextlib.closing(
                sqlite3.connect(f"file:{plain.name}?mode=ro&immutable=1", uri=True)
            ) as database:
                found = database.execute("PRAGMA quick_check").fetchone()[0]
        except (OSError, EOFError, sqlite3.Error) as error:
            raise BackupDamaged(f"{path.name}: {error}") from error
        if found != "ok":
            raise BackupDamaged(
                _("%(name)s is damaged: %(found)s") % {"name": path.name, "found": str(found)[:500]}
            )


def restore(target: ConnectionTarget, path: Path) -> None:
    """Into a new file."""
    into = sqlite.resolve(target.database)
    sqlite.refuse_existing(into)
    draft = into.with_name(into.name + ".part")
    try:
        with gzip.open(path, "rb") as packed, draft.open("xb") as output:
            shutil.copyfileobj(packed, output, 1024 * 1024)
        draft.rename(into)
    finally:
        draft.unlink(missing_ok=True)
