"""Pools: limits that tasks share."""

from __future__ import annotations

from typing import ClassVar

from jobsite.rest.permissions import of_model
from jobsite.rest.serializers import CleanModelSerializer
from jobsite.rest.views import Creates, Edits, HouseViewSet, Lists, Removes, Shows
from scheduling.models import Pool
from scheduling.services import pools


class PoolSerializer(CleanModelSerializer):
    class Meta:
        model = Pool
        fields = pools.EDITABLE


class PoolViewSet(Lists, Shows, Creates, Edits, Removes, HouseViewSet):
    queryset = Pool.objects.all()
    serializer_class = PoolSerializer
    lookup_field = "key"
    lookup_value_regex = "[a-z0-9][a-z0-9_.-]{0,99}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"key": ("key",), "-key": ("-key",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("scheduling.pool")

    def store_new(self, serializer: PoolSerializer) -> Pool:
        return pools.save(serializer.build(), actor=self.actor())

    store = store_new

    def remove(self, pool: Pool) -> None:
        pools.delete(pool, actor=self.actor())
