"""Outcomes and durations: of all tasks by day, and of one task in all and by day."""

from __future__ import annotations

from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from jobsite.rest.fields import Text
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseView
from scheduling import clock, triggers
from scheduling.api.triggers import Count
from scheduling.models import Task
from scheduling.services import nodes, stats

MOST_DAYS = 400


class ZoneSerializer(StrictSerializer):
    time_zone = Text(
        required=False, max_length=64, help_text=_("Where days begin and end; none: as tasks are written.")
    )

    def validate_time_zone(self, name: str) -> str:
        triggers.zone(name)  # raises InvalidTrigger at time_zone
        return name


class DaysSerializer(ZoneSerializer):
    days = Count(required=False, default=14, min_value=1, max_value=MOST_DAYS, help_text=_("Up to today."))


class FiguresSerializer(serializers.Serializer):
    total = serializers.IntegerField()
    failures = serializers.IntegerField(help_text=_("Failed, timed out, lost or missed."))
    counts = serializers.DictField(child=serializers.IntegerField(), help_text=_("By state."))
    p50_seconds = serializers.FloatField(allow_null=True)
    p95_seconds = serializers.FloatField(allow_null=True)


class DaySerializer(FiguresSerializer):
    day = serializers.DateField()


class DaysAnswerSerializer(serializers.Serializer):
    time_zone = serializers.CharField()
    days = DaySerializer(many=True, help_text=_("Oldest first."))


class TaskStatsSerializer(DaysAnswerSerializer):
    total = FiguresSerializer()
    runs = serializers.IntegerField(help_text=_("Executions that the figures are of: the newest."))
    complete = serializers.BooleanField(help_text=_("There are no older ones."))


def _figures(figures: stats.Figures) -> dict[str, Any]:
    return {
        "total": figures.total,
        "failures": figures.failures,
        "counts": figures.counts,
        "p50_seconds": None if figures.p50_ms is None else figures.p50_ms / 1000,
        "p95_seconds": None if figures.p95_ms is None else figures.p95_ms / 1000,
    }


def _days(days: list[stats.Day]) -> list[dict[str, Any]]:
    return [{"day": day.day, **_figures(day)} for day in days]


def _asked(serializer_class: Any, request: Any) -> tuple[dict[str, Any], ZoneInfo]:
    asked = serializer_class(data=request.query_params.dict())
    asked.is_valid(raise_exception=True)
    values = asked.validated_data
    return values, triggers.zone(values.get("time_zone") or settings.JOBSITE_TASK_TIME_ZONE)


class StatsView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": ("scheduling.view_execution",)}

    @extend_schema(parameters=[DaysSerializer], responses=DaysAnswerSerializer)
    def get(self, request: Any) -> Response:
        """How executions ended, day by day, of all tasks together; at most half a minute old."""
        values, zone = _asked(DaysSerializer, request)
        days = stats.by_day(values["days"], zone, clock.now())
        return Response(DaysAnswerSerializer({"time_zone": zone.key, "days": _days(days)}).data)


class EventsSerializer(serializers.Serializer):
    as_of = serializers.DateTimeField()
    nodes = serializers.IntegerField(help_text=_("Schedulers seen in the last day, 200 at the most."))
    events = serializers.DictField(
        child=serializers.IntegerField(), help_text=_("By APScheduler's names: job_executed, job_error, …")
    )


class EventStatsView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": ("scheduling.view_node",)}

    @extend_schema(operation_id="stats_of_events", responses=EventsSerializer)
    def get(self, request: Any) -> Response:
        """How often which event came, on all these nodes together, each since it began; some seconds old."""
        now = clock.now()
        counts, number = nodes.event_counts(now)
        return Response(EventsSerializer({"as_of": now, "nodes": number, "events": counts}).data)


class TaskStatsView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        "get": ("scheduling.view_task", "scheduling.view_execution")
    }

    @extend_schema(
        operation_id="stats_of_task",
        parameters=[ZoneSerializer, OpenApiParameter("key", str, OpenApiParameter.PATH)],
        responses=TaskStatsSerializer,
    )
    def get(self, request: Any, key: str) -> Response:
        """How the newest executions of one task ended and how long they took, in all and by day."""
        _values, zone = _asked(ZoneSerializer, request)
        task_id = Task.objects.present().filter(key=key).values_list("pk", flat=True).first()
        if task_id is None:
            raise Http404
        found = stats.of_task(task_id, zone)
        answer = {
            "time_zone": zone.key,
            "days": _days(found.days),
            "total": _figures(found.total),
            "runs": found.runs,
            "complete": found.complete,
        }
        return Response(TaskStatsSerializer(answer).data)
