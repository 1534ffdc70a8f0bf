"""Where APScheduler meets the live rows: it may look at them, but never loads, runs or deletes them."""

from __future__ import annotations

from datetime import datetime

from apscheduler.job import Job
from apscheduler.jobstores.base import BaseJobStore, JobLookupError
from django_apscheduler.jobstores import DjangoJobStore


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
