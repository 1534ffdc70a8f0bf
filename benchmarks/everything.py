"""All figures of docs/performance.md but those of pages and instances, on three databases, for a machine that does
nothing else. One file a database and subject lands in --out; whatever fails is said at the end, and the rest goes on.

    python benchmarks/everything.py --out var/figures --postgres postgres://root@127.0.0.1/jobsite_bench \\
        --mariadb mysql://root@127.0.0.1/jobsite_bench --sqlite sqlite:////tmp/jobsite_bench.sqlite3

About ten hours; ``--quick`` (one round, the rivals at W1 only, a history of up to 1 000 000 rows): a good one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    for database in ("postgres", "mariadb", "sqlite"):
        parser.add_argument(f"--{database}")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for database in ("postgres", "mariadb", "sqlite"):
        if url := getattr(options, database):
            for subject, words in subjects(options.quick).items():
                out = options.out / f"{database}-{subject}.txt"
                if not run(words, url, out):
                    failed.append(str(out))
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def subjects(quick: bool) -> dict[str, list[str]]:
    """Name → the script and its arguments."""
    rounds = ["--rounds", "1" if quick else "3"]
    rivals = ["rivals.py", *rounds]
    # The steps in between are the rivals' to find out.
    steps = ["1000", "2000", "3000", "4000", "5000"]
    alone = [*rivals, "--only", "jobsite"]
    return {
        "burst": [*alone, "--works", "burst", "--tasks", "1000", "10000"],
        "steady": [*alone, "--works", "steady", "--steady-seconds", "60", "--steady-rates", *steps],
        "idle": [*alone, "--works", "idle", "--idle-tasks", "10000", "100000"],
        "calm": ["engine.py", *rounds, "calm"],
        "isolation": ["engine.py", *rounds, "isolation"],
        "growth": ["engine.py", *rounds, "growth", *(["--history", "1000000"] if quick else [])],
        "rivals": [*rivals, *(["--works", "burst", "--tasks", "1000"] if quick else [])],
    }


def run(words: list[str], url: str, out: Path) -> bool:
    """Whether it went well; what it says is shown and kept."""
    print(f"=== {out.stem}", flush=True)
    with out.open("w") as file, subprocess.Popen(
        [sys.executable, str(HERE / words[0]), *words[1:]], env=os.environ | {"DATABASE_URL": url}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            file.write(line)
    return process.returncode == 0


if __name__ == "__main__":
    main()
