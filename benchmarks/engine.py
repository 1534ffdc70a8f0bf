"""Jobsite alone: what the works that rivals share do not show. Wipes the database that DATABASE_URL names.

python benchmarks/engine.py isolation   W7: runs a second in processes; a stubborn one, from its limit to dead
python benchmarks/engine.py calm        W4: lateness of 500 one-second tasks beside 10 000, while some are edited
python benchmarks/engine.py growth      speed and processor time a run, from 1 000 to 100 000 tasks and over a
                                        growing history (5 000 000 rows take some minutes to make)
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import contest
from contest import Jobsite, await_, due_in, median

#: Ends only by SIGKILL, and so do its child and a grandchild in a session of its own; says who they are.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) < 2:
    for own in (False, True):
        subprocess.Popen([sys.executable, __file__, "child"], start_new_session=own)
with open(os.environ["PIDS"], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""


def isolation(jobsite: Jobsite, options: argparse.Namespace) -> None:
    from scheduling.models import Execution

    for _round in range(options.rounds):
        due = due_in(8)
        once = {"trigger": "date", "trigger_params": {"run_date": due.isoformat()}}
        jobsite._store(options.runs, due, function="noop", executor="process", timeout_seconds=60, **once)
        jobsite.start()
        jobsite.await_finished(options.runs, 120)
        jobsite.stop()
        starts, last = jobsite.moments()
        rows = Execution.objects.filter(state="succeeded").values_list("started_at", "finished_at")
        took = sorted((ended - began).total_seconds() for began, ended in rows)
        print(
            f"  processes: {len(starts) / (last - due).total_seconds():.0f} runs/s;"
            f" claim to result {took[len(took) // 2]:.3f} s (p50)",
            flush=True,
        )
    for _round in range(options.rounds):
        stubborn(jobsite)


def stubborn(jobsite: Jobsite) -> None:
    from scheduling.models import Execution

    limit, due = 10, due_in(8)
    pids = jobsite.scratch / "pids"
    pids.unlink(missing_ok=True)
    jobsite.environment |= {"JOBSITE_ALLOW_COMMANDS": "1"}
    jobsite._store(
        1, due, function="run_code", executor="process", timeout_seconds=limit, trigger="date",
        trigger_params={"run_date": due.isoformat()}, parameters={"code": STUBBORN, "environment": {"PIDS": str(pids)}},
    )  # fmt: skip
    jobsite.start()
    if not await_(lambda: pids.exists() and len(pids.read_text().split()) == 3, 30):
        row = Execution.objects.values_list("state", "reason", "detail").first()
        sys.exit(f"the stubborn task did not start: {row}")
    deadline = Execution.objects.get().deadline_at
    assert deadline is not None
    family = [Path(f"/proc/{pid}/stat") for pid in pids.read_text().split()]
    dead = await_(lambda: not any(_lives(stat) for stat in family), 60)
    took = (datetime.now(UTC) - deadline).total_seconds()
    await_(lambda: Execution.objects.get().state == "timed_out", 10)
    print(
        f"  stubborn: {'dead' if dead else 'ALIVE'} {took:.1f} s after its limit, row {Execution.objects.get().state}",
        flush=True,
    )
    jobsite.stop()


def _lives(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def calm(jobsite: Jobsite, options: argparse.Namespace) -> None:
    """Half of the time without edits, half with one a second, of one of the idle tasks."""
    from scheduling import clock
    from scheduling.models import Execution, Task
    from scheduling.services import liverows, tasks
    from scheduling.services.actor import Actor

    actor = Actor(source="command", reason="a benchmark")
    jobsite.fill_steady(options.busy + options.idle)
    ids = list(Task.objects.order_by("id").values_list("pk", flat=True))
    far = clock.now() + timedelta(days=300)
    Task.objects.filter(pk__in=ids[options.busy :]).update(trigger_params={"days": 365})
    liverows.move(dict.fromkeys(ids[options.busy :], far))
    jobsite.start()
    jobsite.await_finished(options.busy, 60)
    time.sleep(5)
    marks = []
    for edits in (False, True):
        began = datetime.now(UTC)
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            time.sleep(1)
            if edits:
                task = Task.objects.get(pk=random.choice(ids[options.busy :]))
                task.trigger_params = {"days": random.randint(100, 300)}
                tasks.edit(task, actor=actor)
        marks.append((began, datetime.now(UTC)))
    jobsite.stop()
    for word, (began, ended) in zip(("without edits", "with one a second"), marks, strict=True):
        rows = Execution.objects.filter(
            scheduled_for__gt=began, scheduled_for__lt=ended - timedelta(seconds=1)
        )
        late = sorted(
            (start - due).total_seconds()
            for start, due in rows.exclude(started_at=None).values_list("started_at", "scheduled_for")
        )
        skipped = rows.filter(state__in=("skipped", "missed")).count()
        print(
            f"  {word}: {len(late)} runs, late p50 {late[len(late) // 2]:.3f} s,"
            f" p99 {late[int(len(late) * 0.99)]:.3f} s,"
            f" max {late[-1]:.3f} s, skipped {skipped}",
            flush=True,
        )


def growth(jobsite: Jobsite, options: argparse.Namespace) -> None:
    from scheduling.models import Execution

    same = min(options.runs, *options.tasks)  # a burst of another size costs another price
    for number in options.tasks:
        fill_yearly(jobsite, number)
        measure_growth(jobsite, options, same, f"{same:,} of {number:,} tasks")
    if not options.history:
        return
    fill_yearly(jobsite, max(options.runs, 5_000))
    measure_growth(jobsite, options, options.runs, "no history")
    for rows in options.history:
        double_history(rows)
        newest, oldest = (
            Execution.objects.order_by(way).values_list("pk", flat=True)[0] for way in ("-id", "id")
        )
        measure_growth(jobsite, options, options.runs, f"history of about {newest - oldest + 1:,} rows")


def fill_yearly(jobsite: Jobsite, number: int) -> None:
    far = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    jobsite._store(number, far, function="noop", trigger="interval", trigger_params={"days": 365})


def measure_growth(jobsite: Jobsite, options: argparse.Namespace, runs: int, title: str) -> None:
    """The same number of tasks comes due at one instant, among however many there are."""
    from scheduling.models import Execution, Task
    from scheduling.services import liverows

    found = []
    for _round in range(options.rounds):
        ids = random.sample(list(Task.objects.values_list("pk", flat=True)), runs)
        before = Execution.objects.order_by("-id").values_list("pk", flat=True).first() or 0
        done = Execution.objects.filter(pk__gt=before, state="succeeded")
        due = due_in(10)
        liverows.move(dict.fromkeys(ids, due))
        jobsite.start()
        time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds() - 1))
        cpu, _memory = jobsite.usage()
        await_(lambda done=done, ids=ids: done.count() >= len(ids), 120)  # type: ignore[misc]
        used = jobsite.usage()[0] - cpu
        jobsite.stop()
        last = max(done.values_list("finished_at", flat=True))
        assert last is not None
        found.append((len(ids) / (last - due).total_seconds(), 1e6 * used / len(ids)))
    rate, cost = (median([figures[place] for figures in found]) for place in (0, 1))
    print(f"  {title}: {rate:,.0f} runs/s, {cost:.0f} µs of processor time a run", flush=True)


def double_history(rows: int) -> None:
    """Copies what has ended, with another slot each time, until there are about so many rows."""
    from django.db import connection

    from scheduling.models import Execution

    quote = connection.ops.quote_name
    columns = [
        field.column for field in Execution._meta.concrete_fields if field.column not in ("id", "slot")
    ]
    names = ", ".join(map(quote, columns))
    joined = "CONCAT(slot, %s)" if connection.vendor == "mysql" else "slot || %s"
    with connection.cursor() as cursor:
        while (number := Execution.objects.count()) < rows:
            cursor.execute(
                f"INSERT INTO scheduling_execution ({names}, slot) SELECT {names}, {joined} FROM scheduling_execution"
                " ORDER BY id LIMIT %s",
                [f"{number:x}.", min(number, rows - number, 500_000)],
            )
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE scheduling_execution")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("isolation")
    one.add_argument("--runs", type=int, default=500)
    one = verbs.add_parser("calm")
    one.add_argument("--busy", type=int, default=500)
    one.add_argument("--idle", type=int, default=10_000)
    one.add_argument("--seconds", type=float, default=30)
    one = verbs.add_parser("growth")
    one.add_argument("--runs", type=int, default=5_000)
    one.add_argument("--tasks", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    one.add_argument("--history", type=int, nargs="*", default=[100_000, 1_000_000, 5_000_000])
    options = parser.parse_args()
    os.environ.setdefault("JOBSITE_ALLOW_COMMANDS", "1")
    contest.set_up()
    from django.db import connection

    works: dict[str, Callable[[Jobsite, argparse.Namespace], None]] = {
        "isolation": isolation,
        "calm": calm,
        "growth": growth,
    }
    print(f"{options.verb}, {connection.vendor}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        works[options.verb](Jobsite(Path(folder)), options)


if __name__ == "__main__":
    main()
