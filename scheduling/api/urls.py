"""The addresses of this app below /api/v1/."""

from __future__ import annotations

from typing import Any

from django.urls import path, re_path

from scheduling.api.calendars import CalendarViewSet
from scheduling.api.doctor import DoctorView
from scheduling.api.executions import ExecutionViewSet
from scheduling.api.forecast import ForecastTasksView, ForecastView
from scheduling.api.functions import FunctionsView, FunctionView
from scheduling.api.groups import GroupViewSet
from scheduling.api.health import HealthAlias, HealthView
from scheduling.api.nodes import NodeViewSet
from scheduling.api.pools import PoolViewSet
from scheduling.api.queues import PauseQueueView, QueuesView, ResumeQueueView
from scheduling.api.stats import EventStatsView, StatsView, TaskStatsView
from scheduling.api.tasks import KEY, TaskViewSet
from scheduling.api.templates import CreateTaskView, TemplatesView, TemplateView
from scheduling.api.triggers import PreviewView

QUEUE = "[a-z0-9][a-z0-9_.-]{0,49}"
routes: tuple[tuple[str, Any, str], ...] = (
    ("tasks", TaskViewSet, "task"),
    ("executions", ExecutionViewSet, "execution"),
    ("groups", GroupViewSet, "group"),
    ("pools", PoolViewSet, "pool"),
    ("calendars", CalendarViewSet, "calendar"),
    ("nodes", NodeViewSet, "node"),
)
urlpatterns = [
    path("health", HealthView.as_view(), name="health"),
    path("health/", HealthAlias.as_view()),
    path("doctor/", DoctorView.as_view(), name="doctor"),
    path("functions/", FunctionsView.as_view(), name="functions"),
    re_path(r"^functions/(?P<name>\w{1,200})/$", FunctionView.as_view(), name="function"),
    path("queues/", QueuesView.as_view(), name="queues"),
    re_path(rf"^queues/(?P<name>{QUEUE})/pause/$", PauseQueueView.as_view(), name="pause-queue"),
    re_path(rf"^queues/(?P<name>{QUEUE})/resume/$", ResumeQueueView.as_view(), name="resume-queue"),
    path("stats/", StatsView.as_view(), name="stats"),
    path("stats/events/", EventStatsView.as_view(), name="event-stats"),
    re_path(rf"^stats/tasks/(?P<key>{KEY})/$", TaskStatsView.as_view(), name="task-stats"),
    path("templates/", TemplatesView.as_view(), name="templates"),
    re_path(rf"^templates/(?P<key>{KEY})/$", TemplateView.as_view(), name="template"),
    re_path(rf"^templates/(?P<key>{KEY})/create-task/$", CreateTaskView.as_view(), name="template-task"),
    path("forecast/", ForecastView.as_view(), name="forecast"),
    path("forecast/tasks/", ForecastTasksView.as_view(), name="forecast-tasks"),
    path("triggers/preview/", PreviewView.as_view(), name="preview"),
]
