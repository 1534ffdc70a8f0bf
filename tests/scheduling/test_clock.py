"""P7, pains 14 and 28: the process's time is the database's, and never ahead of it."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from scheduling.clock import DatabaseClock


def test_a_slow_answer_makes_no_clock_run_ahead() -> None:
    """Of two nodes, one that reads the time under the other's lock, a moment later, must not find an earlier one."""
    given: list[datetime] = []

    def read() -> datetime:
        given.append(datetime.now(UTC))
        time.sleep(0.2)  # the answer's way
        return given[-1]

    ahead = (DatabaseClock(read).refresh() - given[-1]).total_seconds()
    assert 0 <= ahead < 0.05


def test_a_time_that_was_read_a_moment_ago_is_carried_on_without_asking() -> None:
    asked: list[datetime] = []

    def read() -> datetime:
        asked.append(datetime.now(UTC))
        return asked[-1]

    clock = DatabaseClock(read)
    first = clock.refresh(older_than=3600)
    time.sleep(0.01)
    assert clock.refresh(older_than=3600) > first
    assert len(asked) == 1
    time.sleep(0.002)
    clock.refresh(older_than=0.001)
    clock.refresh()
    assert len(asked) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells how long the machine has slept")
def test_while_the_machine_sleeps_the_time_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    slept, asked, gettime = [0.0], [], time.clock_gettime

    def woken(which: int) -> float:
        return gettime(which) + (slept[0] if which == time.CLOCK_BOOTTIME else 0.0)

    def read() -> datetime:
        asked.append(datetime.now(UTC) + timedelta(seconds=slept[0]))
        return asked[-1]

    monkeypatch.setattr(time, "clock_gettime", woken)
    clock = DatabaseClock(read)
    before = clock.refresh()
    slept[0] = 3600.0
    assert clock.now() - before >= timedelta(hours=1)
    clock.refresh(older_than=1)
    assert len(asked) == 2
