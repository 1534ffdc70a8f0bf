"""W5: kill -9 in a burst after 400 runs, then restart. What is lost, what ran twice, what is stuck for ever."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import contest

KILL_AFTER = 400


def measure(contestant: contest.Contestant, number: int) -> dict[str, int]:
    """One round; 40 s after the restart whatever has not ended counts as stuck."""
    due = contest.due_in(5)
    contestant.fill(number, due, write_lines=True)
    contestant.start()
    await_(lambda: len(contestant.lines_written()) >= KILL_AFTER, 60)
    contestant.kill()
    contestant.start()
    await_(lambda: not any(contestant.outcome(number)[kind] for kind in ("lost", "stuck")), 40)
    contestant.stop()
    return contestant.outcome(number)


def await_(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    contest.set_up()
    from django.db import connection

    print(f"W5, {options.tasks} tasks, {connection.vendor}, killed after {KILL_AFTER} runs")
    with tempfile.TemporaryDirectory() as folder:
        for entrant in (contest.Jobsite(Path(folder)), contest.DjangoAPScheduler(Path(folder))):
            for number in range(options.rounds):
                found = measure(entrant, options.tasks)
                print(
                    f"  {entrant.name:<20} round {number + 1}: "
                    + ", ".join(f"{k} {v}" for k, v in found.items())
                )


if __name__ == "__main__":
    main()
