"""procrastinate 3 on PostgreSQL: jobs deferred to an instant, a worker with 64 places, finished jobs kept.

BENCH_POLL: seconds between two looks for jobs that have come due (its own default: 5).
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import datetime

import procrastinate
import psycopg
import shared

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=shared.DATABASE))


@app.task(name="noop")
async def noop(path: str = "", text: str = "") -> float:
    if path:
        shared.append(path, text)
    return time.time()


for number in range(int(os.environ.get("BENCH_STEADY", "0"))):

    @app.periodic(cron="* * * * * *", periodic_id=str(number))
    @app.task(name=f"second-{number}", pass_context=False)
    async def second(timestamp: int) -> None:
        """Due each second."""


def empty() -> None:
    with psycopg.connect(shared.DATABASE, autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone() == (None,):
            with app.open():
                app.schema_manager.apply_schema()
        tables = "procrastinate_jobs, procrastinate_events, procrastinate_periodic_defers"
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")


def fill(number: int, due: datetime, lines: str) -> None:
    empty()

    async def defer() -> None:
        async with app.open_async():
            deferrer = noop.configure(schedule_at=due)
            for start in range(0, number, 500):
                arguments = [
                    {"path": lines, "text": str(each)} if lines else {}
                    for each in range(start, min(start + 500, number))
                ]
                await deferrer.batch_defer_async(*arguments)

    asyncio.run(defer())


def steady(_number: int) -> None:
    """Its periodic tasks stand in the program: BENCH_STEADY says how many."""
    empty()


def edit(_due: datetime) -> None:
    """A job's time cannot be changed: a new job, due at once, takes its place."""

    async def defer() -> None:
        async with app.open_async():
            await noop.defer_async()

    asyncio.run(defer())


def run(_words: list[str]) -> None:
    async def work() -> None:
        async with app.open_async():
            await app.run_worker_async(
                concurrency=64,
                fetch_job_polling_interval=float(os.environ.get("BENCH_POLL", "5")),
                listen_notify=True,
            )

    asyncio.run(work())


if __name__ == "__main__":
    shared.main(fill=fill, steady=steady, edit=edit, run=run)
