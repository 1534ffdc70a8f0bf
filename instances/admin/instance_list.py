"""The list of instances: what it says of each beside its row, in two more queries for the page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from instances.admin.sparkline import sparkline
from instances.models import Instance
from instances.services import figures
from instances.services.sizes import day_of
from jobsite.admin_base import ChangeList
from jobsite.templatetags.jobsite import relative, size
from scheduling import clock

#: Days that the small curve of an instance shows.
CURVE_DAYS = 30

#: The colour of each status, by the state of an execution that has it.
COLOURS = {"ok": "succeeded", "failed": "failed", "unknown": "cancelled"}


def status_badge(instance: Instance) -> SafeString:
    """How it was at the last visit; inactive ones are not visited."""
    status = Instance.Status(instance.status)
    return format_html(
        '<span class="state state-{}">{}</span>', COLOURS.get(status.value, "cancelled"), status.label
    )


class RecycleBin(admin.SimpleListFilter):
    title = _("recycle bin")
    parameter_name = "bin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [("deleted", _("in the recycle bin"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        return queryset.filter(deleted_at__isnull=self.value() != "deleted")


class InstanceList(ChangeList):
    """Reads the sizes of the page's instances beside their rows."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count  # so that the page offers no "show all"
        rows: list[Any] = list(self.result_list)
        ids = [row.pk for row in rows]
        totals = figures.newest_totals(ids)
        curves = figures.recent(ids, until=day_of(clock.now()), most=CURVE_DAYS)
        for row in rows:
            row.newest = totals.get(row.pk)
            row.curve = curves.get(row.pk, [])
        self.result_list = rows


class InstanceColumns:
    """The columns of the list that are no fields."""

    @admin.display(description=_("state"), ordering="status")
    def state(self, instance: Instance) -> SafeString:
        age = relative(instance.last_connected_at) if instance.last_connected_at else gettext("never reached")
        return format_html('{} <span class="quiet">{}</span>', status_badge(instance), age)

    @admin.display(description=_("place"), ordering="host")
    def place(self, instance: Instance) -> str:
        if not instance.host:
            return instance.database
        port = instance.effective_port
        return f"{instance.host}:{port}" if port else instance.host

    @admin.display(description=_("size"))
    def total(self, instance: Any) -> SafeString | str:
        if instance.newest is None:
            return "–"
        day, total = instance.newest
        return format_html('<span title="{}">{}</span>', day.isoformat(), size(total))

    @admin.display(description=_("last 30 days"))
    def curve(self, instance: Any) -> SafeString | str:
        return sparkline(instance.curve)
