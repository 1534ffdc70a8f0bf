"""What a forecast costs with many tasks: the first question, the next one, and the tasks of a minute.

    DATABASE_URL=sqlite:////tmp/forecast.sqlite3 python benchmarks/forecast.py [--tasks 10000]

Empties the tasks of its database, so it takes none whose name does not end in "forecast" or "forecast.sqlite3".
Seconds are those of the processor: another program beside it does not count.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
django.setup()

from django.core.management import call_command
from django.db import connection
from django.test import Client

from scheduling import clock
from scheduling.models import Task
from scheduling.services import forecast, tasks
from scheduling.services.plans import plans

RHYTHMS = ("{m} {h} * * *", "{m} * * * *", "{m}-59/15 * * * *", "{m} {h} * * MON", "*/10 * * * *")


def measured(what: str, work: Callable[[], Any]) -> Any:
    begun = time.process_time()
    found = work()
    print(f"{what:<44}{time.process_time() - begun:>8.3f} s")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=10_000)
    number = parser.parse_args().tasks
    if not str(connection.settings_dict["NAME"]).removesuffix(".sqlite3").endswith("forecast"):
        parser.error(
            "DATABASE_URL: a database whose name ends in “forecast” is needed; its tasks are removed"
        )
    call_command("migrate", verbosity=0)
    Task.objects.all().delete()
    now = clock.refresh()
    rows = []
    for each in range(number):
        text = RHYTHMS[each % 5].format(m=each % 60, h=each // 60 % 24)
        row = Task(
            key=f"task-{each}", name=f"Task {each}", function="noop", time_zone="Europe/Berlin",
            queue=f"queue-{each % 7}", trigger="cron", trigger_params={"expression": text},
        )  # fmt: skip
        tasks.prepare_new(row, now)
        rows.append(row)
    Task.objects.bulk_create(rows, batch_size=1_000)
    print(f"{number:,} tasks, {connection.vendor}")
    for hours in forecast.HOURS:
        forecast.forget()
        plans.forget()
        found = measured(f"{hours} h, cold", lambda hours=hours: forecast.of_hours(hours))
        measured(f"{hours} h, warm", lambda hours=hours: forecast.of_hours(hours))
        first = found.number(found.begin + timedelta(hours=5))
        measured(
            f"{hours} h, the tasks of an hour",
            lambda found=found, first=first: found.within(first, first + 60),
        )
    from django.contrib.auth import get_user_model

    users = get_user_model()._default_manager
    person = users.filter(username="forecast").first() or users.create_superuser("forecast")
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(person)
    for hours in forecast.HOURS:
        address = f"/scheduler/forecast/?hours={hours}"
        client.get(address)
        answer = measured(f"the page of {hours} h, warm", lambda address=address: client.get(address))
        assert answer.status_code == 200


if __name__ == "__main__":
    main()
