"""How large instances and databases may become, and the jumps in size that were beyond the usual."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters

from instances.api.filters import InstanceRow, OfInstance
from instances.api.visible import NamedInstance, OfVisible
from instances.models import Instance, SizeAnomaly, SizeLimit
from instances.services import growth, limits, sheets
from jobsite.rest.permissions import of_model
from jobsite.rest.serializers import CleanModelSerializer
from jobsite.rest.views import Creates, Edits, Exports, HouseViewSet, Lists, Removes, Shows


class SizeLimitSerializer(CleanModelSerializer):
    instance = NamedInstance(slug_field="name", queryset=Instance.objects.present())

    class Meta:
        model = SizeLimit
        fields = (
            "id", "instance", "database", "limit_bytes", "used_bytes", "growth_per_day_bytes", "full_on",
            "computed_at",
        )  # fmt: skip
        read_only_fields = ("id", "used_bytes", "growth_per_day_bytes", "full_on", "computed_at")


class SizeLimitFilters(OfInstance):
    full_before = django_filters.DateFilter(field_name="full_on", lookup_expr="lte")

    class Meta:
        model = SizeLimit
        fields = ("database", "dialect", "environment", "full_before", "instance", "instance_state", "tag")


class SizeLimitViewSet(OfVisible, Lists, Exports, Shows, Creates, Edits, Removes, HouseViewSet):
    """One for an instance (``database`` empty), one for each of its databases; forecasts are made anew each night."""

    queryset = SizeLimit.objects.select_related("instance")
    serializer_class = SizeLimitSerializer
    filterset_class = SizeLimitFilters
    sheet = sheets.LIMITS
    lookup_value_regex = r"\d{1,18}"
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("instances.sizelimit")

    def store_new(self, serializer: SizeLimitSerializer) -> SizeLimit:
        return limits.save(serializer.build(), actor=self.actor())

    def store(self, serializer: SizeLimitSerializer) -> SizeLimit:
        return limits.save(serializer.build(), actor=self.actor())

    def remove(self, limit: SizeLimit) -> None:
        limits.delete(limit, actor=self.actor())


class AnomalySerializer(InstanceRow):
    class Meta:
        model = SizeAnomaly
        fields = (
            "id", "instance", "database", "date", "before_date", "before_bytes", "after_bytes", "daily_bytes",
            "usual_bytes", "tolerance_bytes", "found_at",
        )  # fmt: skip
        read_only_fields = fields


class AnomalyFilters(OfInstance):
    since = django_filters.DateFilter(field_name="date", lookup_expr="gte")
    until = django_filters.DateFilter(field_name="date", lookup_expr="lte")
    jump = django_filters.ChoiceFilter(choices=[(word, word) for word in growth.JUMPS], method="jumped")

    class Meta:
        model = SizeAnomaly
        fields = (
            "database", "dialect", "environment", "instance", "instance_state", "jump", "since", "tag", "until",
        )  # fmt: skip

    def jumped(self, rows: Any, _name: str, value: str) -> Any:
        return rows.filter(growth.jumped(value))


class AnomalyViewSet(OfVisible, Lists, Exports, HouseViewSet):
    """Newest first."""

    queryset = SizeAnomaly.objects.all()
    serializer_class = AnomalySerializer
    filterset_class = AnomalyFilters
    sheet = sheets.JUMPS
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {
        "-date": ("-date", "-instance", "-id"),
        "date": ("date", "instance", "id"),
    }
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("instances.sizeanomaly", "list", "export")
