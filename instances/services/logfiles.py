"""Removes old log files, under the permitted folders and nowhere else."""

from __future__ import annotations

import fnmatch
import os
import stat
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from instances.exceptions import FolderRefused
from scheduling.context import current_run

#: Names of files in a report, at most.
MOST_NAMES = 50


@dataclass(slots=True)
class CleanupReport:
    """What was removed, and what was not."""

    removed: int = 0
    freed_bytes: int = 0
    kept: int = 0
    folders: list[str] = field(default_factory=list)
    missing_folders: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def permitted(folder: str) -> Path:
    """The folder with every symbolic link followed. Raises ``FolderRefused`` unless it lies under
    ``JOBSITE_LOG_ROOTS``.
    """
    roots = [Path(root).resolve() for root in settings.JOBSITE_LOG_ROOTS]
    allowed = ", ".join(map(str, roots)) or _("none (JOBSITE_LOG_ROOTS is empty)")
    if not folder.startswith("/") or "\0" in folder:
        raise FolderRefused(
            _("“{folder}” is no absolute path; allowed: {allowed}.").format(folder=folder, allowed=allowed)
        )
    path = Path(folder).resolve()
    if not any(path.is_relative_to(root) for root in roots):
        raise FolderRefused(
            _("“{folder}” lies elsewhere; allowed: {allowed}.").format(folder=folder, allowed=allowed)
        )
    return path


def cleanup(folders: list[str] | None, *, keep_days: int, pattern: str, now: datetime) -> CleanupReport:
    """Removes plain files whose name fits ``pattern`` and that nobody has written to for ``keep_days`` days.

    ``folders`` None: all permitted ones. Sub-folders are entered, symbolic links are neither followed nor
    removed. Raises ``FolderRefused`` before anything is removed.
    """
    chosen = [str(root) for root in settings.JOBSITE_LOG_ROOTS] if folders is None else folders
    paths = list(dict.fromkeys(permitted(folder) for folder in chosen))
    before = (now - timedelta(days=keep_days)).timestamp()
    report = CleanupReport()
    for path in paths:
        if path.is_dir():
            report.folders.append(str(path))
            _clean(path, pattern, before, report)
        else:
            report.missing_folders.append(str(path))
    return report


def _clean(root: Path, pattern: str, before: float, report: CleanupReport) -> None:
    def unreadable(error: OSError) -> None:
        _note(report, f"{error.filename}: {error.strerror}")

    # fwalk works with open folders: one that is swapped for a link meanwhile leads nowhere else.
    for folder, _folders, names, descriptor in os.fwalk(root, onerror=unreadable, follow_symlinks=False):
        current_run().check_cancelled()
        for name in fnmatch.filter(names, pattern):
            _remove(folder, name, descriptor, before, report)


def _remove(folder: str, name: str, descriptor: int, before: float, report: CleanupReport) -> None:
    try:
        found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or found.st_mtime >= before:
            report.kept += 1
            return
        os.unlink(name, dir_fd=descriptor)
    except FileNotFoundError:  # somebody else was quicker
        return
    except OSError as error:
        _note(report, f"{Path(folder) / name}: {error.strerror}")
        return
    report.removed += 1
    # Blocks, not length: what the disk gets back. A file with another name elsewhere gives nothing back.
    report.freed_bytes += found.st_blocks * 512 if found.st_nlink == 1 else 0


def _note(report: CleanupReport, sentence: str) -> None:
    if len(report.errors) < MOST_NAMES:
        report.errors.append(sentence)
    elif len(report.errors) == MOST_NAMES:
        report.errors.append("…")
