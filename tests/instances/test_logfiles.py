from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from instances.exceptions import FolderRefused
from instances.services import logfiles

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def put(path: Path, days: float, size: int = 10_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    at = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (at, at))
    return path


def clean(folders: list[str] | None = None, keep_days: int = 30, pattern: str = "*.log*") -> Any:
    return logfiles.cleanup(folders, keep_days=keep_days, pattern=pattern, now=NOW)


def test_old_files_go_and_new_ones_stay(log: Path) -> None:
    old = [put(log / "a.log", 31), put(log / "deep" / "er" / "b.log.3.gz", 400)]
    new = [put(log / "c.log", 29.9), put(log / "notes.txt", 99), put(log / "LOG", 99)]
    report = clean()
    assert (report.removed, report.kept, report.errors) == (2, 1, [])
    assert report.freed_bytes >= 20_000
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in new)


def test_links_are_neither_followed_nor_removed(log: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "a.log", 99)
    (log / "link").symlink_to(outside.parent)
    (log / "file.log").symlink_to(outside)
    assert clean().removed == 0
    assert outside.exists()
    assert (log / "file.log").is_symlink()


def test_a_second_name_of_a_file_frees_nothing(log: Path) -> None:
    path = put(log / "a.log", 99)
    os.link(path, log / "kept.txt")
    report = clean()
    assert (report.removed, report.freed_bytes) == (1, 0)


@pytest.mark.parametrize(
    "folder", ["/", "/etc", "relative", "", "{log}/..", "{log}/../log2", "{log}/out", "{log}\0"]
)
def test_folders_outside_are_refused_before_anything_goes(folder: str, log: Path, tmp_path: Path) -> None:
    (tmp_path / "log2").mkdir()
    (log / "out").symlink_to(tmp_path)
    old = put(log / "a.log", 99)
    with pytest.raises(FolderRefused, match="allowed"):
        clean([str(log), folder.format(log=log)])
    assert old.exists()


def test_a_folder_below_is_allowed(log: Path) -> None:
    put(log / "x" / "a.log", 99)
    put(log / "y" / "a.log", 99)
    assert clean([str(log / "x")]).removed == 1
    assert (log / "y" / "a.log").exists()


def test_a_missing_folder_is_reported(log: Path, settings: Any) -> None:
    settings.JOBSITE_LOG_ROOTS = [log, log.with_name("nowhere")]
    report = clean()
    assert report.folders == [str(log)]
    assert report.missing_folders == [str(log.with_name("nowhere"))]


def test_what_cannot_be_removed_is_named(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(log / "a.log", 99)
    put(log / "b.log", 99)
    unlink = os.unlink

    def refuse(name: Any, **options: Any) -> None:
        if name == "a.log":
            raise PermissionError(13, "Permission denied", name)
        unlink(name, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    report = clean()
    assert report.removed == 1
    assert report.errors == [f"{log / 'a.log'}: Permission denied"]
