"""Pain 40, P3: a disk that is really full stops claims and says so; work goes on by itself, and nothing is damaged."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from scheduling.models import Node
from scheduling.services import tasks
from tests.conftest import TESTER, Nodes, await_, new_task
from tests.own_server import instead
from tests.promises import story
from tests.promises.test_unstorable import ODD_SETTINGS
from tests.scheduling.engine.conftest import YEARLY

pytestmark = pytest.mark.processes

SIZE_MB = 96
SHORT_LEASE = {"JOBSITE_LEASE_SECONDS": "3", "JOBSITE_BEAT_SECONDS": "0.5"}


class SmallDisk:
    """A disk of its own in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, leave_mb: int = 0) -> None:
        """Until so much is left; with 0 until nothing more can be written at all."""
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while (left := self._free()) > leave_mb * 2**20:
                file.write(b"\0" * min(2**20, left - leave_mb * 2**20))
            while not leave_mb:
                file.write(b"\0" * 4_096)

    def empty(self) -> None:
        self._filler.unlink()

    def _free(self) -> int:
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mount.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mount.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def on_small_disk(disk: SmallDisk, django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The tests' database is a file on that disk."""
    if connection.vendor != "sqlite":
        pytest.skip("a server's disk is not ours to fill; SQLite keeps its file here")
    with django_db_blocker.unblock(), instead(NAME=str(disk.folder / "database.sqlite3")):
        call_command("migrate", verbosity=0)
        yield


def test_the_disk_that_holds_the_nodes_files(nodes: Nodes, disk: SmallDisk) -> None:
    """Below 64 MB claims stop; when nothing at all can be written the node lives on, and what runs is recorded."""
    steady = story.steady_task(nodes)
    slow = tasks.create(new_task("slow", function="sleep", parameters={"seconds": 4}, **YEARLY), actor=TESTER)
    node = nodes.start_ready(**ODD_SETTINGS, JOBSITE_VAR=str(disk.folder / "var"))
    story.await_another(steady)
    asked = tasks.run_now(slow.pk, actor=TESTER)
    await_(lambda: story.count(pk=asked.pk, state="running"), what="something runs")
    disk.fill(leave_mb=40)
    await_(lambda: "MB are free" in Node.objects.get().detail, 5, "the node says so")
    assert "claims nothing" in story.probe()
    await_(lambda: story.count(task=steady, state="queued") == 1, 5, "what is due is admitted and waits")
    disk.fill()
    await_(lambda: story.count(pk=asked.pk, state="succeeded"), 10, "what ran is recorded")
    await_(lambda: "status file cannot be written" in node.said(), 5, "it is said")
    assert node.process.poll() is None
    assert story.count(task=steady, state="queued") == 1
    disk.empty()
    story.await_another(steady)
    assert (Node.objects.get().detail, story.probe()) == ("", "ok\n")
    assert node.stop() == 0
    story.assert_each_once(steady, story.SECOND)


def test_the_disk_that_holds_the_database(on_small_disk: None, nodes: Nodes, disk: SmallDisk) -> None:
    """Claims stop before it is full; and when it is full all the same, no row is damaged, lost or written twice."""
    steady = story.steady_task(nodes)
    node = nodes.start_ready(**ODD_SETTINGS, **SHORT_LEASE, JOBSITE_LEAST_FREE_MB="8")
    story.await_another(steady)
    disk.fill(leave_mb=6)
    await_(lambda: "MB are free" in Node.objects.get().detail, 5, "the node says so")
    disk.fill()
    await_(lambda: "full" in story.trouble(nodes), 10, "the status file tells why")
    await_(lambda: "the disk that holds the database is full" in story.probe(), 10, "the probe tells why")
    disk.empty()
    story.await_another(steady)
    await_(lambda: Node.objects.get().detail == "" and story.probe() == "ok\n", 10, "it takes that back")
    assert node.stop() == 0
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        assert cursor.fetchall() == [("ok",)]
    story.check(nodes, 1)
    story.assert_each_once(steady, story.SECOND)
