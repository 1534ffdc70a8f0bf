"""Tasks on log files."""

from __future__ import annotations

from typing import Annotated, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from instances.exceptions import CleanupIncomplete
from instances.services import logfiles
from scheduling import clock
from scheduling.context import current_run
from scheduling.registry import task


@task(gettext_lazy("Clean up old logs"), category="maintenance")
def cleanup_old_logs(
    keep_days: Annotated[int, Field(ge=1, le=36_500)] = 30,
    pattern: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/]+$")] = "*.log*",
    folders: Annotated[list[str], Field(min_length=1, max_length=100)] | None = None,
) -> dict[str, Any]:
    """Removes old log files in the folders that the installation permits (JOBSITE_LOG_ROOTS).

    Args:
        keep_days: Files written to within so many days stay.
        pattern: Shell pattern of the files' names.
        folders: Absolute paths under the permitted folders; none: all permitted ones.
    """
    report = logfiles.cleanup(folders, keep_days=keep_days, pattern=pattern, now=clock.now())
    run = current_run()
    for folder in report.missing_folders:
        run.log(_("There is no folder %s.") % folder, "WARNING")
    done = _("%(removed)d files removed, %(freed)d bytes freed.") % {
        "removed": report.removed,
        "freed": report.freed_bytes,
    }
    run.log(done)
    if report.errors:
        raise CleanupIncomplete(done + " " + _("Not removed: %s") % "; ".join(report.errors))
    return {
        "removed": report.removed,
        "freed_bytes": report.freed_bytes,
        "kept": report.kept,
        "folders": report.folders,
        "missing_folders": report.missing_folders,
        "message": done,
    }
