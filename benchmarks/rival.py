"""django-apscheduler as its documentation starts it: BackgroundScheduler, DjangoJobStore, a pool of 64 threads."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def noop() -> None:
    """Nothing, as fast as possible."""


def line(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, f"{text}\n".encode())
    os.close(handle)


def job(
    scheduler: Any, due: datetime, every: timedelta, arguments: tuple[str, ...], id: str, grace: int | None
) -> Any:
    """An APScheduler job due at that instant and then regularly, that may be late by ``grace`` seconds (None: any)."""
    from apscheduler.job import Job
    from apscheduler.triggers.interval import IntervalTrigger

    import benchmarks.rival as module

    made = Job(
        scheduler, id=id, name=id, func=module.line if arguments else module.noop, args=arguments, kwargs={},
        trigger=IntervalTrigger(seconds=int(every.total_seconds()), start_date=due, timezone="UTC"), executor="default",
        misfire_grace_time=grace, coalesce=True, max_instances=1,
    )  # fmt: skip
    made._modify(next_run_time=due)
    return made


def state(made: Any) -> bytes:
    return pickle.dumps(made.__getstate__(), pickle.HIGHEST_PROTOCOL)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
    import django

    django.setup()
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler
    from django_apscheduler.jobstores import DjangoJobStore

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    scheduler = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(64)})
    scheduler.add_jobstore(DjangoJobStore(), "default")
    scheduler.start()
    stop.wait()
    os._exit(0)


if __name__ == "__main__":
    main()
