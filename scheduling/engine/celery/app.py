"""The Celery application: one task, whose message is an execution's id and nothing else.

A message is only a call to look. Whoever gets it claims the row, or finds it claimed: so a message that comes twice
or never changes nothing. What counts is in the database, as ever.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from django.conf import settings

from scheduling.engine.celery import worker

TASK = "jobsite.run"


def make_app() -> Celery:
    """Raises nothing: the broker is spoken to when it is first needed."""
    app = Celery("jobsite", broker=settings.JOBSITE_CELERY_BROKER, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,  # results are rows
        task_acks_late=False,  # a run that died with its worker is lost, or run again, by its row's rules
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 3},
        task_publish_retry=False,  # the row is handed over again
        task_default_queue="default",
        enable_utc=True,
    )

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def run(execution_id: int) -> None:
        worker.work(int(execution_id))

    worker.connect_signals()
    return app


def hand_over(app: Celery, rows: list[tuple[int, str, int | None]]) -> None:
    """Sends ids, given as (execution, queue, timeout in seconds). Raises kombu's OperationalError."""
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=5)
        with app.amqp.Producer(connection) as producer:
            for execution_id, queue, timeout in rows:
                options: dict[str, Any] = {}
                if timeout:  # beyond what the worker itself ends: the net below it
                    options["time_limit"] = timeout + int(worker.grace_seconds()) + 10
                app.send_task(TASK, args=[execution_id], queue=queue, producer=producer, **options)
