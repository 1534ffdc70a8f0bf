"""django-q2: a cluster of two workers on Redis, every result kept in the database. Its schedules know no seconds."""

from __future__ import annotations

import time
from datetime import datetime

import shared

shared.configure_django(
    "django_q",
    Q_CLUSTER={
        "name": "jobsite-bench",
        "workers": 2,
        "redis": shared.BROKER,
        "save_limit": 0,
        "timeout": 60,
        "retry": 90,
    },
)

from django.core.management import call_command
from django_q.brokers import get_broker
from django_q.models import Schedule


def noop(path: str = "", text: str = "") -> float:
    if path:
        shared.append(path, text)
    return time.time()


def fill(number: int, due: datetime, lines: str) -> None:
    shared.empty_tables()
    get_broker().purge_queue()
    Schedule.objects.bulk_create(
        [
            Schedule(
                name=f"bench-{each}", func="django_q2_program.noop", schedule_type=Schedule.ONCE, next_run=due,
                args=f"({lines!r}, '{each}')" if lines else None,
            )
            for each in range(number)
        ],
        batch_size=500,
    )  # fmt: skip


def edit(due: datetime) -> None:
    Schedule.objects.filter(name="bench-0").update(next_run=due)


def run(_words: list[str]) -> None:
    call_command("qcluster")


if __name__ == "__main__":
    shared.main(fill=fill, edit=edit, run=run)
