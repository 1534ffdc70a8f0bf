"""Pools: limits that tasks share, and what they hold now."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ChangeList, ServiceAdmin, ServiceForm, actor_of
from jobsite.templatetags.jobsite import state_badge
from scheduling.models import Pool
from scheduling.services import pools


class PoolForm(ServiceForm[Pool]):
    class Meta:
        model = Pool
        fields = pools.EDITABLE

    def check_service(self) -> None:
        pools.check(self.instance)


class PoolChangeList(ChangeList):
    """Reads what the page's pools hold beside their rows, in one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        usage = pools.usage(pool.pk for pool in rows)
        for pool in rows:
            pool.usage = usage.get(pool.pk, pools.Usage())
        self.result_list = rows


@admin.register(Pool)
class PoolAdmin(ServiceAdmin[Pool]):
    teaches = _(
        "A pool is a limit that tasks share, such as three at a time on one server. Make one, "
        "then choose it in the form of a task."
    )
    form = PoolForm
    list_display = ("key", "name", "state", "capacity", "in_use", "queued")
    search_fields = ("key", "name")
    readonly_fields = ("in_use", "queued")
    actions = ("pause", "resume")
    list_before_template = "scheduling/parts/act.html"

    class Media:
        js = (Script("js/confirm.js", type="module"),)

    def save_model(self, request: HttpRequest, obj: Pool, form: Any, change: bool) -> None:
        pools.save(obj, actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: Pool) -> None:
        pools.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Pool]) -> None:
        self.each(request, queryset, lambda pool: pools.delete(pool, actor=actor_of(request)))

    # --- what is shown

    def get_changelist(self, request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return PoolChangeList

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Who may not change pools sees no button."""
        return (*self.list_display, "button") if self.has_change_permission(request) else self.list_display

    @admin.display(description="")
    def button(self, pool: Pool) -> str:
        return render_to_string("scheduling/parts/pool_button.html", {"pool": pool})

    # --- the verbs

    @admin.action(description=_("Pause"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Pool]) -> None:
        self.each(request, queryset, lambda pool: pools.pause(pool.pk, actor=actor_of(request)))

    @admin.action(description=_("Resume"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Pool]) -> None:
        self.each(request, queryset, lambda pool: pools.resume(pool.pk, actor=actor_of(request)))

    def get_fields(self, request: HttpRequest, obj: Pool | None = None) -> Any:
        return (*pools.EDITABLE, *self.readonly_fields) if obj else pools.EDITABLE

    @admin.display(description=_("state"))
    def state(self, pool: Pool) -> str:
        return state_badge("paused" if pool.paused else "enabled")

    @admin.display(description=_("in use now"))
    def in_use(self, pool: Pool) -> str:
        return render_to_string(
            "scheduling/parts/seats.html", {"used": _usage(pool).used, "total": pool.capacity}
        )

    @admin.display(description=_("queued"))
    def queued(self, pool: Pool) -> str:
        address = reverse("admin:scheduling_execution_changelist")
        return format_html('<a class="link" href="{}?state=queued">{}</a>', address, _usage(pool).queued)


def _usage(pool: Any) -> pools.Usage:
    if not hasattr(pool, "usage"):  # the form's page has this one alone
        pool.usage = pools.usage([pool.pk]).get(pool.pk, pools.Usage())
    usage: pools.Usage = pool.usage
    return usage
