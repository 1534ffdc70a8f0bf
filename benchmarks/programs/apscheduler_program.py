"""APScheduler 3 with its SQLAlchemy store and 64 threads; a listener writes one committed row for each run.

BENCH_GRACE: its misfire_grace_time in seconds, or "none" for any lateness.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from datetime import datetime, timedelta
from typing import Any

import shared
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Column, Float, MetaData, String, Table, create_engine

GRACE = None if os.environ.get("BENCH_GRACE", "none") == "none" else int(os.environ["BENCH_GRACE"])
HISTORY = Table(
    "bench_history",
    MetaData(),
    Column("id", String(50)),
    Column("started", Float(53)),
    Column("finished", Float(53)),
)


def noop(path: str = "", text: str = "") -> float:
    if path:
        shared.append(path, text)
    return time.time()


def scheduler() -> tuple[BackgroundScheduler, Any]:
    engine = create_engine(shared.sqlalchemy_url(), pool_size=70)
    made = BackgroundScheduler(timezone="UTC", executors={"default": ThreadPoolExecutor(64)})
    made.add_jobstore(SQLAlchemyJobStore(engine=engine), "default")
    return made, engine


def store(engine: Any, made: list[tuple[IntervalTrigger, tuple[str, ...], datetime]]) -> None:
    """Empties the tables and writes the jobs in bulk, pickled by APScheduler: making them is not measured."""
    jobs = SQLAlchemyJobStore(engine=engine).jobs_t
    for table in (jobs, HISTORY):
        table.drop(engine, checkfirst=True)
        table.create(engine)
    owner, rows = BackgroundScheduler(timezone="UTC"), []
    for number, (trigger, arguments, due) in enumerate(made):
        job = Job(
            owner, id=f"bench-{number}", name="noop", func=noop, args=arguments, kwargs={}, trigger=trigger,
            executor="default", misfire_grace_time=GRACE, coalesce=True, max_instances=1,
        )  # fmt: skip
        job._modify(next_run_time=due)
        rows.append(
            {"id": job.id, "next_run_time": due.timestamp(), "job_state": pickle.dumps(job.__getstate__(), 5)}
        )
    with engine.begin() as connection:
        for start in range(0, len(rows), 500):
            connection.execute(jobs.insert(), rows[start : start + 500])


def fill(number: int, due: datetime, lines: str) -> None:
    """Due again in a year, so that the last run's job stays."""
    yearly = IntervalTrigger(days=365, start_date=due, timezone="UTC")
    _scheduler, engine = scheduler()
    store(engine, [(yearly, (lines, str(each)) if lines else (), due) for each in range(number)])


def steady(number: int) -> None:
    due = datetime.now().astimezone() + timedelta(seconds=5)
    second = IntervalTrigger(seconds=1, start_date=due, timezone="UTC")
    _scheduler, engine = scheduler()
    store(engine, [(second, (), due)] * number)


def edit(due: datetime) -> None:
    made, _engine = scheduler()
    made.start(paused=True)
    made.modify_job("bench-0", next_run_time=due)


def run(_words: list[str]) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    made, engine = scheduler()

    def keep(event: Any) -> None:
        with engine.begin() as connection:
            connection.execute(
                HISTORY.insert().values(id=event.job_id, started=event.retval, finished=time.time())
            )

    made.add_listener(keep, EVENT_JOB_EXECUTED)
    made.start()
    stop.wait()
    os._exit(0)


if __name__ == "__main__":
    # Under its own name, so that the pickled reference to the function is found again.
    import apscheduler_program as own

    shared.main(fill=own.fill, steady=own.steady, edit=own.edit, run=own.run)
