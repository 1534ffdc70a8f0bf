"""Takes one safeguard away at a time, and runs the tests that should notice. Every mutant must be found.

    DATABASE_URL=postgres://postgres@127.0.0.1/jobsite_mutants python benchmarks/mutants.py [NAME …]

Works on a copy of the checkout in a temporary folder; the tests' database is named after DATABASE_URL.
Prints a table; exit code 1 when a mutant survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", "node_modules")


@dataclass(frozen=True)
class Mutant:
    """A safeguard, where it stands, what is left without it, and the tests that live on it."""

    name: str
    promise: str
    #: file → [(text, what it becomes), …]; a text that is not there makes the mutant stale, and fails.
    edits: dict[str, list[tuple[str, str]]]
    tests: tuple[str, ...]
    #: Databases on which the safeguard is written; empty: all.
    vendors: tuple[str, ...] = ()
    #: Where those tests die, of all the steps that there are (JOBSITE_TEST_STEPS).
    steps: str = ""


MODEL = "tests/promises/test_model.py"
RESULTS = "tests/scheduling/services/test_claims_and_results.py"
OPEN = "tests/promises/test_open_claims.py"
FAILPOINTS = "tests/faults/test_failpoints.py"
LOST_ROWS = "tests/scheduling/services/test_lost_live_rows.py"

MUTANTS = (
    Mutant(
        "unique constraint", "P1",
        {
            "scheduling/models/execution.py": [
                ('            models.UniqueConstraint(name="occurrence", fields=["task", "scheduled_for", "slot"]),\n', "")
            ],
            "scheduling/migrations/0001_initial.py": [
                ("fields=('task', 'scheduled_for', 'slot'), name='occurrence'", "fields=('id',), name='occurrence'")
            ],
        },
        ("tests/scheduling/services/test_admission.py", MODEL),
    ),
    Mutant(
        "attempt check", "P2",
        {"scheduling/sql/sqlite.py": [(" AND attempt = {self.value(batch, 'attempt')}", "")]},
        (RESULTS,), ("sqlite",),
    ),
    Mutant(
        "attempt check", "P2",
        {"scheduling/sql/postgresql.py": [("            f\" AND l.attempt = {self.value(batch, 'attempt')} AND l.state = 'running'\"\n",
                                              "            \" AND l.state = 'running'\"\n")]},
        (RESULTS,), ("postgresql",),
    ),
    Mutant(
        "attempt check", "P2",
        {
            "scheduling/sql/mysql.py": [
                ('if held.get(row["id"]) == row["attempt"]', 'if row["id"] in held'),
            ]
        },
        (RESULTS,), ("mysql",),
    ),
    Mutant(
        "claim's fence", "P2, P5",
        {"scheduling/services/claims.py": [("if seats < 1 or not left or not nodes.hold_active(node_id):", "if seats < 1 or not left:")]},
        (RESULTS, MODEL, OPEN),
    ),
    Mutant(
        "beat", "P5",
        {"scheduling/services/nodes.py": [('beat=F("beat") + 1, heartbeat_at', 'beat=F("beat"), heartbeat_at')]},
        ("tests/scheduling/engine/test_heart.py",),
    ),
    Mutant(
        "death's compare-and-set", "P5",
        {"scheduling/services/nodes.py": [("filter(pk=node_id, beat=seen_beat, state__in", "filter(pk=node_id, state__in")]},
        ("tests/scheduling/engine/test_heart.py",),
    ),
    Mutant(
        "counting before admitting", "max_concurrent",
        {"scheduling/services/admission.py": [("self.counted < plan.max_concurrent:\n            self.counted += 1", "True:\n            self.counted += 1")]},
        (MODEL,),
    ),
    Mutant(
        "settling before an edit", "P3",
        {
            "scheduling/services/admission.py": [
                ("if next_time is not None and next_time <= now:\n        _report(", "if False:\n        _report(")
            ]
        },
        (MODEL,),
    ),
    Mutant(
        "lost runs of a dead node", "P5",
        {"scheduling/services/nodes.py": [('release_runs(node_id, now, Reason.NODE_DIED, of_runs.NODE_DIED(node=node_id))', "0")]},
        (MODEL, RESULTS),
    ),
    Mutant(
        "missed rows", "P3",
        {"scheduling/services/admission.py": [("    if decision.missed:\n", "    if False and decision.missed:\n")]},
        (MODEL,),
    ),
    Mutant(
        "mending from what is told", "P3",
        {"scheduling/services/accounted.py": [("            if last is None:\n", "            if True:\n")]},
        (LOST_ROWS,),
    ),
    Mutant(
        "a pause in what is mended", "P3",
        {"scheduling/services/accounted.py": [('versions.order_by("-version").values("at")', 'versions.order_by("version").values("at")')]},
        (LOST_ROWS,),
    ),
    Mutant(
        "what retention has removed", "P3",
        {"scheduling/services/accounted.py": [('"changed_at", "pruned_until", "calendar', '"changed_at", "calendar')]},
        (LOST_ROWS,),
    ),
    Mutant(
        "admission in one piece", "P3",
        {
            "scheduling/services/admission.py": [
                ("    sql.insert_executions(admitted.rows)\n", "    transaction.on_commit(lambda: sql.insert_executions(admitted.rows))\n"),
                ("from django.db.models import BigIntegerField, DateTimeField, F\n", "from django.db import transaction\nfrom django.db.models import BigIntegerField, DateTimeField, F\n"),
            ]
        },
        (FAILPOINTS,), steps="admit_due:[0-9]+ COMMIT",
    ),
    Mutant(
        "ends in one piece", "P3",
        {
            "scheduling/services/results.py": [
                ("    chains.react([id for id in accepted if id not in superseded], now)\n",
                 "    ended = [id for id in accepted if id not in superseded]\n"
                 "    transaction.on_commit(lambda: in_transaction(lambda: chains.react(ended, now)))\n"),
                ("from django.db.models import Min, Q\n",
                 "from django.db import transaction\nfrom django.db.models import Min, Q\n"
                 "from scheduling.sql.transactions import in_transaction\n"),
            ]
        },
        (FAILPOINTS,), steps="(_claim|store):[0-9]+ COMMIT",
    ),
)  # fmt: skip


def main() -> None:
    from django.db import connection

    vendor = connection.vendor
    wanted = sys.argv[1:]
    survived = 0
    print(f"{vendor}: without …          found by", flush=True)
    for mutant in MUTANTS:
        if (mutant.vendors and vendor not in mutant.vendors) or (wanted and mutant.name not in wanted):
            continue
        began = time.monotonic()
        found = notice(mutant)
        survived += not found
        print(
            f"  {mutant.name:<28}{mutant.promise:<16}{found or 'NOBODY':<60}{time.monotonic() - began:5.0f} s",
            flush=True,
        )
    sys.exit(1 if survived else 0)


def notice(mutant: Mutant) -> str:
    """The first test that fails without the safeguard; empty when all pass."""
    with tempfile.TemporaryDirectory(prefix="jobsite-mutant-") as folder:
        tree = Path(shutil.copytree(ROOT, Path(folder) / "jobsite", ignore=LEFT_OUT))
        for name, edits in mutant.edits.items():
            text = (tree / name).read_text()
            for old, new in edits:
                if old not in text:
                    sys.exit(f"The mutant “{mutant.name}” is stale: {name} has no {old!r}.")
                text = text.replace(old, new)
            (tree / name).write_text(text)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "--create-db",
            "-p",
            "no:cacheprovider",
            *mutant.tests,
        ]
        environment = os.environ | ({"JOBSITE_TEST_STEPS": mutant.steps} if mutant.steps else {})
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    failed = [
        line.split()[1]
        for line in done.stdout.splitlines()
        if line.startswith(("FAILED tests", "ERROR tests"))
    ]
    if not failed:
        sys.exit(
            f"The tests could not be run without “{mutant.name}”:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return failed[0].rpartition("/")[2]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
    import django

    django.setup()
    main()
