"""The task that backs databases up."""

from __future__ import annotations

from typing import Annotated, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from instances.exceptions import BackupsFailed
from instances.services import backups, visits
from instances.services import instances as fleet
from instances.tasks.words import InstanceName
from scheduling.context import current_run
from scheduling.registry import task

DatabaseNames = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=255)]], Field(min_length=1, max_length=500)
]


@task(
    gettext_lazy("Back up databases"), category="maintenance", permission="instances.backup_database",
    executor="process",
)  # fmt: skip
def database_backup(
    instance: InstanceName,
    databases: DatabaseNames | None = None,
    keep: Annotated[int, Field(ge=1, le=1_000)] = 7,
    restore_test: bool = False,
) -> dict[str, Any]:
    """Writes each database into a file of its own below JOBSITE_BACKUP_ROOT, checks it, and keeps the newest ones.
    Fails when one has no backup; the others are backed up all the same.

    Args:
        instance: The instance's name.
        databases: Their names; none: the one that the instance connects to.
        keep: Files of each database that are kept.
        restore_test: Restore each into a database made for that, and remove that one again.
    """
    (chosen,) = fleet.named([instance])
    names = databases or [""]
    done: list[dict[str, Any]] = []
    errors: dict[str, str] = {}
    for number, name in enumerate(names):
        current_run().progress(number, len(names), name)
        try:
            row = backups.backup(chosen, name, keep=keep, restore_test=restore_test)
        except visits.FAILURES as error:  # the others are backed up all the same
            errors[name or chosen.name] = visits.sentence(error)
            current_run().log(f"{name or chosen.name}: {visits.sentence(error)}", "ERROR")
            continue
        current_run().log(_("%(file)s: %(bytes)d bytes.") % {"file": row.file, "bytes": row.size_bytes})
        done.append(
            {
                "database": row.database,
                "file": row.file,
                "size_bytes": row.size_bytes,
                "sha256": row.sha256,
                "restore_tested": row.restored_at is not None,
            }
        )
    if errors:
        sentences = "; ".join(f"{name}: {error}" for name, error in errors.items())
        raise BackupsFailed(
            _("%(failed)d of %(total)d databases could not be backed up. %(errors)s")
            % {"failed": len(errors), "total": len(names), "errors": sentences}
        )
    return {"backups": done}
