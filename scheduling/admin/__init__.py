"""The plain admin: one noun a file. Every write goes through a service."""

from __future__ import annotations

from django.contrib import admin
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scheduling.admin.calendar import CalendarAdmin
from scheduling.admin.execution import ExecutionAdmin
from scheduling.admin.group import GroupAdmin
from scheduling.admin.node import NodeAdmin
from scheduling.admin.notice import NoticeAdmin
from scheduling.admin.pool import PoolAdmin
from scheduling.admin.task import TaskAdmin
from scheduling.admin.version import TaskVersionAdmin

# Live rows are no jobs to be edited or run by hand: django-apscheduler's pages would start a scheduler in the web.
for model in (DjangoJob, DjangoJobExecution):
    admin.site.unregister(model)

__all__ = [
    "CalendarAdmin",
    "ExecutionAdmin",
    "GroupAdmin",
    "NodeAdmin",
    "NoticeAdmin",
    "PoolAdmin",
    "TaskAdmin",
    "TaskVersionAdmin",
]
