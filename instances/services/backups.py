"""Backs up managed databases into files, checks each, keeps the newest, and restores them."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from instances.dialects.target import ConnectionTarget
from instances.exceptions import BackupDamaged
from instances.models import Backup, Instance
from scheduling import clock
from scheduling.context import current_run

#: How a database is called that a restore test makes and removes.
SCRATCH = "jobsite_restore_{number}"


def backup(instance: Instance, database: str = "", *, keep: int, restore_test: bool = False) -> Backup:
    """Writes one file, checks it, and removes all but the newest ``keep`` of this database; gives its row.

    ``database`` empty: the one that the instance connects to. ``restore_test`` also restores it into a database made
    for that, and removes that one. Raises ``DialectError`` and what ``visits.FAILURES`` lists; then no file stays.
    """
    started = clock.now()
    target = _at(instance, database)
    path = _path(instance, target.database, started, instance.kind.dump_suffix)
    draft = path.with_name(path.name + ".part")
    try:
        instance.kind.dump(target, draft)
        draft.chmod(0o600)
        instance.kind.check_dump(draft)
        size, digest = _measure(draft)
        os.rename(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    row = Backup.objects.create(
        instance=instance, database=target.database, file=str(path.relative_to(root())), size_bytes=size,
        sha256=digest, started_at=started, finished_at=clock.now(), execution_id=current_run().execution_id or None,
    )  # fmt: skip
    if restore_test:
        test_restore(row)
    prune(instance, target.database, keep=keep)
    return row


def verify(row: Backup) -> Path:
    """The file, after its bytes have been compared with its row. Raises ``BackupDamaged``."""
    path = root() / row.file
    if not path.is_file():
        raise BackupDamaged(_("The file %s is gone.") % row.file)
    if _measure(path) != (row.size_bytes, row.sha256):
        raise BackupDamaged(_("The file %s is not what was written.") % row.file)
    return path


def restore(row: Backup, into: str) -> None:
    """Makes the database ``into`` on the same instance and fills it. One that exists already is refused."""
    path = verify(row)
    instance = row.instance
    instance.kind.make_database(_at(instance, ""), into)
    instance.kind.restore_dump(_at(instance, into), path)


def test_restore(row: Backup) -> None:
    """Restores it into a database of its own, and removes that one, whatever happens."""
    instance = row.instance
    scratch = instance.kind.scratch_database(_at(instance, row.database), SCRATCH.format(number=row.pk))
    path = verify(row)
    # One that exists already is somebody else's, and is refused here: only what was made is removed.
    instance.kind.make_database(_at(instance, ""), scratch)
    try:
        instance.kind.restore_dump(_at(instance, scratch), path)
    finally:
        instance.kind.remove_database(_at(instance, ""), scratch)
    row.restored_at = clock.now()
    row.save(update_fields=["restored_at"])


def prune(instance: Instance, database: str, *, keep: int) -> list[str]:
    """Removes the files of all but the newest ``keep`` backups of a database; gives their names."""
    rows = Backup.objects.filter(instance=instance, database=database, removed_at=None).order_by("-pk")
    removed = []
    for row in rows[keep : keep + 10_000]:
        (root() / row.file).unlink(missing_ok=True)
        row.removed_at = clock.now()
        row.save(update_fields=["removed_at"])
        removed.append(row.file)
    return removed


def root() -> Path:
    return Path(settings.JOBSITE_BACKUP_ROOT)


def _at(instance: Instance, database: str) -> ConnectionTarget:
    """The instance's target, at a database of it."""
    target = instance.target()
    return replace(target, database=database or target.database or instance.kind.default_database)


def _path(instance: Instance, database: str, moment: datetime, suffix: str) -> Path:
    folder = root() / f"{instance.pk}-{_safe(instance.name)}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{_safe(Path(database).name or 'all')}-{moment:%Y%m%dT%H%M%S%fZ}{suffix}"


def _safe(name: str) -> str:
    """For a file's name: letters and digits stay, and so much of them that no name grows too long."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60]


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return path.stat().st_size, digest
