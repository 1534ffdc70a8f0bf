"""jobsite/supervisor.py, with real processes and real signals."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobsite import supervisor
from jobsite.supervisor import Program, StartFailed, Supervisor

SLEEP = "import time; time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"


def program(
    folder: Path, code: str, *, name: str = "program", said: str = "", stop_seconds: float = 5
) -> Program:
    """A Python program that is ready once its log holds ``said``."""
    log = folder / f"{name}.log"
    return Program(
        name=name,
        command=[sys.executable, "-c", code],
        log=log,
        ready=lambda _: said in log.read_text(),
        start_seconds=10,
        stop_seconds=stop_seconds,
    )


def send(number: int, *, after: float = 0.0) -> Callable[[], None]:
    """What to do when ready: have this process signalled, as Ctrl-C or an init system would."""
    return threading.Timer(after, os.kill, (os.getpid(), number)).start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_cleanly(tmp_path: Path, number: int) -> None:
    programs = [program(tmp_path, SLEEP, name=name) for name in ("one", "two")]
    runner = Supervisor(programs, say=lambda _: None)
    assert runner.run(send(number)) == 0
    assert all(child.process and child.process.returncode == -signal.SIGTERM for child in runner.children)


def test_the_handlers_of_before_are_back_afterwards(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in supervisor.STOP_SIGNALS]
    Supervisor([program(tmp_path, SLEEP)], say=lambda _: None).run(send(signal.SIGTERM))
    assert [signal.getsignal(number) for number in supervisor.STOP_SIGNALS] == before


def test_readiness_is_awaited(tmp_path: Path) -> None:
    slow = program(tmp_path, f"import time; time.sleep(0.4); print('here', flush=True); {SLEEP}", said="here")
    began = time.monotonic()
    Supervisor([slow], say=lambda _: None).run(send(signal.SIGTERM))
    assert time.monotonic() - began >= 0.4


def test_a_program_that_ends_while_starting_stops_the_others_and_shows_its_last_words(tmp_path: Path) -> None:
    bad = program(tmp_path, "print('no such thing'); raise SystemExit(3)", name="bad", said="never")
    runner = Supervisor([program(tmp_path, SLEEP, name="good"), bad], say=lambda _: None)
    with pytest.raises(StartFailed, match=r"While starting, bad ended with exit code 3(.|\n)*no such thing"):
        runner.run(lambda: pytest.fail("it was not ready"))
    good = runner.children[0].process
    assert good
    assert good.returncode == -signal.SIGTERM


def test_a_program_that_dies_later_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    mortal = program(
        tmp_path, "import time; print('up', flush=True); time.sleep(0.3); raise SystemExit(9)", said="up"
    )
    assert Supervisor([mortal], say=said.append).run(send(signal.SIGTERM, after=2.0)) == 0
    assert mortal.log.read_text().count("up") >= 2
    assert said[0].startswith("program ended with exit code 9; it is started again in 1 s. Log: ")


def test_a_program_that_keeps_dying_ends_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_DEATHS", 2)
    said: list[str] = []
    mortal = program(tmp_path, "print('up', flush=True)", said="up")
    monkeypatch.setattr(supervisor, "is_ready", lambda child: True)
    assert Supervisor([mortal], say=said.append).run(lambda: None) == 1
    assert "2 times in a row: all is stopped" in said[-1]


def test_a_program_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    deaf = program(tmp_path, DEAF, said="deaf", stop_seconds=0.3)
    assert Supervisor([deaf], say=lambda _: None).run(send(signal.SIGTERM)) == 1


def test_a_second_signal_ends_the_waiting(tmp_path: Path) -> None:
    deaf = program(tmp_path, DEAF, said="deaf", stop_seconds=60)
    began = time.monotonic()

    def twice() -> None:
        send(signal.SIGINT)()
        send(signal.SIGINT, after=0.5)()

    assert Supervisor([deaf], say=lambda _: None).run(twice) == 1
    assert time.monotonic() - began < 30


def test_a_large_log_is_set_aside_when_its_program_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOG_LIMIT_BYTES", 10)
    log = tmp_path / "web.log"
    log.write_text("longer than ten bytes")
    with supervisor.open_log(log) as opened:
        opened.write(b"new")
    assert (log.read_text(), (tmp_path / "web.log.1").read_text()) == ("new", "longer than ten bytes")
    assert log.stat().st_mode & 0o777 == 0o600
