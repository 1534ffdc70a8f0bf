"""The functions that ship for trying the scheduler out; append_line above all, for it writes files."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scheduling import context, registry, tasks
from scheduling.engine.run import run
from scheduling.exceptions import FailedOnPurpose, ScratchRefused
from scheduling.executors.base import RunOrder

Order = Callable[..., RunOrder]


@pytest.fixture
def scratch(tmp_path: Path, settings: Any) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    settings.JOBSITE_SCRATCH = folder
    return folder


def test_they_run_by_hand() -> None:
    tasks.noop()
    tasks.sleep(0)
    assert tasks.echo([1, {"a": None}]) == [1, {"a": None}]
    with pytest.raises(FailedOnPurpose, match="because"):
        tasks.fail("because")


def test_every_one_has_a_label_a_description_and_described_parameters() -> None:
    for name in ("noop", "sleep", "fail", "echo", "append_line"):
        found = registry.get(name)
        assert str(found.label)
        assert found.description
        assert found.category == "diagnostic"
        for parameter, schema in found.schema["properties"].items():
            assert schema.get("description"), (name, parameter)


def test_echo_gives_its_values_back(order: Order) -> None:
    outcome = run(order("echo", {"values": {"a": [1, None, "库"]}}))
    assert json.loads(outcome.result or "") == {"a": [1, None, "库"]}


def test_fail_fails_with_its_message(order: Order) -> None:
    outcome = run(order("fail", {"message": "because"}))
    assert (outcome.state, outcome.message) == ("failed", "because")
    assert outcome.error_class == "scheduling.exceptions.FailedOnPurpose"


@pytest.mark.parametrize("seconds", [-1, 86_401, "1", None])
def test_sleep_refuses(order: Order, seconds: Any) -> None:
    assert run(order("sleep", {"seconds": seconds})).reason == "parameters_invalid"


def test_sleep_wakes_at_once_when_it_is_cancelled(order: Order) -> None:
    timer = threading.Timer(0.05, context.cancel, (7, 2, "requested"))
    timer.start()
    began = time.monotonic()
    assert run(order("sleep", {"seconds": 60})).state == "cancelled"
    assert time.monotonic() - began < 30
    timer.join()


def test_append_line_writes_the_runs_own_numbers(order: Order, scratch: Path) -> None:
    for attempt in (1, 2):
        assert run(order("append_line", {"path": "lines"}, attempt=attempt)).state == "succeeded"
    run(order("append_line", {"path": str(scratch / "lines"), "text": "库 {attempt}{attempt} {other}"}))
    assert (scratch / "lines").read_text() == "7 1\n7 2\n库 22 {other}\n"
    assert (scratch / "lines").stat().st_mode & 0o777 == 0o600


def test_append_line_is_off_without_the_setting(settings: Any) -> None:
    settings.JOBSITE_SCRATCH = None
    with pytest.raises(ScratchRefused, match="JOBSITE_SCRATCH"):
        tasks.append_line("lines")


OUTSIDE = [
    "../lines",
    "/etc/hosts",
    "",
    ".",
    "..",
    "a/../../lines",
    "/proc/self/fd/1",
    "link",
    "dir_link/lines",
    "loop",
    "a\0b",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_append_line_refuses_what_leads_outside(scratch: Path, path: str) -> None:
    outside = scratch.parent / "outside"
    outside.mkdir()
    (outside / "lines").write_text("before\n")
    (scratch / "link").symlink_to(outside / "lines")
    (scratch / "dir_link").symlink_to(outside)
    (scratch / "loop").symlink_to("loop")
    with pytest.raises((ScratchRefused, OSError)):
        tasks.append_line(path, "x")
    assert (outside / "lines").read_text() == "before\n"
    assert not (scratch.parent / "lines").exists()


def test_append_line_follows_a_link_that_stays_inside(scratch: Path) -> None:
    (scratch / "link").symlink_to("lines")
    tasks.append_line("link", "x")
    assert (scratch / "lines").read_text() == "x\n"


def test_append_line_refuses_what_is_no_file(scratch: Path) -> None:
    os.mkfifo(scratch / "pipe")
    (scratch / "folder").mkdir()
    for path in ("pipe", "folder"):
        with pytest.raises((ScratchRefused, OSError)):
            tasks.append_line(path, "x")
