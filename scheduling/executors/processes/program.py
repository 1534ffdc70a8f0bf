"""Runs a program for the current run: its own process group, a folder and an environment made from nothing."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from scheduling.context import RunCancelled, RunContext, current_run
from scheduling.exceptions import ProgramFailed
from scheduling.executors.processes.supervision import Ended, Supervision
from scheduling.sentences import of_runs

#: The name of a run's folder.
FOLDER = re.compile(r"(\d{1,18})-(\d{1,9})", re.ASCII)
#: How long programs may take where neither task nor setting says so.
TIMEOUT_SECONDS = 3_600
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that has ended as it was hoped to."""

    exit_code: int
    output: str  # the end of what it wrote to stdout, at most 4 KiB


def run_program(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    success: Sequence[int] = (0,),
) -> Finished:
    """Runs a program, no shell, and waits for its end; what it writes goes into the run's log.

    ``files`` are written into its folder before, which is removed afterwards with all that is in it. When the
    run is cancelled or its time is over the program gets SIGTERM, and after the grace SIGKILL, with all that it
    has started. A run without a timeout has, from its first program on, the setting's (an hour): one that hangs
    would hold its seat for ever. Raises ProgramFailed, and RunCancelled.
    """
    run = current_run()
    _bound(run)
    with _folder(run, files or {}) as folder:
        supervision = Supervision(
            run,
            memory_limit_mb=run.memory_limit_mb,
            cpu_limit_seconds=run.cpu_limit_seconds,
            ask_to_end=_terminate,
        )
        program = {
            "argv": list(argv),
            "environment": _environment(run, folder) | dict(environment or {}),
            "folder": str(folder),
            "user": _user(),
        }
        ended = supervision.supervise({"program": program})
    run.note_use(ended.cpu_ms, ended.peak_memory_bytes)
    return _finished(ended, run, argv[0], success)


def _bound(run: RunContext) -> None:
    seconds = getattr(settings, "SCHEDULER", {}).get("command_timeout_seconds", TIMEOUT_SECONDS)
    if seconds:
        run.end_within(seconds, of_runs.PROGRAM_OVER_TIME(seconds=seconds))


def _finished(ended: Ended, run: RunContext, name: str, success: Sequence[int]) -> Finished:
    if ended.refused:
        raise ProgramFailed("not_started", of_runs.PROGRAM_NOT_STARTED(said=ended.refused), None)
    if ended.broken_limit:
        raise ProgramFailed(ended.broken_limit, ended.detail, ended.exit_code)
    if run.cancelled:
        raise RunCancelled(*run.cancel_request)
    code = ended.exit_code
    if code is None:
        raise ProgramFailed("worker_failed", ended.detail or of_runs.STARTER_DIED(), None)
    if code == -signal.SIGXCPU:
        raise ProgramFailed("cpu_limit", of_runs.CPU_LIMIT_OF_KERNEL(), code)
    if code not in success:
        raise ProgramFailed("exit_code", of_runs.PROGRAM_ENDED(program=name, ending=ended.described), code)
    return Finished(code, ended.output)


def _terminate(supervision: Supervision) -> None:
    if supervision.pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(supervision.pid, signal.SIGTERM)


def _environment(run: RunContext, folder: Path) -> dict[str, str]:
    """Nothing of the scheduler's own, which holds its secrets."""
    return {
        "PATH": PATH,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "JOBSITE_EXECUTION_ID": str(run.execution_id),
        "JOBSITE_ATTEMPT": str(run.attempt),
        "JOBSITE_TASK_KEY": run.task_key,
        "JOBSITE_SCHEDULED_FOR": run.scheduled_for.isoformat(),
        "JOBSITE_IDEMPOTENCY_KEY": run.idempotency_key,
    }


def _user() -> list[int] | None:
    """(user id, group id) of the setting's user; None: the scheduler's own. Raises ProgramFailed."""
    name = str(getattr(settings, "JOBSITE_COMMAND_USER", "") or "")
    if not name:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ProgramFailed("not_started", of_runs.NO_USER(user=repr(name)), None) from None
    return [entry.pw_uid, entry.pw_gid]


def folders() -> Iterator[tuple[tuple[int, int], Path]]:
    """The folders of runs that there are: (execution, attempt) and where."""
    root = Path(settings.VAR_DIR) / "runs"
    for path in root.iterdir() if root.is_dir() else ():
        if found := FOLDER.fullmatch(path.name):
            yield (int(found[1]), int(found[2])), path


@contextmanager
def _folder(run: RunContext, files: Mapping[str, str]) -> Iterator[Path]:
    """A folder of the run's own, gone afterwards."""
    folder = Path(settings.VAR_DIR) / "runs" / f"{run.execution_id}-{run.attempt}"  # as FOLDER reads it
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        owner = _user()
        for name, text in files.items():
            path = folder / name
            path.write_text(text, encoding="utf-8", errors="replace")
            path.chmod(0o600)
        if owner is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, *owner)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
