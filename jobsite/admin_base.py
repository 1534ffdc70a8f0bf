"""What the admin pages of both apps share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import Model, ProtectedError, QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET

from jobsite import exports
from jobsite.keyset import AFTER, BEFORE, Keyset, KeysetPaginator
from jobsite.moments import mend_form, shown
from scheduling.exceptions import Refused
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction

__all__ = [
    "BaseAdmin", "BoundedPaginator", "ChangeList", "HistoryAdmin", "HistoryList", "PasswordInput", "RowsInside",
    "SelectInput", "SelectMultipleInput", "ServiceAdmin", "ServiceForm", "TextArea", "TextInput", "actor_of",
    "key_of", "sentences",
]  # fmt: skip

AnyModel = TypeVar("AnyModel", bound=Model)

if TYPE_CHECKING:
    from django.contrib import admin
    from django.contrib.admin.views.main import ChangeList

    LookAdmin = admin.ModelAdmin[AnyModel]
    from django.forms import PasswordInput

    Rows = admin.TabularInline[Any, Any]
    from django.forms import Select as SelectInput
    from django.forms import SelectMultiple as SelectMultipleInput
    from django.forms import Textarea as TextArea
    from django.forms import TextInput

    BaseForm = ModelForm[AnyModel]
else:  # neither Django's classes nor unfold's take parameters at run time
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.views import ChangeList
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
    from unfold.widgets import UnfoldAdminSelectMultipleWidget as SelectMultipleInput
    from unfold.widgets import UnfoldAdminSelectWidget as SelectInput
    from unfold.widgets import UnfoldAdminTextareaWidget as TextArea
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

    class LookAdmin(ModelAdmin):
        def __class_getitem__(cls, _model: object) -> type:
            return cls

    Rows = TabularInline

    class BaseForm(ModelForm):
        def __class_getitem__(cls, _model: object) -> type:
            return cls


class BaseAdmin(LookAdmin[AnyModel]):
    """The look of every page of the admin: another one is chosen here and nowhere else."""

    list_filter_submit = False
    list_filter_sheet = False
    list_fullwidth = True
    compressed_fields = True
    warn_unsaved_form = True
    empty_value_display = "–"
    #: What an empty list says: what its rows are, and how there come to be some.
    teaches: Any = ""
    #: Its page says that itself.
    teaches_itself = False

    def get_list_display(self, request: HttpRequest) -> Any:
        return [shown(self.model, name) for name in super().get_list_display(request)]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Here, after all overrides of what the form shows: its moments are shown like all others."""
        form = context["adminform"]
        mend_form(form, self.model, form.fieldsets, form.readonly_fields)
        for inline in context["inline_admin_formsets"]:
            mend_form(inline, inline.opts.model, inline.fieldsets, inline.readonly_fields)
        return super().render_change_form(request, context, *args, **kwargs)


class RowsInside(Rows):
    """Rows of another table, shown for reading within a page."""

    can_delete = False
    extra = 0
    tab = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def actor_of(request: HttpRequest) -> Actor:
    return Actor(user=request.user, source="admin")


def key_of(request: HttpRequest) -> str:
    """The key of the form that was sent (``request_key`` in its template): sent again, nothing runs again."""
    key = request.POST.get("idempotency_key", "")
    return key if len(key) <= MOST_KEY_CHARACTERS else ""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MOST rows: tables may be large, and nobody turns that many pages."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)  # noqa: S101 (for mypy)
        return rows.order_by()[: self.MOST].count()


#: Rows that one action is done to, at most: the page waits for it.
MOST_CHOSEN = 1_000
#: Of a form's key: a row's number may stand behind it.
MOST_KEY_CHARACTERS = 40


def sentences(error: Exception) -> str:
    """What a service has to say, in one line."""
    if isinstance(error, ProtectedError):
        return str(error.args[0])
    return " ".join(error.messages) if isinstance(error, ValidationError) else str(error)


class ServiceAdmin(BaseAdmin[AnyModel]):
    """Pages whose writes are services: what a service refuses is told, and never a fault of the page."""

    REFUSALS = (Refused, ValidationError, ProtectedError)
    #: How the rows look in a CSV file; None: the list is not exported.
    sheet: exports.Sheet | None = None

    def get_urls(self) -> list[Any]:
        if self.sheet is None:
            return super().get_urls()
        view = self.admin_site.admin_view(require_GET(self.export_view))
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", view, name=name), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The list as its filters and its search have it, on every page of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        assert self.sheet is not None  # noqa: S101  (for mypy)
        request.is_export = True  # type: ignore[attr-defined]
        try:
            changes = self.get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            raise Http404(gettext("The list has no such filter.")) from error
        return exports.answer(self.sheet, self.exported(changes))

    def exported(self, changes: Any) -> exports.Batches:
        assert self.sheet is not None  # noqa: S101  (for mypy)
        return exports.batches(self.sheet, changes.queryset)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.actor = actor_of(request)  # the class was made for this request alone
        form.refusal = getattr(request, "refusal", None)
        return form

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """What only the service could see (somebody was faster) is shown in the form, with what was typed.

        The page's transaction is repeated like every other one when the database asks for it.
        """
        if request.method != "POST":
            return super().changeform_view(request, *args, **kwargs)
        view = super().changeform_view
        try:
            return in_transaction(lambda: view(request, *args, **kwargs))
        except self.REFUSALS as error:
            request.refusal = error  # type: ignore[attr-defined]
        except IntegrityError:  # the same unique value, stored a moment ago: now the form itself finds it
            pass
        return view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        if request.method != "POST":
            return super().delete_view(request, object_id, *args, **kwargs)
        view = super().delete_view
        try:
            return in_transaction(lambda: view(request, object_id, *args, **kwargs))
        except self.REFUSALS as error:
            self.message_user(request, sentences(error), messages.ERROR)
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """An action that the person may not do is forbidden; Django would say that none was chosen."""
        wanted = request.POST.get("action", "")
        known = {name for _function, name, _words in self._get_base_actions()}  # type: ignore[attr-defined]
        if wanted in known and wanted not in self.get_actions(request):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def each(self, request: HttpRequest, queryset: QuerySet[AnyModel], verb: Callable[[Any], object]) -> None:
        """Calls the verb for each of the chosen rows; one that is refused does not stop the others."""
        chosen = list(queryset[: MOST_CHOSEN + 1])
        if len(chosen) > MOST_CHOSEN:
            text = gettext("Choose at most %(most)d.") % {"most": MOST_CHOSEN}
            self.message_user(request, text, messages.ERROR)
            return
        done = 0
        for row in chosen:
            try:
                verb(row)
                done += 1
            except self.REFUSALS as error:
                self.message_user(request, f"{row}: {sentences(error)}", messages.ERROR)
        if done:
            text = ngettext("Done for %(number)d.", "Done for %(number)d.", done) % {"number": done}
            self.message_user(request, text, messages.SUCCESS)


class HistoryList(ChangeList):
    """Ordered along an index whatever the address says: nobody sorts millions of rows by a click.

    Its pages are found by their neighbour's last row, and nothing is counted.
    """

    newer_url = older_url = newest_url = ""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        self.params.pop(ORDER_VAR, None)
        return super().get_ordering(request, queryset)

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        for name in (AFTER, BEFORE):  # they are no filters, and no filter's link keeps them
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        return super().get_queryset(request, *args, **kwargs)

    def get_results(self, request: HttpRequest) -> None:
        order = [str(name) for name in self.get_ordering(request, self.queryset)]
        page = Keyset(self.model, order).page(
            self.queryset,
            self.list_per_page,
            after=request.GET.get(AFTER, ""),
            before=request.GET.get(BEFORE, ""),
        )
        self.result_list = page.rows
        self.result_count = self.full_result_count = len(page.rows)
        self.show_full_result_count, self.show_admin_actions = False, True
        self.can_show_all = self.multi_page = False
        self.paginator = KeysetPaginator(page.rows)
        self.older_url = self.get_query_string({AFTER: page.older}) if page.older else ""
        self.newer_url = self.get_query_string({BEFORE: page.newer}) if page.newer else ""
        self.newest_url = self.get_query_string()


class HistoryAdmin(ServiceAdmin[AnyModel]):
    """Rows that the program writes and people read."""

    sortable_by = ()
    show_full_result_count = False
    list_per_page = 50
    actions = None

    def get_changelist(self, request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return HistoryList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ServiceForm(BaseForm[AnyModel]):
    """A form that asks the service's own rules before it says that all is well."""

    #: Set for each request by the admin: who asks, and what the service said when it was saved a moment ago.
    actor: Actor
    refusal: Exception | None = None

    def check_service(self) -> None:
        """Raises what the service would raise. Called when the fields are in order."""

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs do not know it
        if self.errors:
            return
        try:
            self.check_service()
        except PermissionDenied as error:
            self.add_error(None, str(error))
        except ValidationError as error:
            self._add(error)
        if self.refusal is not None and not self.errors:
            self._add(self.refusal)

    def _add(self, error: Exception) -> None:
        if not isinstance(error, ValidationError):
            self.add_error(None, sentences(error))
            return
        faults = error.message_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.messages}
        for name, texts in faults.items():
            self.add_error(name if name in self.fields else None, texts)
