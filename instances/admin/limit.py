"""How large instances and databases may become, as people write it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from instances.admin.filters import OF_INSTANCE
from instances.admin.visible import OfVisible
from instances.models import SizeLimit
from instances.services import limits, sheets
from instances.templatetags.instances import percent, signed_size
from jobsite.admin_base import ServiceAdmin, ServiceForm, TextInput, actor_of
from jobsite.templatetags.jobsite import size


class LimitForm(ServiceForm[SizeLimit]):
    limit = forms.CharField(
        label=_("Limit"), max_length=30, widget=TextInput, help_text=_("Such as 500 GiB.")
    )

    class Meta:
        model = SizeLimit
        fields = ("instance", "database")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["limit"] = limits.text_of(self.instance.limit_bytes)

    def clean_limit(self) -> str:
        text: str = self.cleaned_data["limit"]
        self.instance.limit_bytes = limits.bytes_of(text)
        return text


@admin.register(SizeLimit)
class SizeLimitAdmin(OfVisible, ServiceAdmin[SizeLimit]):
    teaches = _(
        "A limit says how large an instance or a database may become; the day on which that is "
        "reached is foreseen from its growth."
    )
    form = LimitForm
    sheet = sheets.LIMITS
    list_display = ("instance", "database", "limit", "used", "share", "growth", "full_on")
    list_display_links = ("instance", "limit")
    list_filter = OF_INSTANCE
    search_fields = ("database",)
    autocomplete_fields = ("instance",)
    readonly_fields = ("used", "growth", "full_on", "computed_at")
    show_full_result_count = False
    list_per_page = 50

    def get_ordering(self, request: HttpRequest) -> Any:
        """The next one first, and those that are not reached last."""
        return (F("full_on").asc(nulls_last=True), "pk")

    def get_fields(self, request: HttpRequest, obj: SizeLimit | None = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return ("instance", "database", "limit_bytes", *self.readonly_fields)
        return ("instance", "database", "limit", *(self.readonly_fields if obj else ()))

    @admin.display(description=_("limit"), ordering="limit_bytes")
    def limit(self, row: SizeLimit) -> str:
        return size(row.limit_bytes)

    @admin.display(description=_("size"), ordering="used_bytes")
    def used(self, row: SizeLimit) -> str:
        return size(row.used_bytes)

    @admin.display(description=_("used"))
    def share(self, row: SizeLimit) -> str:
        return percent(None if row.used_bytes is None else row.used_bytes / row.limit_bytes)

    @admin.display(description=_("growth per day"), ordering="growth_per_day_bytes")
    def growth(self, row: SizeLimit) -> str:
        return signed_size(row.growth_per_day_bytes)

    def save_model(self, request: HttpRequest, obj: SizeLimit, form: Any, change: bool) -> None:
        limits.save(obj, actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: SizeLimit) -> None:
        limits.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SizeLimit]) -> None:
        self.each(request, queryset, lambda limit: limits.delete(limit, actor=actor_of(request)))
