"""What the benchmarks share: a database to wipe, the two contestants, and how their rows are read."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEATS = 64


def set_up(*, wipes: bool = True) -> None:
    """Django on the database to wipe, migrated. Refuses a database that may be somebody's.

    Without ``wipes`` the database is read as it is.
    """
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
    os.environ.setdefault("JOBSITE_LOG_LEVEL", "WARNING")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    from scheduling.models import Task

    if wipes and "bench" not in str(connection.settings_dict["NAME"]) and Task.objects.exists():
        sys.exit("This database has tasks. Name one to wipe whose name contains 'bench'.")


class Contestant(ABC):
    """A scheduler to be measured. Every run appends ``<id>`` to a file and leaves a committed row."""

    name: str
    arguments: tuple[str, ...]

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.lines = scratch / "lines"
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def fill(self, number: int, due: datetime, *, write_lines: bool) -> None:
        """Empties the tables and makes that many tasks, all due at one instant."""

    @abstractmethod
    def finished(self) -> int:
        """How many runs have a committed row that says they succeeded."""

    @abstractmethod
    def moments(self) -> tuple[list[datetime], datetime]:
        """When each run began, and when the last row was committed (as the rows say)."""

    @abstractmethod
    def outcome(self, number: int) -> dict[str, int]:
        """After a crash: how many were lost (never ran, or not told), repeated, or are stuck as running."""

    def start(self) -> None:
        environment = os.environ | {
            "JOBSITE_SCRATCH": str(self.scratch),
            "JOBSITE_VAR": str(self.scratch / "var"),
        }
        self.process = subprocess.Popen(
            [sys.executable, *self.arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
            stderr=(self.scratch / f"{self.name}.log").open("ab"),
        )  # fmt: skip

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(60)

    def await_finished(self, number: int, seconds: float) -> bool:
        """Waits until that many have finished; whether they have."""
        end = time.monotonic() + seconds
        while self.finished() < number:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def lines_written(self) -> list[str]:
        return self.lines.read_text().split() if self.lines.exists() else []


class Jobsite(Contestant):
    name = "jobsite"
    arguments = ("manage.py", "runapscheduler", "--threads", str(SEATS))

    def fill(self, number: int, due: datetime, *, write_lines: bool) -> None:
        from django.core.management import call_command

        from scheduling import clock
        from scheduling.models import Task
        from scheduling.services import liverows

        call_command("flush", interactive=False, verbosity=0)
        self.lines.unlink(missing_ok=True)
        now = clock.refresh()
        function = "append_line" if write_lines else "noop"
        parameters = {"path": str(self.lines), "text": "{execution_id}"} if write_lines else {}
        tasks = [
            Task(
                key=f"bench-{index}", name=f"bench-{index}", function=function, parameters=parameters, trigger="date",
                trigger_params={"run_date": due.isoformat()}, time_zone="UTC", anchor_at=now, created_at=now,
                updated_at=now,
            )
            for index in range(number)
        ]  # fmt: skip
        tasks[0].full_clean()
        Task.objects.bulk_create(tasks, batch_size=500)
        liverows.create_many((pk, due) for pk in Task.objects.values_list("pk", flat=True))

    def finished(self) -> int:
        from scheduling.models import Execution

        return Execution.objects.filter(state="succeeded").count()

    def moments(self) -> tuple[list[datetime], datetime]:
        from scheduling.models import Execution

        rows = list(Execution.objects.values_list("started_at", "finished_at"))
        return sorted(start for start, _ in rows), max(end for _, end in rows)

    def outcome(self, number: int) -> dict[str, int]:
        from scheduling.models import Execution

        lines = self.lines_written()
        told = Execution.objects.filter(state="lost").count()
        rows = Execution.objects.count()
        return {
            "lost": number - rows,
            "repeated": len(lines) - len(set(lines)),
            "stuck": Execution.objects.filter(state__in=("running", "queued", "waiting")).count(),
            "told as lost": told,
        }


class DjangoAPScheduler(Contestant):
    name = "django-apscheduler"
    arguments = (str(Path(__file__).with_name("rival.py")),)

    def fill(self, number: int, due: datetime, *, write_lines: bool) -> None:
        from apscheduler.schedulers.background import BackgroundScheduler
        from django.core.management import call_command
        from django_apscheduler.models import DjangoJob

        from benchmarks import rival

        call_command("flush", interactive=False, verbosity=0)
        self.lines.unlink(missing_ok=True)
        # Pickled by APScheduler itself, written in bulk: making them is not what is measured.
        scheduler = BackgroundScheduler(timezone="UTC")
        rows = []
        for index in range(number):
            arguments = (str(self.lines), str(index)) if write_lines else ()
            job = rival.job(scheduler, due, arguments, f"bench-{index}")
            rows.append(DjangoJob(id=job.id, next_run_time=job.next_run_time, job_state=rival.state(job)))
        DjangoJob.objects.bulk_create(rows, batch_size=500)

    def finished(self) -> int:
        from django_apscheduler.models import DjangoJobExecution

        return DjangoJobExecution.objects.filter(status=DjangoJobExecution.SUCCESS).count()

    def moments(self) -> tuple[list[datetime], datetime]:
        from django_apscheduler.models import DjangoJobExecution

        ends = [float(end) for end in DjangoJobExecution.objects.values_list("finished", flat=True) if end]
        starts = sorted(datetime.fromtimestamp(end, UTC) for end in ends)
        return starts, starts[-1]

    def outcome(self, number: int) -> dict[str, int]:
        from django_apscheduler.models import DjangoJobExecution

        lines = self.lines_written()
        done = DjangoJobExecution.objects.filter(status=DjangoJobExecution.SUCCESS).count()
        return {
            "lost": number - done,
            "repeated": len(lines) - len(set(lines)),
            "stuck": DjangoJobExecution.objects.exclude(status=DjangoJobExecution.SUCCESS).count(),
            "told as lost": 0,
        }


def due_in(seconds: float) -> datetime:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")
