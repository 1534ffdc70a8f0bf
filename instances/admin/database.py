"""Databases of managed servers: since when they are there, how they grow, when they are full. For reading."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from instances.admin.filters import OF_INSTANCE, since
from instances.admin.size_panels import days_needed, jumps_of, sizes_of
from instances.admin.visible import OfVisible
from instances.models import InstanceDatabase
from instances.services import figures, sheets
from instances.services.sizes import day_of
from jobsite.admin_base import HistoryAdmin
from scheduling import clock


@admin.register(InstanceDatabase)
class InstanceDatabaseAdmin(OfVisible, HistoryAdmin[InstanceDatabase]):
    teaches = _(
        "Databases appear here when the sizes of their instance have been collected: by “Collect "
        "sizes now” on its page, or each night."
    )
    sheet = sheets.DATABASES
    list_display = (
        "name",
        "instance",
        "active",
        "first_seen_at",
        "last_seen_at",
        "dropped_at",
        "returned_at",
    )
    list_filter = ("active", since("first_seen_at", "dropped_at", "returned_at"), *OF_INSTANCE)
    search_fields = ("name",)
    ordering = ("name", "instance")
    change_form_outer_before_template = "instances/database.html"

    class Media:
        css = {"all": ("css/instances.css",)}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        known = self.page(request, kwargs["obj"])
        return super().render_change_form(request, {**context, **known}, *args, **kwargs)

    def page(self, request: HttpRequest, database: InstanceDatabase) -> dict[str, Any]:
        today = day_of(clock.now())
        instance, name = database.instance, database.name
        days = figures.database_days(instance, name, until=today, most=days_needed(request))
        return {
            "database": database,
            "instance": instance,
            "jumps": jumps_of(instance, name),
            **sizes_of(request, instance, name, days, today=today),
        }
