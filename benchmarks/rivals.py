"""Jobsite and its rivals at the same works, side by side in one run; prints medians and ratios, writes a table.

    python benchmarks/rivals.py --database postgres://root@127.0.0.1/jobsite_bench --rounds 3 --out var/rivals.md

The database is wiped, so its name must contain 'bench'. Each rival is installed once, pinned, into an environment of
its own below var/rivals/; celery and django-q2 need Redis (BENCH_BROKER, redis://127.0.0.1:6379/10 by default), and
what stands in their queues there is thrown away.

All works, three rounds: about three hours on PostgreSQL, two elsewhere, most of it waiting for those that are slow;
``--works burst`` alone: about 40 minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import contest
import works
from contest import Contestant, median
from works import Figures

#: Work → what it is called in the table, the figure that ratios are of, and whether more of that is better.
WORKS = {
    "burst": ("W1", "runs/s", True),
    "steady": ("W2", "held", True),
    "idle": ("W3", "cpu %", False),
    "edit": ("W4", "p50 s", False),
    "crash": ("W5", "lost", False),
}


def main() -> None:
    options = arguments()
    os.environ["DATABASE_URL"] = options.database
    contest.set_up()
    from django.db import connection

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        entrants = entered(Path(folder), options.only, connection.vendor)
        table = [
            line
            for title, key, call in works_of(options)
            for line in one_work(title, key, call, entrants, options.rounds)
        ]
    minutes = (time.monotonic() - began) / 60
    head = f"{connection.vendor}, medians of {options.rounds} rounds in turn, {minutes:.0f} minutes"
    text = "\n".join([head, "", *table]) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--database", default=os.environ.get("DATABASE_URL"), required="DATABASE_URL" not in os.environ
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--tasks", nargs="+", type=int, default=[1_000, 5_000], help="of W1")
    parser.add_argument("--steady-seconds", type=float, default=20)
    parser.add_argument("--steady-rates", nargs="+", type=int, default=list(works.LADDER))
    parser.add_argument("--idle-tasks", nargs="+", type=int, default=[10_000])
    parser.add_argument("--only", nargs="+", help="contestants, by their names or by parts of names")
    return parser.parse_args()


def entered(scratch: Path, only: list[str] | None, vendor: str) -> list[Contestant]:
    """Who takes part, ready to start."""
    kinds = [contest.Jobsite, *contest.RIVALS]
    names = {kind.name.lower() for kind in kinds}
    if only:
        kinds = [
            kind
            for kind in kinds
            if any(
                word == kind.name.lower() or (word not in names and word in kind.name.lower())
                for word in only
            )
        ]
    if not kinds:
        sys.exit(f"nobody is called {only}")
    made = [kind(scratch) for kind in kinds if vendor in getattr(kind, "databases", (vendor,))]
    for entrant in made:
        entrant.install()
    return made


def works_of(options: argparse.Namespace) -> list[tuple[str, str, Callable[[Contestant], Figures]]]:
    chosen: list[tuple[str, str, Callable[[Contestant], Figures]]] = []
    for number in options.tasks if "burst" in options.works else ():
        chosen.append((f"{number:,} tasks", "burst", lambda each, number=number: works.burst(each, number)))
    if "steady" in options.works:
        rates = tuple(options.steady_rates)
        title = f"for {options.steady_seconds:.0f} s"
        chosen.append((title, "steady", lambda each: works.most_held(each, options.steady_seconds, rates)))
    for number in options.idle_tasks if "idle" in options.works else ():
        chosen.append((f"{number:,} tasks", "idle", lambda each, number=number: works.idle(each, number)))
    if "edit" in options.works:
        chosen.append(("five edits", "edit", works.edit))
    if "crash" in options.works:
        chosen.append(("1,000 tasks", "crash", lambda each: works.crash(each, 1_000)))
    return chosen


def one_work(
    title: str, key: str, call: Callable[[Contestant], Figures], entrants: list[Contestant], rounds: int
) -> list[str]:
    """All contestants in turn, so often; lines of a table in Markdown."""
    name, measure, more = WORKS[key]
    entrants = [entrant for entrant in entrants if key in (entrant.takes_part_in or WORKS)]
    able = [entrant for entrant in entrants if key not in entrant.cannot]
    found: dict[str, list[Figures]] = {entrant.name: [] for entrant in able}
    for number in range(rounds):
        for entrant in able:
            figures = call(entrant)
            found[entrant.name].append(figures)
            said = ", ".join(f"{figure} {value:,.3g}" for figure, value in figures.items())
            print(f"{name} {title}, round {number + 1}, {entrant.name}: {said}", flush=True)
    columns = list(dict.fromkeys(figure for each in found.values() for figures in each for figure in figures))
    medians = {
        entrant: {figure: median([each[figure] for each in results if figure in each]) for figure in columns}
        for entrant, results in found.items()
    }
    lines = [
        f"**{name}, {title}**",
        "",
        f"| | {' | '.join(columns)} | ratio |",
        f"|---|{'--:|' * (len(columns) + 1)}",
    ]
    base = next(iter(medians.values()))[measure]
    for entrant, figures in medians.items():
        values = " | ".join(f"{value:,.3g}" for value in figures.values())
        lines.append(f"| {entrant} | {values} | {ratio(base, figures[measure], more)} |")
    lines += [f"| {entrant.name} | {entrant.cannot[key]} |" for entrant in entrants if key in entrant.cannot]
    return [*lines, ""]


def ratio(base: float, theirs: float, more: bool) -> str:
    """How many times better the first contestant is; empty where there is nothing to divide by."""
    ours, theirs = (base, theirs) if more else (theirs, base)
    return f"{ours / theirs:.1f}" if theirs and ours else ""


if __name__ == "__main__":
    main()
