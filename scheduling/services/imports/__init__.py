"""Schedules from other programs: read, compared with ours over a year, and only then written."""

from __future__ import annotations

from scheduling.services.imports.candidates import Candidate, Comparison, compare, keys, write
from scheduling.services.imports.celery_beat import from_celery_beat
from scheduling.services.imports.crontab import from_crontab
from scheduling.services.imports.jobstores import from_apscheduler, from_django_apscheduler

__all__ = [
    "Candidate",
    "Comparison",
    "compare",
    "from_apscheduler",
    "from_celery_beat",
    "from_crontab",
    "from_django_apscheduler",
    "keys",
    "write",
]
