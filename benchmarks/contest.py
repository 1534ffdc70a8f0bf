"""The contestants of the benchmarks: how each is filled, started, edited and killed, and how its rows are read."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
import venv
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "benchmarks" / "programs"
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
    """A scheduler to be measured. Every run leaves a committed row, and a line in a file where that is asked for."""

    name: str
    #: Each process's command line, after the interpreter.
    commands: tuple[tuple[str, ...], ...]
    interpreter = sys.executable
    #: Why it cannot do some of the works: name of the work → a sentence.
    cannot: ClassVar[dict[str, str]] = {}
    #: The works that it takes part in, where its settings make no difference to the others; empty: all.
    takes_part_in: tuple[str, ...] = ()

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.lines = scratch / "lines"
        self.environment = os.environ | {"JOBSITE_SCRATCH": str(scratch), "JOBSITE_VAR": str(scratch / "var")}
        # Whoever starts a program a second time has it compiled: without that a start is measured that nobody has.
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.processes: list[subprocess.Popen[bytes]] = []

    def install(self) -> None:  # noqa: B027  (most have nothing to install)
        """Gets what it needs, once."""

    @abstractmethod
    def fill(self, number: int, due: datetime, *, write_lines: bool = False) -> None:
        """Empties the tables and makes that many tasks, all due at one instant."""

    @abstractmethod
    def fill_steady(self, number: int) -> None:
        """Empties the tables and makes that many tasks that are due each second."""

    @abstractmethod
    def edit(self, due: datetime) -> datetime:
        """Moves one of the tasks that were filled, from another process than the scheduler's; when that stood."""

    @abstractmethod
    def finished(self) -> int:
        """How many runs have a committed row that says they succeeded."""

    @abstractmethod
    def moments(self) -> tuple[list[datetime], datetime]:
        """When each run began, and when the last row was committed (as the rows say)."""

    @abstractmethod
    def outcome(self, number: int) -> dict[str, int]:
        """After a crash: how many have no row that tells of their end, ran twice, or are stuck as running."""

    def start(self) -> None:
        log = (self.scratch / f"{self.name.replace(' ', '-')}.log").open("ab")
        self.processes = [
            subprocess.Popen(
                [self.interpreter, *command], cwd=ROOT, env=self.environment, stdout=log, stderr=log,
                start_new_session=True,
            )
            for command in self.commands
        ]  # fmt: skip

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        self.kill()  # and what they have left behind

    def kill(self) -> None:
        """All of its processes, at once, as a failing machine does."""
        for process in self.processes:
            self._kill(process)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)

    def usage(self) -> tuple[float, float]:
        """Seconds of processor time that its processes have used, and MiB of memory that they hold."""
        seconds = mebibytes = 0.0
        sessions = {process.pid for process in self.processes}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) in sessions:
                    seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                    mebibytes += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1_048_576
        return seconds, mebibytes

    def await_finished(self, number: int, seconds: float) -> bool:
        """Waits until that many have finished; whether they have."""
        return await_(lambda: self.finished() >= number, seconds)

    def lines_written(self) -> list[str]:
        return self.lines.read_text().split() if self.lines.exists() else []


class Jobsite(Contestant):
    name = "jobsite"
    commands = (("manage.py", "runapscheduler", "--threads", str(SEATS)),)

    def fill(self, number: int, due: datetime, *, write_lines: bool = False) -> None:
        once = {"trigger": "date", "trigger_params": {"run_date": due.isoformat()}}
        parameters = {"path": str(self.lines), "text": "{execution_id}"} if write_lines else {}
        self._store(
            number, due, function="append_line" if write_lines else "noop", parameters=parameters, **once
        )

    def fill_steady(self, number: int) -> None:
        self._store(number, due_in(5), function="noop", trigger="interval", trigger_params={"seconds": 1})

    def _store(self, number: int, due: datetime, **values: Any) -> None:
        """In bulk: making them is not what is measured."""
        from django.core.management import call_command

        from scheduling import clock
        from scheduling.models import Task
        from scheduling.services import liverows

        call_command("flush", interactive=False, verbosity=0)
        self.lines.unlink(missing_ok=True)
        now = clock.refresh()
        common = {"time_zone": "UTC", "anchor_at": due, "created_at": now, "updated_at": now} | values
        tasks = [Task(key=f"bench-{index}", name=f"bench-{index}", **common) for index in range(number)]
        tasks[0].full_clean()
        Task.objects.bulk_create(tasks, batch_size=500)
        liverows.create_many((pk, due) for pk in Task.objects.values_list("pk", flat=True))

    def edit(self, due: datetime) -> datetime:
        from scheduling.models import Task
        from scheduling.services import tasks
        from scheduling.services.actor import Actor

        task = Task.objects.order_by("id")[0]
        task.trigger, task.trigger_params = "date", {"run_date": due.isoformat()}
        tasks.edit(task, actor=Actor(source="command", reason="a benchmark"))
        return datetime.now(UTC)

    def finished(self) -> int:
        from scheduling.models import Execution

        return Execution.objects.filter(state="succeeded").count()

    def moments(self) -> tuple[list[datetime], datetime]:
        from scheduling.models import Execution

        done = Execution.objects.filter(state="succeeded")
        rows = list(done.values_list("started_at", "finished_at"))
        return sorted(start for start, _ in rows), max(end for _, end in rows)

    def outcome(self, number: int) -> dict[str, int]:
        from scheduling.models import Execution

        lines = self.lines_written()
        return {
            "lost": number - Execution.objects.count(),
            "repeated": len(lines) - len(set(lines)),
            "stuck": Execution.objects.filter(state__in=("running", "queued", "waiting")).count(),
            "told as lost": Execution.objects.filter(state="lost").count(),
        }


class DjangoAPScheduler(Contestant):
    name = "django-apscheduler"
    commands = ((str(Path(__file__).with_name("rival.py")),),)

    def fill(self, number: int, due: datetime, *, write_lines: bool = False) -> None:
        # Due again in a year: the history of a job that ends is deleted with it.
        self._store(number, due, timedelta(days=365), write_lines)

    def fill_steady(self, number: int) -> None:
        self._store(number, due_in(5), timedelta(seconds=1), write_lines=False)

    def _store(self, number: int, due: datetime, every: timedelta, write_lines: bool) -> None:
        """Pickled by APScheduler itself, written in bulk: making them is not what is measured."""
        from apscheduler.schedulers.background import BackgroundScheduler
        from django.core.management import call_command
        from django_apscheduler.models import DjangoJob

        from benchmarks import rival

        call_command("flush", interactive=False, verbosity=0)
        self.lines.unlink(missing_ok=True)
        scheduler = BackgroundScheduler(timezone="UTC")
        rows = []
        for index in range(number):
            arguments = (str(self.lines), str(index)) if write_lines else ()
            job = rival.job(scheduler, due, every, arguments, f"bench-{index}", self.grace)
            rows.append(DjangoJob(id=job.id, next_run_time=job.next_run_time, job_state=rival.state(job)))
        DjangoJob.objects.bulk_create(rows, batch_size=500)

    #: Its misfire_grace_time in seconds; None: as late as may be.
    grace: int | None = None

    def edit(self, due: datetime) -> datetime:
        from apscheduler.schedulers.background import BackgroundScheduler
        from django_apscheduler.jobstores import DjangoJobStore

        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_jobstore(DjangoJobStore(), "default")
        scheduler.start(paused=True)
        scheduler.modify_job("bench-0", next_run_time=due)
        scheduler.shutdown(wait=False)
        return datetime.now(UTC)

    def finished(self) -> int:
        from django_apscheduler.models import DjangoJobExecution

        return DjangoJobExecution.objects.filter(status=DjangoJobExecution.SUCCESS).count()

    def moments(self) -> tuple[list[datetime], datetime]:
        from django_apscheduler.models import DjangoJobExecution

        done = DjangoJobExecution.objects.filter(status=DjangoJobExecution.SUCCESS)
        ends = [float(end) for end in done.values_list("finished", flat=True) if end]
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


class DjangoAPSchedulerDefaultGrace(DjangoAPScheduler):
    name = "django-apscheduler, its own grace of 1 s"
    takes_part_in = ("burst", "crash")
    grace = 1


class Rival(Contestant):
    """A program of ``programs/`` in an environment of its own. Its tables are read from here, as they are."""

    program: str
    #: What pip installs, pinned, is in the file of this name.
    requirements: str
    databases: tuple[str, ...] = ("postgresql", "mysql", "sqlite")
    #: Selects (began, ended) of each run that succeeded, and counts those that say that they run.
    ends: str
    stuck: str
    settings: ClassVar[dict[str, str]] = {}
    words: tuple[tuple[str, ...], ...] = (("run",),)

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.home = Path(os.environ.get("JOBSITE_VAR", ROOT / "var")) / "rivals" / self.requirements
        self.interpreter = str(self.home / "bin" / "python")
        self.path = str(PROGRAMS / f"{self.program}.py")
        self.commands = tuple((self.path, *words) for words in self.words)
        self.environment |= {
            "PYTHONPATH": str(PROGRAMS),
            "DATABASE_URL": os.environ["DATABASE_URL"],
        } | self.settings

    def install(self) -> None:
        """A virtual environment, made anew when what is asked for has changed."""
        wanted = (PROGRAMS / f"{self.requirements}.txt").read_text()
        mark = self.home / "installed.txt"
        if mark.exists() and mark.read_text() == wanted:
            return
        venv.create(self.home, clear=True, with_pip=True)
        listed = ["-r", str(PROGRAMS / f"{self.requirements}.txt")]
        subprocess.run([self.interpreter, "-m", "pip", "install", "-q", *listed], check=True)
        mark.write_text(wanted)

    def fill(self, number: int, due: datetime, *, write_lines: bool = False) -> None:
        self.lines.unlink(missing_ok=True)
        self._call("fill", str(number), due.isoformat(), str(self.lines) if write_lines else "-")

    def fill_steady(self, number: int) -> None:
        self.environment["BENCH_STEADY"] = str(number)
        self._call("steady", str(number))

    def edit(self, due: datetime) -> datetime:
        return datetime.fromtimestamp(float(self._call("edit", due.isoformat())), UTC)

    def finished(self) -> int:
        return int(self._query(f"SELECT COUNT(*) FROM ({self.ends}) AS ended")[0][0])

    def moments(self) -> tuple[list[datetime], datetime]:
        rows = [(_moment(began), _moment(ended)) for began, ended in self._query(self.ends)]
        return sorted(began for began, _ended in rows), max(ended for _began, ended in rows)

    def outcome(self, number: int) -> dict[str, int]:
        lines = self.lines_written()
        return {
            "lost": max(0, number - self.finished()),
            "repeated": len(lines) - len(set(lines)),
            "stuck": int(self._query(self.stuck)[0][0]) if self.stuck else 0,
            "told as lost": 0,
        }

    def _call(self, *words: str) -> str:
        done = subprocess.run(
            [self.interpreter, self.path, *words],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def _query(self, text: str) -> list[tuple[Any, ...]]:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())


def _moment(value: Any) -> datetime:
    """However a rival stores it: seconds, text, or a moment with or without its zone (UTC)."""
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class APScheduler(Rival):
    name = "APScheduler + SQLAlchemy store"
    program = "apscheduler_program"
    requirements = "apscheduler"
    ends = "SELECT started, finished FROM bench_history"
    stuck = ""


class APSchedulerDefaultGrace(APScheduler):
    name = "APScheduler, its own grace of 1 s"
    takes_part_in = ("burst", "crash")
    settings: ClassVar[dict[str, str]] = {"BENCH_GRACE": "1"}


class Procrastinate(Rival):
    name = "procrastinate"
    program = "procrastinate_program"
    requirements = "procrastinate"
    databases = ("postgresql",)
    ends = (
        "SELECT b.at, e.at FROM procrastinate_events b JOIN procrastinate_events e ON e.job_id = b.job_id"
        " AND e.type = 'succeeded' WHERE b.type = 'started'"
    )
    stuck = "SELECT COUNT(*) FROM procrastinate_jobs WHERE status = 'doing'"


class ProcrastinatePolling(Procrastinate):
    name = "procrastinate, polling every 0.5 s"
    takes_part_in = ("burst", "steady")
    settings: ClassVar[dict[str, str]] = {"BENCH_POLL": "0.5"}


class Celery(Rival):
    name = "celery-beat + worker + results"
    program = "celery_program"
    requirements = "celery"
    words = (("run", "worker"), ("run", "beat"))
    ends = "SELECT result, date_done FROM django_celery_results_taskresult WHERE status = 'SUCCESS'"
    stuck = "SELECT COUNT(*) FROM django_celery_results_taskresult WHERE status = 'STARTED'"


class DjangoQ2(Rival):
    name = "django-q2"
    program = "django_q2_program"
    requirements = "django_q2"
    ends = "SELECT started, stopped FROM django_q_task WHERE success"
    stuck = ""
    cannot: ClassVar[dict[str, str]] = {"steady": "its schedules know no seconds"}


RIVALS: tuple[type[Contestant], ...] = (
    DjangoAPScheduler,
    DjangoAPSchedulerDefaultGrace,
    APScheduler,
    APSchedulerDefaultGrace,
    Procrastinate,
    ProcrastinatePolling,
    Celery,
    DjangoQ2,
)


def await_(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def due_in(seconds: float) -> datetime:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")
