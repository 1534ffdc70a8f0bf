"""Sizes by period, jumps in size, backups and tags."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from instances.admin.filters import OF_INSTANCE, since
from instances.admin.periods import periods_view
from instances.admin.visible import OfVisible
from instances.models import DatabaseSizeAggregate, InstanceSizeAggregate, SizeAnomaly, Tag
from instances.models.aggregate import SizeAggregate
from instances.services import growth, sheets, tags
from instances.templatetags.instances import signed_size
from jobsite.admin_base import HistoryAdmin, ServiceAdmin, actor_of
from jobsite.templatetags.jobsite import size


class AggregateColumns:
    """The columns of both levels that are no fields."""

    teaches = _(
        "Figures by period appear here when sizes have been collected and “Compute sizes by period” has run."
    )
    list_before_template = "instances/periods_link.html"

    @admin.display(description=_("average"))
    def average(self, row: SizeAggregate) -> str:
        return size(row.average_bytes)

    @admin.display(description=_("change"))
    def change(self, row: SizeAggregate) -> str:
        if row.change_bytes is None:
            return "–"
        percent = "" if row.change_percent is None else f" ({row.change_percent:+.1f} %)"
        return f"{signed_size(row.change_bytes)}{percent}"

    @admin.display(description=_("trend"))
    def trend(self, row: SizeAggregate) -> str:
        words = {
            "growing": gettext("growing"),
            "shrinking": gettext("shrinking"),
            "stable": gettext("stable"),
        }
        return words.get(growth.trend(row.change_percent) or "", "–")


@admin.register(DatabaseSizeAggregate)
class DatabaseSizeAggregateAdmin(OfVisible, AggregateColumns, HistoryAdmin[DatabaseSizeAggregate]):
    sheet = sheets.DATABASE_AGGREGATES
    list_display = (
        "start",
        "period",
        "instance",
        "database",
        "average",
        "change",
        "trend",
        "samples",
        "final",
    )
    list_filter = ("period", "final", *OF_INSTANCE)
    ordering = ("period", "-start", "-instance", "-id")

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(periods_view)
        return [path("standing/", page, name="instances_periods"), *super().get_urls()]


@admin.register(InstanceSizeAggregate)
class InstanceSizeAggregateAdmin(OfVisible, AggregateColumns, HistoryAdmin[InstanceSizeAggregate]):
    sheet = sheets.INSTANCE_AGGREGATES
    list_display = (
        "start",
        "period",
        "instance",
        "average",
        "change",
        "trend",
        "database_count",
        "samples",
        "final",
    )
    list_filter = ("period", "final", *OF_INSTANCE)
    ordering = ("period", "-start", "-instance", "-id")


class JumpFilter(admin.SimpleListFilter):
    title, parameter_name = _("jump"), "jump"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("up", _("larger")), ("down", _("smaller"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value() or ""
        return queryset.filter(growth.jumped(chosen)) if chosen in growth.JUMPS else queryset


@admin.register(SizeAnomaly)
class SizeAnomalyAdmin(OfVisible, HistoryAdmin[SizeAnomaly]):
    teaches = _(
        "Databases that grew or shrank beyond what is usual for them appear here, once sizes of "
        "some days have been collected."
    )
    sheet = sheets.JUMPS
    list_display = ("date", "instance", "database", "before", "after", "daily", "usual")
    list_filter = (JumpFilter, since("date"), *OF_INSTANCE)
    ordering = ("-date", "-instance")

    @admin.display(description=_("before"))
    def before(self, row: SizeAnomaly) -> str:
        return size(row.before_bytes)

    @admin.display(description=_("after"))
    def after(self, row: SizeAnomaly) -> str:
        return size(row.after_bytes)

    @admin.display(description=_("a day"))
    def daily(self, row: SizeAnomaly) -> str:
        return signed_size(row.daily_bytes)

    @admin.display(description=_("usual growth a day"))
    def usual(self, row: SizeAnomaly) -> str:
        return f"{size(row.usual_bytes)} ± {size(row.tolerance_bytes)}"


@admin.register(Tag)
class TagAdmin(ServiceAdmin[Tag]):
    teaches = _(
        "A tag marks instances that belong together, such as a team's or a site's; lists are "
        "narrowed by it. Make one, then choose it in the form of an instance."
    )
    list_display = ("name", "label", "category", "colour")
    list_filter = ("category",)
    search_fields = ("name", "label")

    def save_model(self, request: HttpRequest, obj: Tag, form: Any, change: bool) -> None:
        tags.save(obj, actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        tags.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Tag]) -> None:
        self.each(request, queryset, lambda tag: tags.delete(tag, actor=actor_of(request)))
