"""How large databases and instances were, a row a day."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from rest_framework import serializers

from instances.api.filters import OfInstance
from instances.api.visible import OfVisible
from instances.models import DatabaseSize, InstanceSize
from instances.services import sheets
from jobsite.rest.permissions import of_model
from jobsite.rest.views import Exports, HouseViewSet, Lists


class DatabaseSizeSerializer(serializers.ModelSerializer):
    instance = serializers.IntegerField(source="instance_id", read_only=True)

    class Meta:
        model = DatabaseSize
        fields = (
            "id", "instance", "database", "date", "total_bytes", "data_bytes", "index_bytes", "reason",
            "collected_at",
        )  # fmt: skip
        read_only_fields = fields


class InstanceSizeSerializer(serializers.ModelSerializer):
    instance = serializers.IntegerField(source="instance_id", read_only=True)

    class Meta:
        model = InstanceSize
        fields = (
            "id", "instance", "date", "total_bytes", "database_count", "unknown_count", "collected_at",
        )  # fmt: skip
        read_only_fields = fields


SHARED_FILTERS = ("dialect", "environment", "instance", "instance_state", "since", "tag", "until")


class Days(OfInstance):
    since = django_filters.DateFilter(field_name="date", lookup_expr="gte")
    until = django_filters.DateFilter(field_name="date", lookup_expr="lte")


class DatabaseSizeFilters(Days):
    class Meta:
        model = DatabaseSize
        fields = ("database", *SHARED_FILTERS)


class InstanceSizeFilters(Days):
    class Meta:
        model = InstanceSize
        fields = SHARED_FILTERS


#: Along the index by date.
NEWEST: dict[str, tuple[str, ...]] = {
    "-date": ("-date", "-instance", "-id"),
    "date": ("date", "instance", "id"),
}


class DatabaseSizeViewSet(OfVisible, Lists, Exports, HouseViewSet):
    """Of each database, newest first."""

    queryset = DatabaseSize.objects.all()
    serializer_class = DatabaseSizeSerializer
    filterset_class = DatabaseSizeFilters
    sheet = sheets.DATABASE_SIZES
    orderings: ClassVar[dict[str, tuple[str, ...]]] = NEWEST
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("instances.databasesize", "list", "export")


class InstanceSizeViewSet(OfVisible, Lists, Exports, HouseViewSet):
    """Of each instance as a whole, newest first."""

    queryset = InstanceSize.objects.all()
    serializer_class = InstanceSizeSerializer
    filterset_class = InstanceSizeFilters
    sheet = sheets.INSTANCE_SIZES
    orderings: ClassVar[dict[str, tuple[str, ...]]] = NEWEST
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("instances.instancesize", "list", "export")
