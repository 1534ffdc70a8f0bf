"""What the schedules will bring, by minute: runs, busy seats, collisions, and the tasks of any minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from jobsite.rest.fields import Choice, Moment, Text
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseView
from scheduling.api.triggers import Count
from scheduling.services import forecast
from scheduling.services.forecast.values import KINDS

MOST_MINUTES = forecast.WEEK * 60
#: When to ask again for what is being computed.
AGAIN_SECONDS = 1


class HoursSerializer(StrictSerializer):
    hours = Choice(
        choices=[str(hours) for hours in forecast.HOURS],
        required=False,
        default=str(forecast.DAY),
        help_text=_("How far ahead it looks."),
    )


class ForecastSerializer(HoursSerializer):
    step = Count(
        required=False, default=1, min_value=1, max_value=MOST_MINUTES,
        help_text=_("Minutes that become one number: runs are added up, of seats it is the most."),
    )  # fmt: skip


class ForecastTasksSerializer(HoursSerializer):
    at = Moment(required=False, help_text=_("The first of the minutes; none: the present one."))
    minutes = Count(required=False, default=1, min_value=1, max_value=MOST_MINUTES)
    of = Choice(choices=KINDS, required=False, default="total", help_text=_("What the tasks belong to."))
    name = Text(required=False, default="", max_length=255, help_text=_("Of the queue, pool or host."))


class SeriesSerializer(serializers.Serializer):
    name = serializers.CharField()
    runs = serializers.IntegerField()
    capacity = serializers.IntegerField(allow_null=True, help_text=_("Seats of a pool."))
    minutes_over = serializers.IntegerField(help_text=_("Minutes in which more seats would be wanted."))
    starts = serializers.ListField(child=serializers.IntegerField(), help_text=_("Runs that begin."))
    busy_p50 = serializers.ListField(child=serializers.FloatField(), help_text=_("Busy seats."))
    busy_p95 = serializers.ListField(
        child=serializers.FloatField(), help_text=_("The same, if all runs take long.")
    )


class CollisionSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    runs = serializers.IntegerField()
    tasks = serializers.ListField(child=serializers.CharField(), help_text=_("Keys of some of them."))
    others = serializers.IntegerField(help_text=_("Tasks that are not among them."))


class ForecastAnswerSerializer(serializers.Serializer):
    begin = serializers.DateTimeField()
    as_of = serializers.DateTimeField()
    minutes = serializers.IntegerField()
    step = serializers.IntegerField()
    tasks = serializers.IntegerField()
    unmeasured = serializers.IntegerField(help_text=_("Tasks whose runs are taken to last a second."))
    broken = serializers.ListField(
        child=serializers.CharField(), help_text=_("Keys of tasks whose schedule cannot be computed.")
    )
    total = SeriesSerializer()
    queues = SeriesSerializer(many=True)
    pools = SeriesSerializer(many=True)
    hosts = SeriesSerializer(many=True, help_text=_("The busiest database hosts."))
    hosts_left_out = serializers.IntegerField()
    collisions = CollisionSerializer(many=True)


class ProgressSerializer(serializers.Serializer):
    """It is being computed: ask again."""

    done = serializers.IntegerField(help_text=_("Tasks."))
    total = serializers.IntegerField()


class ForecastTaskSerializer(serializers.Serializer):
    key = serializers.CharField()
    queue = serializers.CharField()
    pool = serializers.CharField(allow_blank=True)
    hosts = serializers.ListField(child=serializers.CharField())
    runs = serializers.IntegerField()


class ForecastTasksAnswerSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    until = serializers.DateTimeField()
    as_of = serializers.DateTimeField()
    tasks = ForecastTaskSerializer(many=True, help_text=_("Those with the most runs first."))


def _computing(hours: int) -> Response:
    """202 instead of a request that hangs."""
    told = forecast.progress(hours) or forecast.Progress()
    data = ProgressSerializer({"done": told.done, "total": told.total}).data
    return Response(data, status.HTTP_202_ACCEPTED, headers={"Retry-After": str(AGAIN_SECONDS)})


class ForecastView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": ("scheduling.view_task",)}

    @extend_schema(
        parameters=[ForecastSerializer], responses={200: ForecastAnswerSerializer, 202: ProgressSerializer}
    )
    def get(self, request: Any) -> Response:
        """Runs and busy seats of the next day or week by minute, in all and by queue, pool and database host."""
        asked = ForecastSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        hours, step = int(asked.validated_data["hours"]), asked.validated_data["step"]
        found = forecast.at_hand(hours)
        if found is None:
            return _computing(hours)
        return Response(ForecastAnswerSerializer(forecast.summary(found, step=step)).data)


class ForecastTasksView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": ("scheduling.view_task",)}

    @extend_schema(
        parameters=[ForecastTasksSerializer],
        responses={200: ForecastTasksAnswerSerializer, 202: ProgressSerializer},
    )
    def get(self, request: Any) -> Response:
        """The tasks with runs in some of those minutes, of all or of one queue, pool or database host."""
        asked = ForecastTasksSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        hours = int(values["hours"])
        found = forecast.at_hand(hours)
        if found is None:
            return _computing(hours)
        at: datetime = values.get("at", found.begin)
        until = at + timedelta(minutes=values["minutes"])
        shares = found.within(found.number(at), found.number(until), values["of"], values["name"])
        rows = [
            {"key": each.key, "queue": each.queue, "pool": each.pool, "hosts": each.hosts, "runs": runs}
            for each, runs in shares
        ]
        answer = {"at": at, "until": until, "as_of": found.as_of, "tasks": rows}
        return Response(ForecastTasksAnswerSerializer(answer).data)
