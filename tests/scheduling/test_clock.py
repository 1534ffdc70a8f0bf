"""P7, pains 14 and 28: the process's time is the database's, and never ahead of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

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
