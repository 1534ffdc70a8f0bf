"""Clocks that tests set: the database's and this machine's are as far off as a file says."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.apps import AppConfig

#: Names the file: two numbers, by how many seconds the database's clock and this machine's are ahead.
FILE = "JOBSITE_TEST_CLOCKS"


class OdditiesConfig(AppConfig):
    name = "tests.promises.oddities"
    label = "oddities"

    def ready(self) -> None:
        from scheduling import clock, sql
        from scheduling.engine.keepers import guards

        if FILE in os.environ:
            clock.install(clock.DatabaseClock(lambda: sql.now() + ahead(0)))
            guards.host_now = lambda: datetime.now(UTC) + ahead(1)
        guards.Guards.every_seconds = 0.5


def ahead(which: int) -> timedelta:
    return timedelta(seconds=float(Path(os.environ[FILE]).read_text().split()[which]))
