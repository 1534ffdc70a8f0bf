"""W1: many no-op tasks due at one instant. Runs per second until the last committed row, and how late runs start."""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import contest


def measure(contestant: contest.Contestant, number: int, lead: float) -> dict[str, float]:
    """One round: the process is up and idle when the instant comes."""
    due = contest.due_in(lead + number / 2_000)
    contestant.fill(number, due, write_lines=False)
    contestant.start()
    time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
    whole = contestant.await_finished(number, 60 + number / 50)
    contestant.stop()
    starts, last = contestant.moments()
    took = (last - due).total_seconds()
    late = [(start - due).total_seconds() for start in starts]
    return {
        "runs/s": len(starts) / took,
        "late p50 s": late[len(late) // 2],
        "late p99 s": late[int(len(late) * 0.99)],
        "dropped": 0 if whole else number - len(starts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("jobsite", "django-apscheduler"))
    options = parser.parse_args()
    contest.set_up()
    from django.db import connection

    with tempfile.TemporaryDirectory() as folder:
        entrants = [contest.Jobsite(Path(folder)), contest.DjangoAPScheduler(Path(folder))]
        entrants = [entrant for entrant in entrants if options.only in (None, entrant.name)]
        rounds: dict[str, list[dict[str, float]]] = {entrant.name: [] for entrant in entrants}
        for _ in range(options.rounds):
            for entrant in entrants:
                rounds[entrant.name].append(measure(entrant, options.tasks, 4))
    print(f"W1, {options.tasks} tasks, {connection.vendor}, medians of {options.rounds}")
    medians = {}
    for name, results in rounds.items():
        medians[name] = {
            figure: contest.median([result[figure] for result in results]) for figure in results[0]
        }
        print(
            f"  {name:<20}" + "  ".join(f"{figure} {value:,.3f}" for figure, value in medians[name].items())
        )
    if len(medians) == 2:
        ours, theirs = (medians[entrant.name]["runs/s"] for entrant in entrants)
        print(f"  ratio {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
