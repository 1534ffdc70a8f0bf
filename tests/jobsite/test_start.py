"""``manage.py start`` as a person runs it: a process of its own, an empty var folder, the embedded database."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WELCOME = re.compile(r"Jobsite is running: http://127\.0\.0\.1:(\d+)/")

pytestmark = pytest.mark.processes


class Started:
    """One ``manage.py start`` and what it has printed so far."""

    def __init__(self, var: Path, *options: str) -> None:
        self.var = var
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "start", *options],
            cwd=ROOT,
            env=environment(var),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def await_line(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Read on until a line matches; the test's own time limit is the pipe's end."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.text += line
            if found := pattern.search(line):
                return found
        pytest.fail(f"nothing like {pattern.pattern!r} in:\n{self.text}")

    def await_port(self) -> int:
        return int(self.await_line(WELCOME)[1])

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.finish()

    def finish(self) -> int:
        """Read to the end; return the exit code."""
        self.text += self.process.communicate(timeout=120)[0]
        return self.process.returncode


def environment(var: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(var),
        "JOBSITE_VAR": str(var),
        "JOBSITE_DRAIN_SECONDS": "2",
    }


@contextlib.contextmanager
def started(var: Path, *options: str) -> Iterator[Started]:
    run = Started(var, *options)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.stop()


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def living(pids: set[int]) -> set[int]:
    """Those that run; one that has ended and that nobody has asked after (a container's init may not) does not."""
    return {pid for pid in pids if state_of(pid) not in ("", "Z", "X")}


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_it_starts_twice_in_one_folder_and_stops_cleanly(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0") as first:
        port = first.await_port()
        assert get(port, "/healthz") == (200, "ok\n")
        status, page = get(port, "/admin/login/")
        assert status == 200
        style = re.search(r'href="(/static/css/jobsite\.[0-9a-f]{12}\.css)"', page)
        assert style, "the pages name the collected style sheets"
        assert get(port, style[1])[0] == 200
        password = re.search(r"admin with the password (\S{20}) ", first.text)
        assert password
        children = children_of(first.process.pid)
        assert len(children) == 2
        assert first.stop(signal.SIGINT) == 0
    assert not living(children)
    written = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "static" not in path.parts
    )
    assert password[1].encode() not in written, "the password is printed, and kept nowhere"

    with started(tmp_path, "--port", "0") as second:
        second.await_port()
        assert second.stop() == 0
    assert "up to date" in second.text
    assert "exists (a new password: manage.py changepassword admin)" in second.text


def test_a_second_start_on_the_same_port_is_told_so(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0") as first:
        port = first.await_port()
        second = Started(tmp_path, "--port", str(port))
        assert second.finish() == 1
        assert f"Jobsite is running on 127.0.0.1:{port} already" in second.text


def test_a_port_in_use_by_another_program_stops_it_before_anything_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = Started(tmp_path, "--port", str(port))
        assert run.finish() == 1
        assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in run.text
    assert not (tmp_path / "jobsite.sqlite3").exists()


def test_without_web_and_scheduler_it_only_prepares(tmp_path: Path) -> None:
    run = Started(tmp_path, "--no-web", "--no-scheduler")
    assert run.finish() == 0
    assert "migrations applied" in run.text
    assert "ready" not in run.text


def test_a_web_process_that_is_killed_comes_back_on_the_same_port(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0", "--no-scheduler") as run:
        port = run.await_port()
        (web,) = children_of(run.process.pid)
        os.killpg(web, signal.SIGKILL)
        run.await_line(re.compile(r"web was ended by SIGKILL; it is started again in 1 s\. Log: .*web\.log"))
        # The socket stays open meanwhile: this request waits instead of being turned away.
        assert get(port, "/healthz") == (200, "ok\n")
        assert run.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
def test_when_it_is_killed_its_programs_end_too(tmp_path: Path) -> None:
    with started(tmp_path, "--port", "0") as run:
        run.await_port()
        children = children_of(run.process.pid)
        assert run.stop(signal.SIGKILL) == -signal.SIGKILL
        deadline = time.monotonic() + 30
        while living(children) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not living(children)


@pytest.mark.parametrize("port", ["-1", "65536", "http", "８０８０"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    run = Started(tmp_path, f"--port={port}")
    assert run.finish() == 2
    assert "is not a port: 0 to 65535" in run.text
