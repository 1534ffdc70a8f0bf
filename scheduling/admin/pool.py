"""Pools: limits that tasks share."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from jobsite.admin_base import ServiceAdmin, ServiceForm, actor_of
from scheduling.models import Pool
from scheduling.services import pools


class PoolForm(ServiceForm[Pool]):
    class Meta:
        model = Pool
        fields = pools.EDITABLE

    def check_service(self) -> None:
        pools.check(self.instance)


@admin.register(Pool)
class PoolAdmin(ServiceAdmin[Pool]):
    form = PoolForm
    list_display = ("key", "name", "capacity", "paused")
    search_fields = ("key", "name")

    def save_model(self, request: HttpRequest, obj: Pool, form: Any, change: bool) -> None:
        pools.save(obj, actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: Pool) -> None:
        pools.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Pool]) -> None:
        self.each(request, queryset, lambda pool: pools.delete(pool, actor=actor_of(request)))
