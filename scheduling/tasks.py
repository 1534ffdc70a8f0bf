"""The scheduler's own functions: its housekeeping, and some to try it out with (and to try to break it)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from pydantic import Field, JsonValue

from scheduling import clock
from scheduling.context import current_run
from scheduling.exceptions import FailedOnPurpose, ScratchRefused
from scheduling.functions import commands, http  # noqa: F401  (registers what they hold)
from scheduling.registry import task
from scheduling.services import retention

CATEGORY = "diagnostic"


@task(_("Do nothing"), category=CATEGORY)
def noop() -> None:
    """Does nothing, and succeeds."""


@task(_("Sleep"), category=CATEGORY)
def sleep(seconds: Annotated[float, Field(ge=0, le=86_400)]) -> None:
    """Sleeps, and wakes at once when it is cancelled.

    Args:
        seconds: How long, at most a day.
    """
    current_run().sleep(seconds)


@task(_("Count up"), category=CATEGORY)
def count_up(
    steps: Annotated[int, Field(ge=1, le=10_000)] = 10, seconds: Annotated[float, Field(ge=0, le=3_600)] = 1
) -> dict[str, int]:
    """Counts slowly, with progress and a line of log for each step: to see what a run looks like.

    Args:
        steps: How far, at most 10 000.
        seconds: How long one step takes.
    """
    run = current_run()
    for step in range(1, steps + 1):
        run.sleep(seconds)
        run.log(f"step {step} of {steps}")
        run.progress(step, steps, text=f"step {step}")
    return {"steps": steps}


@task(_("Fail"), category=CATEGORY)
def fail(message: str = "Failed on purpose.") -> None:
    """Fails with the message.

    Args:
        message: What the error says.
    """
    raise FailedOnPurpose(message)


@task(_("Echo"), category=CATEGORY)
def echo(values: JsonValue = None) -> JsonValue:
    """Returns what it is given as the run's result, and writes it to the run's log.

    Args:
        values: Any JSON value.
    """
    current_run().log(repr(values))
    return values


@task(_("Append a line to a file"), category=CATEGORY)
def append_line(path: str, text: str = "{execution_id} {attempt}") -> None:
    """Appends one line to a file in the scratch folder (setting JOBSITE_SCRATCH; refused without it).

    Args:
        path: The file, relative to the scratch folder or inside it; it is made when it is missing.
        text: The line; {execution_id} and {attempt} are replaced by those of the run.
    """
    run = current_run()
    line = text.replace("{execution_id}", str(run.execution_id)).replace("{attempt}", str(run.attempt))
    # One write to a file opened for appending: lines of several processes never mix.
    descriptor = _open_for_appending(_inside_scratch(path))
    try:
        data = f"{line}\n".encode()
        written = os.write(descriptor, data)
    finally:
        os.close(descriptor)
    if written != len(data):
        raise OSError(f"only {written} of {len(data)} bytes could be written to {path}")


def _inside_scratch(path: str) -> Path:
    """The real path; refuses one that leads out of the scratch folder, also by a symbolic link."""
    scratch: Path | None = getattr(settings, "JOBSITE_SCRATCH", None)
    if scratch is None:
        raise ScratchRefused("Writing files is off: the setting JOBSITE_SCRATCH names no folder.")
    folder = Path(scratch).resolve()
    try:
        target = (folder / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links; a NUL in the name
        raise ScratchRefused(f"{path!r} is no usable path: {error}") from error
    if target == folder or not target.is_relative_to(folder):
        raise ScratchRefused(f"{path!r} does not lie in the scratch folder.")
    return target


def _open_for_appending(target: Path) -> int:
    # O_NOFOLLOW, O_NONBLOCK: what came there after the path was resolved is neither followed nor waited for.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(target, flags, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ScratchRefused(f"{target.name!r} is no regular file.")
    return descriptor


@task(_("Prune history"), category="maintenance", timeout_seconds=4 * 3600)
def prune_history() -> dict[str, int]:
    """Removes old executions, attempts and log lines, as the retention settings say."""
    run = current_run()

    def between(pruned: retention.Pruned) -> None:
        run.progress(pruned.executions + pruned.log_lines, text="rows removed")

    pruned = retention.prune(clock.now(), between=between)
    return {"executions": pruned.executions, "log_lines": pruned.log_lines}
