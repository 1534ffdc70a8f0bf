"""Pain 45: every session of the schedulers killed once a second for a minute. What is done meanwhile, and after it.

    DATABASE_URL=postgres://postgres@127.0.0.1/jobsite_bench python benchmarks/kills.py [--seconds 60]

A hundred tasks are due each second, on two nodes. Runs a second are counted before, while and after the sessions are
killed. Exit code 1 when, 15 s after the last kill, less than 90 % of what was done before is done again, when an
occurrence is missing or has run twice, or when a node has an error that it does not handle.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import contest

NODES, TASKS = 2, 100
STEADY_SECONDS = 15
WITHIN_SECONDS, LAST_SECONDS = 15, 5
LEAST_SHARE = 0.9

SESSIONS = {
    "postgresql": (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "SELECT pg_terminate_backend(%s)",
    ),
    "mysql": (
        "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
        "KILL %s",
    ),
}


def kill_sessions() -> int:
    from django.db import Error, connection

    list_them, end_one = SESSIONS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(list_them)
        ids = [id for (id,) in cursor.fetchall()]
        for id in ids:
            with contextlib.suppress(Error):  # it has ended by itself
                cursor.execute(end_one, [id])
    return len(ids)


def make_tasks(scratch: Path) -> None:
    from scheduling.models import Task
    from scheduling.services import tasks
    from scheduling.services.actor import Actor

    for number in range(TASKS):
        task = Task(
            key=f"bench-{number}", name=f"bench-{number}", function="append_line", time_zone="UTC", trigger="cron",
            trigger_params={"expression": "* * * * * *"}, parameters={"path": str(scratch / "lines")},
        )  # fmt: skip
        tasks.create(task, actor=Actor(source="command", reason="benchmark"))


def succeeded() -> int:
    from scheduling.models import Execution

    return Execution.objects.filter(state="succeeded").count()


def rate(seconds: int) -> float:
    """Runs a second of what is due within the next so many whole seconds, a second later."""
    from scheduling import clock
    from scheduling.models import Execution

    since = clock.refresh().replace(microsecond=0) + timedelta(seconds=1)
    until = since + timedelta(seconds=seconds)
    time.sleep((until - clock.now()).total_seconds() + 1)
    due = Execution.objects.filter(state="succeeded", scheduled_for__gte=since, scheduled_for__lt=until)
    return due.count() / seconds


def twice(scratch: Path) -> int:
    lines = (scratch / "lines").read_text().splitlines()
    return len(lines) - len(set(lines))


def unaccounted() -> int:
    """Seconds of tasks that have neither a row nor lie in the range of a missed one, or that have two."""
    from scheduling.models import Execution

    seen: dict[int, dict[int, int]] = {}
    rows = Execution.objects.values_list("task_id", "scheduled_for", "covers_until")
    for task, at, until in rows.iterator():
        for second in range(int(at.timestamp()), int((until or at).timestamp()) + 1):
            covered = seen.setdefault(task, {})
            covered[second] = covered.get(second, 0) + 1
    return sum(
        (max(covered) - min(covered) + 1 - len(covered)) + sum(count - 1 for count in covered.values())
        for covered in seen.values()
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    contest.set_up()
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor not in SESSIONS:
        parser.error("SQLite has no sessions to kill")
    call_command("flush", interactive=False, verbosity=0)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        make_tasks(scratch)
        environment = os.environ | {"JOBSITE_SCRATCH": folder, "JOBSITE_VAR": f"{folder}/var"}
        logs = [scratch / f"node{number}.log" for number in range(NODES)]
        nodes = [
            subprocess.Popen(
                [sys.executable, "manage.py", "runapscheduler"], cwd=contest.ROOT, env=environment,
                stdout=subprocess.DEVNULL, stderr=log.open("wb"),
            )
            for log in logs
        ]  # fmt: skip
        try:
            while not succeeded():
                time.sleep(0.1)
            before = rate(STEADY_SECONDS)
            began, done, killed = time.monotonic(), succeeded(), 0
            for _ in range(options.seconds):
                killed += kill_sessions()
                time.sleep(1)
            during = (succeeded() - done) / (time.monotonic() - began)
            time.sleep(WITHIN_SECONDS - LAST_SECONDS)
            after = rate(LAST_SECONDS)
        finally:
            for node in nodes:
                node.send_signal(signal.SIGTERM)
            codes = [node.wait(60) for node in nodes]
        errors = sum(log.read_text().count("Traceback") for log in logs)
        repeated, lost = twice(scratch), unaccounted()
    print(
        f"{connection.vendor}: {killed} sessions killed in {options.seconds} s; runs a second: before {before:.1f},"
        f" meanwhile {during:.1f}, {WITHIN_SECONDS} s after {after:.1f} ({after / before:.0%});"
        f" run twice {repeated}, unaccounted for {lost}, errors not handled {errors}, exit codes {codes}"
    )
    return int(after < LEAST_SHARE * before or bool(repeated) or bool(lost) or bool(errors) or any(codes))


if __name__ == "__main__":
    sys.exit(main())
