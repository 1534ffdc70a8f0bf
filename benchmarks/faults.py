"""Everything goes wrong at once, seed after seed; or a scheduler ends at every step there is. Then the checker judges.

    python benchmarks/faults.py --seeds 10 --database postgres://postgres@127.0.0.1/jobsite_bench
    python benchmarks/faults.py --every-step [--only claim] --database …

The database (DATABASE_URL without --database, which may be given several times) is wiped: its name must contain
"bench", or it must be empty. Prints each seed with its faults and the verdict; exit code 1 on any violation.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import contest

#: Deaths before another scheduler takes over.
AT_ONCE = 6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1, help="how many (default 1)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (default 1)")
    parser.add_argument("--seconds", type=float, default=20, help="how long each storm lasts (default 20)")
    parser.add_argument("--every-step", action="store_true", help="instead: one death at each step")
    parser.add_argument("--only", default="", help="of the steps, those that match this expression")
    parser.add_argument("--database", action="append", default=[], help="a URL, as in DATABASE_URL")
    options = parser.parse_args()
    if len(options.database) > 1:
        sys.exit(max(one_after_the_other(options.database)))
    if options.database:
        os.environ["DATABASE_URL"] = options.database[0]
    os.environ.setdefault(
        "JOBSITE_LOG_LEVEL", "ERROR"
    )  # what people ask of nodes would stand between the lines
    contest.set_up()
    sys.exit(every_step(options.only) if options.every_step else storms(options))


def one_after_the_other(urls: list[str]) -> Iterator[int]:
    """A process for each: settings are read once."""
    rest = [word for word in sys.argv[1:] if word not in urls and word != "--database"]
    for url in urls:
        yield subprocess.run([sys.executable, __file__, *rest, "--database", url]).returncode


@contextmanager
def nursery(**environment: str) -> Iterator[object]:
    from tests.faults.nursery import Nursery

    with tempfile.TemporaryDirectory(prefix="jobsite-faults-") as folder:
        made = Nursery(Path(folder) / "nursery", environment)
        try:
            yield made
        finally:
            made.kill_all()


def wipe() -> None:
    """Numbers begin anew, so what this process remembers of tasks by their number is to be forgotten."""
    from django.core.management import call_command

    from scheduling.services.plans import plans

    call_command("flush", interactive=False, verbosity=0)
    plans.forget()


def storms(options: argparse.Namespace) -> int:
    """Exit code: 1 when any seed has violated a promise."""
    from django.db import connection

    from tests.faults.storm import PACE, Plan, Storm

    bad = 0
    with nursery(**PACE) as made:
        for seed in range(options.first, options.first + options.seeds):
            wipe()
            plan = Plan.draw(seed, connection.vendor, options.seconds)
            print(f"{connection.vendor}, seed {seed}: {plan}", flush=True)
            began = time.monotonic()
            storm = Storm(made, plan, options.seconds)
            verdict = storm.run()
            made.kill_all()
            bad += bool(verdict.violations)
            ends = ", ".join(f"{number}×{code}" for code, number in sorted(storm.ends.items()))
            print(f"    {verdict}; {storm.refused} changes refused; schedulers ended {ends}")
            report(verdict.violations, began)
    print(
        f"{connection.vendor}: {options.seeds - bad} of {options.seeds} seeds kept every promise", flush=True
    )
    return int(bad > 0)


def every_step(only: str) -> int:
    """Exit code: 1 when any death has violated a promise."""
    from django.db import connection

    from tests.faults.failpoints import read_steps
    from tests.faults.ward import Ward

    died = spared = bad = 0
    with nursery() as made:
        wipe()
        ward = Ward(made)
        points = sorted(point for point in read_steps(ward.record()) if re.search(only, point.step))
        print(f"{connection.vendor}: {len(points)} points", flush=True)
        for first in range(0, len(points), AT_ONCE):
            wipe()
            ward.begin_again()
            began = time.monotonic()
            for point in points[first : first + AT_ONCE]:
                print(f"  {'died' if ward.die_at(point) else 'SPARED'} {point}", flush=True)
            verdict = ward.take_over()
            made.kill_all()
            died += len(ward.deaths)
            spared += len(ward.spared)
            bad += bool(verdict.violations)
            print(f"    {verdict}")
            report(verdict.violations, began)
    print(
        f"{connection.vendor}: died at {died} points, came by {spared} no more; {bad} groups broke a promise"
    )
    return int(bad > 0)


def report(violations: list[str], began: float) -> None:
    for text in violations:
        print(f"    {text}")
    print(f"    {len(violations) or 'no'} violations ({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
