"""Pools: limits that tasks share."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from jobsite.rest.permissions import of_model
from jobsite.rest.serializers import CleanModelSerializer
from jobsite.rest.views import Creates, Edits, HouseViewSet, Lists, Removes, Shows
from scheduling.models import Pool
from scheduling.services import pools


class PoolSerializer(CleanModelSerializer):
    used = serializers.IntegerField(
        source="usage.used",
        read_only=True,
        help_text=_("Seats that are taken now, by the weights of what runs."),
    )
    running = serializers.IntegerField(source="usage.running", read_only=True)
    queued = serializers.IntegerField(source="usage.queued", read_only=True)

    class Meta:
        model = Pool
        fields = (*pools.EDITABLE, "used", "running", "queued")


class PoolViewSet(Lists, Shows, Creates, Edits, Removes, HouseViewSet):
    queryset = Pool.objects.all()
    serializer_class = PoolSerializer
    lookup_field = "key"
    lookup_value_regex = "[a-z0-9][a-z0-9_.-]{0,99}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"key": ("key",), "-key": ("-key",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("scheduling.pool")

    def prepared(self, page: list[Any]) -> list[Any]:
        """With what each holds now, in one query."""
        held = pools.usage(pool.pk for pool in page)
        for pool in page:
            pool.usage = held.get(pool.pk, pools.Usage())
        return page

    def shown(self, row: Pool) -> Any:
        return super().shown(self.prepared([row])[0])

    def store_new(self, serializer: PoolSerializer) -> Pool:
        return pools.save(serializer.build(), actor=self.actor())

    store = store_new

    def remove(self, pool: Pool) -> None:
        pools.delete(pool, actor=self.actor())
