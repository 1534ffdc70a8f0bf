"""Sizes by day, week, month and quarter."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from instances.api.filters import OfInstance
from instances.api.visible import OfVisible
from instances.models import DatabaseSizeAggregate, InstanceSizeAggregate
from instances.services import sheets, status
from jobsite.rest.permissions import of_model
from jobsite.rest.views import Exports, HouseViewSet, Lists
from scheduling import clock

SHARED = (
    "id", "instance", "period", "start", "end", "samples", "first_date", "last_date", "first_bytes", "last_bytes",
    "min_bytes", "max_bytes", "average_bytes", "change_bytes", "change_percent", "growth_per_day_bytes", "final",
    "computed_at",
)  # fmt: skip
#: Along the index by period and start, where a period is given.
NEWEST: dict[str, tuple[str, ...]] = {
    "-start": ("-start", "-instance", "-id"),
    "start": ("start", "instance", "id"),
}


class DatabaseAggregateSerializer(serializers.ModelSerializer):
    instance = serializers.IntegerField(source="instance_id", read_only=True)

    class Meta:
        model = DatabaseSizeAggregate
        fields = (*SHARED, "database")
        read_only_fields = fields


class InstanceAggregateSerializer(serializers.ModelSerializer):
    instance = serializers.IntegerField(source="instance_id", read_only=True)

    class Meta:
        model = InstanceSizeAggregate
        fields = (*SHARED, "database_count", "average_database_bytes")
        read_only_fields = fields


SHARED_FILTERS = (
    "dialect", "environment", "final", "instance", "instance_state", "period", "since", "tag", "until",
)  # fmt: skip


class Periods(OfInstance):
    since = django_filters.DateFilter(field_name="start", lookup_expr="gte")
    until = django_filters.DateFilter(field_name="start", lookup_expr="lte")


class DatabaseAggregateFilters(Periods):
    class Meta:
        model = DatabaseSizeAggregate
        fields = ("database", *SHARED_FILTERS)


class InstanceAggregateFilters(Periods):
    class Meta:
        model = InstanceSizeAggregate
        fields = SHARED_FILTERS


class SpanSerializer(serializers.Serializer):
    start = serializers.DateField()
    end = serializers.DateField()
    instances = serializers.IntegerField(help_text=_("That have figures of it."))
    missing = serializers.ListField(
        child=serializers.CharField(),
        help_text=_("Instances that were measured in it and have none, the first 50."),
    )
    missing_count = serializers.IntegerField()


class AggregationStatusSerializer(serializers.Serializer):
    day = serializers.DateField()
    periods = serializers.DictField(
        child=SpanSerializer(),
        help_text=_("“last day”, “running day”, and so on for week, month and quarter."),
    )
    last_session = serializers.DictField(allow_null=True)


class DatabaseAggregateViewSet(OfVisible, Lists, Exports, HouseViewSet):
    """Of each database, the newest period first."""

    queryset = DatabaseSizeAggregate.objects.all()
    serializer_class = DatabaseAggregateSerializer
    filterset_class = DatabaseAggregateFilters
    sheet = sheets.DATABASE_AGGREGATES
    orderings: ClassVar[dict[str, tuple[str, ...]]] = NEWEST
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("instances.databasesizeaggregate", "list", "export"),
        "status": ("instances.view_databasesizeaggregate",),
    }

    @extend_schema(responses=AggregationStatusSerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def status(self, request: Any) -> Response:
        """How far the last complete and the running period of each kind are computed."""
        return Response(status.aggregation(now=clock.now(), viewer=request.user))


class InstanceAggregateViewSet(OfVisible, Lists, Exports, HouseViewSet):
    """Of each instance as a whole, the newest period first."""

    queryset = InstanceSizeAggregate.objects.all()
    serializer_class = InstanceAggregateSerializer
    filterset_class = InstanceAggregateFilters
    sheet = sheets.INSTANCE_AGGREGATES
    orderings: ClassVar[dict[str, tuple[str, ...]]] = NEWEST
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model(
        "instances.instancesizeaggregate", "list", "export"
    )
