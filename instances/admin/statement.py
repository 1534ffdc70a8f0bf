"""A statement that reads, run on instances while the person waits; and which statements were run, by whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from instances.admin.filters import OF_INSTANCE, OfInstance, since
from instances.admin.marks import execution, only_yes
from instances.admin.visible import OfVisible
from instances.dialects.tables import MOST_CHARACTERS
from instances.exceptions import StatementRefused
from instances.models import Instance, StatementRun
from instances.models.restriction import Viewer
from instances.services import sheets, statements
from instances.services.statements import (
    MOST_INSTANCES_WAITED_FOR,
    MOST_ROWS_WAITED_FOR,
    MOST_SECONDS_WAITED_FOR,
)
from jobsite import exports
from jobsite.admin_base import HistoryAdmin, actor_of
from jobsite.templatetags.jobsite import duration

INPUT = {"class": "input"}


class StatementForm(forms.Form):
    instances = forms.ModelMultipleChoiceField(
        label=_("Instances"), queryset=Instance.objects.none(),
        widget=forms.SelectMultiple(attrs={**INPUT, "size": 6}),
    )  # fmt: skip
    database = forms.CharField(
        label=_("Database"), max_length=255, required=False, strip=False, widget=forms.TextInput(attrs=INPUT),
        help_text=_("Empty: the one that each instance connects to."),
    )  # fmt: skip
    statement = forms.CharField(
        label=_("Statement"), max_length=MOST_CHARACTERS, strip=False,
        widget=forms.Textarea(attrs={"class": "input code", "rows": 6, "spellcheck": "false"}),
    )  # fmt: skip
    max_rows = forms.IntegerField(
        label=_("Rows of each instance, at most"), min_value=1, max_value=MOST_ROWS_WAITED_FOR, initial=200,
        widget=forms.NumberInput(attrs=INPUT),
    )  # fmt: skip
    seconds = forms.FloatField(
        label=_("Seconds on each instance, at most"), min_value=0.1, max_value=MOST_SECONDS_WAITED_FOR, initial=10,
        widget=forms.NumberInput(attrs=INPUT),
    )  # fmt: skip

    def __init__(self, viewer: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["instances"]
        assert isinstance(field, forms.ModelMultipleChoiceField)  # noqa: S101  (for mypy)
        field.queryset = Instance.objects.collectable().visible_to(viewer)

    def clean_instances(self) -> list[Instance]:
        chosen = list(self.cleaned_data["instances"])
        if len(chosen) > MOST_INSTANCES_WAITED_FOR:
            raise forms.ValidationError(gettext("Choose at most %d instances.") % MOST_INSTANCES_WAITED_FOR)
        return chosen

    def run(self, actor: Any) -> list[statements.Answer] | None:
        """The answers, or None: then the form says what is wrong."""
        asked = self.cleaned_data
        try:
            return statements.run(
                asked["instances"], asked["statement"], database=asked["database"], most_rows=asked["max_rows"],
                seconds=asked["seconds"], actor=actor,
            )  # fmt: skip
        except StatementRefused as error:
            self.add_error("statement", str(error))
            return None


@require_http_methods(["GET", "POST"])
def run_view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("instances.run_sql"):
        raise PermissionDenied
    form = StatementForm(request.user, request.POST if request.method == "POST" else None)
    answers = form.run(actor_of(request)) if form.is_bound and form.is_valid() else None
    if answers is not None and "csv" in request.POST:
        return exports.file("answers", statements.as_spreadsheet(answers))
    context = {**admin.site.each_context(request), "title": _("Run SQL"), "form": form, "answers": answers}
    return render(request, "instances/sql.html", context)


class OutcomeFilter(admin.SimpleListFilter):
    title, parameter_name = _("outcome"), "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return StatementRun.Outcome.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        known = self.value() in StatementRun.Outcome.values
        return queryset.ended_as(self.value()) if known else queryset


def among(filter_: type[OfInstance]) -> type[OfInstance]:
    """The filter for statements, which have several instances: one of them has the chosen value."""

    def queryset(self: OfInstance, request: HttpRequest, rows: Any) -> Any:
        chosen = self.value()
        return rows if chosen is None else rows.of(Instance.objects.filter(**{self.field: chosen}))

    return type(f"Of{filter_.__name__}", (filter_,), {"queryset": queryset})


@admin.register(StatementRun)
class StatementRunAdmin(OfVisible, HistoryAdmin[StatementRun]):
    teaches = _(
        "Statements that somebody has run on the page “Run SQL” appear here, with who ran them and where."
    )
    instance_path = "asked_of"
    list_display = ("at", "by", "source", "beginning", "on", "outcome", "rows", "length")
    list_filter = (OutcomeFilter, "source", "writes", since("at"), *map(among, OF_INSTANCE))
    search_fields = ("=by__username",)
    search_help_text = _("A user name.")
    sheet = sheets.STATEMENTS
    list_select_related = ("by",)
    ordering = ("-id",)
    fields = (
        "at", "by", "source", "statement", only_yes(StatementRun._meta.get_field("writes")), "database", "asked",
        "failures", "rows", "changed", "length", execution,
    )  # fmt: skip
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        return [path("run/", self.admin_site.admin_view(run_view), name="instances_sql"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).in_short()

    @admin.display(description=_("statement"))
    def beginning(self, row: StatementRun) -> str:
        return row.shortened[:80] + ("…" if len(row.shortened) > 80 else "")

    @admin.display(description=_("instances"))
    def on(self, row: StatementRun) -> str:
        return ", ".join(row.instances[:3]) + ("…" if len(row.instances) > 3 else "")

    @admin.display(description=_("instances"))
    def asked(self, row: StatementRun) -> str:
        return ", ".join(row.instances) or "–"

    @admin.display(description=_("errors"))
    def failures(self, row: StatementRun) -> str:
        lines = ((name, text) for name, text in (row.errors or {}).items())
        return format_html_join("", "<p><strong>{}</strong> {}</p>", lines) or "–"

    @admin.display(description=_("outcome"))
    def outcome(self, row: StatementRun) -> str:
        return gettext("%d failed") % len(row.errors) if row.errors else str(row.outcome.label)

    @admin.display(description=_("duration"))
    def length(self, row: StatementRun) -> str:
        return duration(row.run_ms)
