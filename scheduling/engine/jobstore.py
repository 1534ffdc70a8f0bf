"""Where APScheduler meets the live rows: it may look at them, but never loads, runs or deletes them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from apscheduler.job import Job
from apscheduler.jobstores.base import BaseJobStore, JobLookupError
from django_apscheduler.jobstores import DjangoJobStore

from scheduling import job_stores

logger = logging.getLogger(__name__)


class TaskJobStore(DjangoJobStore):
    """The store of live rows as APScheduler sees it: nothing is ever due in it, since our tick admits.

    DjangoJobStore's listeners (which match history rows by guess) are not registered.
    """

    def start(self, scheduler: object, alias: str) -> None:
        BaseJobStore.start(self, scheduler, alias)

    def lookup_job(self, job_id: str) -> Job | None:
        return None

    def get_due_jobs(self, now: datetime) -> list[Job]:
        return []

    def get_next_run_time(self) -> datetime | None:
        return None

    def get_all_jobs(self) -> list[Job]:
        return []

    def add_job(self, job: Job) -> None:
        raise TypeError(
            "Tasks are made with scheduling.services.tasks, not as APScheduler jobs. Name another store."
        )

    def update_job(self, job: Job) -> None:
        raise JobLookupError(job.id)

    def remove_job(self, job_id: str) -> None:
        raise JobLookupError(job_id)

    def remove_all_jobs(self) -> None:
        raise TypeError("Tasks are deleted with scheduling.services.tasks, one by one.")


class InTurn(BaseJobStore):
    """Before a store that other nodes see, too: of all nodes only the one whose turn it is runs what is due in it."""

    def get_due_jobs(self, now: datetime) -> list[Job]:
        due: list[Job] = super().get_due_jobs(now) if self._scheduler.in_turn else []
        return due

    def get_next_run_time(self) -> datetime | None:
        at: datetime | None = super().get_next_run_time() if self._scheduler.in_turn else None
        return at


class Sparing(BaseJobStore):
    """Before a RedisJobStore: a job that cannot be read here stays where it is. APScheduler would remove it."""

    _told: frozenset[object] = frozenset()

    def _reconstitute_jobs(self, job_states: Iterable[tuple[Any, Any]]) -> list[Job]:
        jobs = []
        for id, state in job_states:
            try:
                jobs.append(self._reconstitute_job(state))
            except Exception as error:  # noqa: BLE001  whatever a pickle raises: the other jobs run
                if id not in self._told:
                    self._told |= {id}
                    logger.warning("a job cannot be read", extra={"job": str(id), "cause": str(error)[:300]})
        return jobs


def in_turn(store: BaseJobStore) -> BaseJobStore:
    """The same store, fit to be named by several nodes."""
    kind = type(store)
    if job_stores.is_shared(store):
        before = (Sparing, InTurn) if hasattr(kind, "_reconstitute_jobs") else (InTurn,)
        store.__class__ = type(kind.__name__, (*before, kind), {})
    return store
