"""Instances: where they are, how they are, and the test of their connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from instances.admin.credential import password_field
from instances.models import Instance
from instances.services import instances, visits
from jobsite.admin_base import BaseAdmin, ServiceForm, actor_of

#: Connections tested by one click, at most: the page waits for them.
MOST_TESTS = 50

SEEN = ("status", "last_error", "last_connected_at", "version", "created_at", "updated_at", "deleted_at")


class InstanceForm(ServiceForm[Instance]):
    credential_password = password_field(
        label=_("password of the credential"),
        help_text=_("Needed again when the connection changes, unless the credential allows the host."),
    )

    class Meta:
        model = Instance
        fields = instances.EDITABLE

    def check_service(self) -> None:
        stored = Instance.objects.get(pk=self.instance.pk) if self.instance.pk else None
        instances.check_connection(
            stored, self.instance, actor=self.actor, password=self.cleaned_data["credential_password"]
        )


class RecycleBin(admin.SimpleListFilter):
    title = _("recycle bin")
    parameter_name = "bin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [("deleted", _("in the recycle bin"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        return queryset.filter(deleted_at__isnull=self.value() != "deleted")


@admin.register(Instance)
class InstanceAdmin(BaseAdmin[Instance]):
    form = InstanceForm
    list_display = (
        "name",
        "dialect",
        "host",
        "effective_port",
        "status",
        "main_version",
        "last_connected_at",
        "active",
    )
    list_filter = ("dialect", "status", "active", RecycleBin)
    list_select_related = ("credential",)
    search_fields = ("name", "host")
    autocomplete_fields = ("credential",)
    readonly_fields = SEEN
    actions = ("test_connections", "restore_selected")

    @admin.display(description=_("port"))
    def effective_port(self, instance: Instance) -> int | None:
        return instance.effective_port

    def get_fields(self, request: HttpRequest, obj: Instance | None = None) -> Any:
        if obj is None:
            return (*instances.EDITABLE[:6], instances.PASSWORD_FIELD, *instances.EDITABLE[6:])
        if not self.has_change_permission(request, obj):  # Django cannot show form fields that are no columns
            return (*instances.EDITABLE, *SEEN)
        return (*instances.EDITABLE[:6], instances.PASSWORD_FIELD, *instances.EDITABLE[6:], *SEEN)

    def has_change_permission(self, request: HttpRequest, obj: Instance | None = None) -> bool:
        """What lies in the recycle bin is restored first."""
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    def get_form(
        self, request: HttpRequest, obj: Instance | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.actor = actor_of(request)  # the class was made for this request alone
        return form

    def save_model(self, request: HttpRequest, obj: Instance, form: Any, change: bool) -> None:
        save = instances.edit if change else instances.create
        save(obj, actor=actor_of(request), password=form.cleaned_data[instances.PASSWORD_FIELD])

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Nothing goes with them: deleting is moving to the recycle bin."""
        chosen: Sequence[Instance] = list(objs)
        names = [str(instance) for instance in chosen]
        refused = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return names, {str(self.opts.verbose_name_plural): len(names)}, refused, []

    def delete_model(self, request: HttpRequest, obj: Instance) -> None:
        instances.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        for instance in queryset:
            instances.delete(instance, actor=actor_of(request))

    @admin.action(description=_("Test the connection"), permissions=["change"])
    def test_connections(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        chosen = list(queryset.select_related("credential")[: MOST_TESTS + 1])
        if len(chosen) > MOST_TESTS:
            sentence = _("Choose at most %d instances.") % MOST_TESTS
            self.message_user(request, sentence, messages.ERROR)
            return
        for instance, outcome in instances.test_connections(chosen, actor=actor_of(request)):
            if isinstance(outcome, BaseException):
                self.message_user(request, f"{instance}: {visits.sentence(outcome)}", messages.ERROR)
            else:
                sentence = f"{instance}: {outcome.product} {outcome.main_version}, {outcome.latency_ms:g} ms"
                self.message_user(request, sentence, messages.SUCCESS)

    @admin.action(description=_("Restore from the recycle bin"), permissions=["delete"])
    def restore_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        chosen = list(queryset.exclude(deleted_at=None))
        for instance in chosen:
            instances.restore(instance, actor=actor_of(request))
        sentence = ngettext("%d instance restored.", "%d instances restored.", len(chosen)) % len(chosen)
        self.message_user(request, sentence, messages.SUCCESS)
