"""Task functions that misbehave, for processes of their own: found there by the name of ``run``."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Any

from scheduling.context import RunCancelled, current_run
from scheduling.engine import run as engine
from scheduling.executors import Outcome, RunOrder
from scheduling.executors.processes import child
from scheduling.registry import task
from scheduling.runlog import RunLog


def run(order: RunOrder, log: RunLog | None = None) -> Outcome:
    return engine.run(order, log)


@task("Who am I")
def who_am_i() -> dict[str, Any]:
    from django.apps import apps

    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "session": os.getsid(0),
        "preloaded_in": child.preloaded_in,
        "ready": apps.ready,
        "key": current_run().idempotency_key,
        "upstream": dict(current_run().upstream),
    }


@task("Speak")
def speak() -> str:
    print("on stdout")
    print("on stderr", file=sys.stderr)
    os.system("echo from a program")
    current_run().log("by log", "ERROR")
    current_run().progress(3, 7, "three")
    return "said"


@task("Raise")
def raise_error() -> None:
    raise ValueError("no \ud800 luck")


@task("Crash")
def crash() -> None:
    current_run().log("about to crash")
    ctypes.string_at(0)


@task("Leave")
def leave(code: int = 3) -> None:
    os._exit(code)


@task("Hog")
def hog() -> None:
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1024)) * (16 * 1024))
        time.sleep(0.02)


@task("Burn")
def burn() -> None:
    while True:
        pass


@task("Fork bomb")
def fork_bomb() -> None:
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.1)


@task("Flood")
def flood(megabytes: int) -> None:
    line = "x" * 1023 + "\n"
    for _ in range(megabytes):
        sys.stdout.write(line * 1024)


@task("Ignore everything")
def ignore(path: str) -> None:
    """Ignores SIGTERM and RunCancelled, and so do a child, a grandchild in a session of its own and a daemon."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stubborn = "import signal,time;signal.signal(signal.SIGTERM,signal.SIG_IGN);time.sleep(600)"
    pids = [os.getpid()]
    pids.append(subprocess.Popen([sys.executable, "-S", "-c", stubborn]).pid)
    pids.append(subprocess.Popen([sys.executable, "-S", "-c", stubborn], start_new_session=True).pid)
    daemon = f"import os;os.fork() and os._exit(0);os.setsid();print(os.getpid(),flush=True);{stubborn}"
    made = subprocess.Popen([sys.executable, "-S", "-c", daemon], stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    pids.append(int(made.stdout.readline()))
    with open(path, "w") as file:
        file.write(" ".join(map(str, pids)))
    while True:
        try:
            current_run().sleep(600)
        except RunCancelled:
            time.sleep(0.1)


@task("Leave a daemon behind")
def leave_daemon() -> int:
    """A daemon that holds stdout outlives the function."""
    daemon = (
        "import os,time;os.fork() and os._exit(0);os.setsid();print(os.getpid(),flush=True);time.sleep(600)"
    )
    made = subprocess.run(
        ["sh", "-c", f"{sys.executable} -S -c '{daemon}' | head -1"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(made.stdout)


@task("Clean up")
def clean_up() -> None:
    try:
        time.sleep(600)  # no check of its own: the signal wakes it
    finally:
        current_run().log_buffer.append(current_run().scheduled_for, "INFO", "cleaned up")


@task("Talk nonsense")
def talk_nonsense() -> None:
    for descriptor in range(3, 30):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\xff" * 64)
    time.sleep(600)


USE = """
import time
held = b"x" * ({megabytes} << 20)
while time.process_time() < {cpu_seconds}:
    pass
time.sleep(0.5)
"""


@task("Use memory and processor time")
def use(megabytes: int, cpu_seconds: float) -> None:
    exec(USE.format(megabytes=megabytes, cpu_seconds=cpu_seconds + time.process_time()), {})


@task("Use them in a grandchild")
def use_in_a_grandchild(megabytes: int, cpu_seconds: float) -> None:
    program = USE.format(megabytes=megabytes, cpu_seconds=cpu_seconds)
    subprocess.run(["sh", "-c", '"$0" -S -c "$1"; true', sys.executable, program], check=True)
