"""The partitions of the size tables: how they are, and what can be done to them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.response import Response

from instances.services import partitions, requests, sizes
from jobsite.rest import fields
from jobsite.rest.idempotency import key_of, once
from jobsite.rest.schema import IDEMPOTENT
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseView
from scheduling import clock
from scheduling.api.execution_serializers import ExecutionSerializer
from scheduling.services.actor import Actor

LOOKS = ("instances.view_databasesize",)


class PartitionSerializer(serializers.Serializer):
    name = serializers.CharField()
    start = serializers.DateField(allow_null=True)
    end = serializers.DateField(allow_null=True, help_text=_("The first day that is not in it."))
    rows = serializers.IntegerField(help_text=_("About, as the database estimates."))
    bytes = serializers.IntegerField()
    when = serializers.ChoiceField(choices=["past", "current", "future", "default"])


class TableSerializer(serializers.Serializer):
    table = serializers.CharField()
    partitioned = serializers.BooleanField()
    message = serializers.CharField()
    rows = serializers.IntegerField()
    bytes = serializers.IntegerField()
    partitions = PartitionSerializer(many=True)


class PartitionHealthSerializer(serializers.Serializer):
    state = serializers.ChoiceField(
        choices=[partitions.HEALTHY, partitions.WARNING, partitions.CRITICAL], source="health.state"
    )
    problems = serializers.ListField(child=serializers.CharField(), source="health.problems")
    message = serializers.CharField(
        source="health.message", help_text=_("What holds instead, where there are none.")
    )
    statements = serializers.ListField(
        child=serializers.CharField(), source="health.statements",
        help_text=_("What would let the database's user change partitions; empty: it may."),
    )  # fmt: skip
    supported = serializers.BooleanField()
    tables = TableSerializer(many=True)


class PartitionsView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": LOOKS}

    @extend_schema(operation_id="partitions", responses=PartitionHealthSerializer)
    def get(self, request: Any) -> Response:
        """Every partition, and what is wrong with them. Nothing is mended by looking."""
        today = sizes.day_of(clock.now())
        found = {
            "health": partitions.check(today=today, ahead=partitions.AHEAD, mend=False),
            "supported": partitions.is_supported(),
            "tables": partitions.status(today=today),
        }
        return Response(PartitionHealthSerializer(found).data)


class VerbSerializer(StrictSerializer):
    months_ahead = fields.WholeNumber(
        required=False, min_value=1, max_value=60, help_text=_("Months beyond this one; not for cleanup.")
    )
    keep_months = fields.WholeNumber(
        required=False, min_value=1, max_value=1_200, help_text=_("For cleanup: months that sizes stay.")
    )


class PartitionVerbView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"post": (*LOOKS, "scheduling.run_task")}

    @extend_schema(
        operation_id="partitions_do",
        parameters=[
            OpenApiParameter("name", str, OpenApiParameter.PATH, enum=list(requests.PARTITION_TASKS)), IDEMPOTENT,
        ],
        request=VerbSerializer,
        responses={202: ExecutionSerializer},
    )  # fmt: skip
    def post(self, request: Any, name: str) -> Response:
        """Asks for it; a running scheduler does it. ``upgrade`` can be asked for again after an interruption."""
        if name not in requests.PARTITION_TASKS:
            raise NotFound
        asked = VerbSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = Actor(user=request.user, source="api")

        def work() -> tuple[int, Any]:
            execution = requests.look_after_partitions(
                name, parameters=dict(asked.validated_data), actor=actor, idempotency_key=key_of(request)
            )
            return status.HTTP_202_ACCEPTED, ExecutionSerializer(execution).data

        return once(request, work)
