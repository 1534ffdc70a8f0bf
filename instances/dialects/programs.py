"""Runs the servers' own programs (pg_dump, mariadb-dump …): no shell, a bare environment, secrets in files only."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.utils.translation import gettext as _

from instances.dialects.target import ConnectionTarget
from instances.exceptions import ProgramFailed, ProgramMissing
from scheduling.context import current_run

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: What a program said last is repeated up to so many characters.
SAID = 2_000
LOOK_SECONDS = 0.2
#: Between asking a program to end and ending it.
GRACE_SECONDS = 5


def find(*names: str) -> str:
    """The first of these programs that is installed. Raises ``ProgramMissing``."""
    for name in names:
        if found := shutil.which(name, path=PATH):
            return found
    raise ProgramMissing(_("None of these programs is installed: %s.") % ", ".join(names))


@contextmanager
def private_folder(files: Mapping[str, str]) -> Iterator[Path]:
    """A folder that only this user can enter, with these files; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="jobsite-") as name:
        folder = Path(name)
        for file, text in files.items():
            path = folder / file
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        yield folder


def run(
    argv: Sequence[str],
    target: ConnectionTarget,
    *,
    environment: Mapping[str, str] | None = None,
    stdin: IO[Any] | None = None,
    stdout: IO[Any] | None = None,
) -> None:
    """Waits for its end; ends it with all that it has started when the run is cancelled. Raises ``ProgramFailed``."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            list(argv),
            env={"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/nonexistent", **(environment or {})},
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                current_run().check_cancelled()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_SECONDS)
        finally:
            _end(process)
        if process.returncode:
            said.seek(max(0, said.seek(0, os.SEEK_END) - SAID))
            text = " ".join(target.scrub(said.read().decode(errors="replace")).split())
            name = Path(argv[0]).name
            raise ProgramFailed(
                _("{name} ended with {code}: {text}").format(name=name, code=process.returncode, text=text)
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    deadline = time.monotonic() + GRACE_SECONDS
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
            return
    process.wait()
