"""What the admin pages of both apps share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.functional import cached_property

from scheduling.services.actor import Actor

AnyModel = TypeVar("AnyModel", bound=Model)

if TYPE_CHECKING:
    BaseAdmin = admin.ModelAdmin[AnyModel]
    BaseForm = ModelForm[AnyModel]
else:  # Django's classes take no parameters at run time

    class BaseAdmin(admin.ModelAdmin):
        def __class_getitem__(cls, _model: object) -> type:
            return cls

    class BaseForm(ModelForm):
        def __class_getitem__(cls, _model: object) -> type:
            return cls


def actor_of(request: HttpRequest) -> Actor:
    return Actor(user=request.user, source="admin")


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MOST rows: tables of history are large, and nobody turns that many pages."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        assert isinstance(rows, QuerySet)  # noqa: S101 (for mypy)
        return rows.order_by()[: self.MOST].count()


class HistoryAdmin(BaseAdmin[AnyModel]):
    """Rows that the program writes and people read."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ServiceForm(BaseForm[AnyModel]):
    """A form that asks the service's own rules before it says that all is well."""

    #: Set for each request by the admin.
    actor: Actor

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
            self.add_error(None, error)
