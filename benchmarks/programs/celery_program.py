"""celery-beat with django-celery-beat's DatabaseScheduler, a prefork worker of two processes, Redis, and results in
the database by django-celery-results. All else as they come."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime

import shared

shared.configure_django("django_celery_beat", "django_celery_results")

from celery import Celery
from django_celery_beat.models import ClockedSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

app = Celery("bench", broker=shared.BROKER)
app.conf.update(
    result_backend="django-db",
    beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler",
    timezone="UTC",
    broker_transport_options={"global_keyprefix": "jobsite-bench-"},
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(path: str = "", text: str = "") -> float:
    if path:
        shared.append(path, text)
    return time.time()


def store(made: list[PeriodicTask]) -> None:
    PeriodicTask.objects.bulk_create(made, batch_size=500)
    PeriodicTasks.update_changed()


def fill(number: int, due: datetime, lines: str) -> None:
    shared.empty_tables()
    app.control.purge()
    clocked = ClockedSchedule.objects.create(clocked_time=due)
    store(
        [
            PeriodicTask(
                name=f"bench-{each}", task="noop", clocked=clocked, one_off=True,
                args=f'["{lines}", "{each}"]' if lines else "[]",
            )
            for each in range(number)
        ]
    )  # fmt: skip


def steady(number: int) -> None:
    shared.empty_tables()
    app.control.purge()
    second = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
    store([PeriodicTask(name=f"bench-{each}", task="noop", interval=second) for each in range(number)])


def edit(due: datetime) -> None:
    task = PeriodicTask.objects.get(name="bench-0")
    task.clocked = ClockedSchedule.objects.create(clocked_time=due)
    task.save()


def run(words: list[str]) -> None:
    """``run beat`` or ``run worker``."""
    arguments = {
        "beat": ["beat", "--pidfile=", "-l", "WARNING"],
        "worker": ["worker", "-c", "2", "-l", "WARNING"],
    }[words[0]]
    os.execv(
        os.path.join(os.path.dirname(sys.executable), "celery"),
        ["celery", "-A", "celery_program", *arguments],
    )


if __name__ == "__main__":
    shared.main(fill=fill, steady=steady, edit=edit, run=run)
