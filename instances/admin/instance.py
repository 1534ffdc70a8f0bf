"""Instances: where they are, how they are, how they grow, and the test of their connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from instances import dialects
from instances.admin import import_page
from instances.admin.credential import password_field
from instances.admin.filters import since
from instances.admin.instance_list import InstanceColumns, InstanceList, RecycleBin
from instances.admin.instance_page import InstancePage
from instances.admin.visible import OfVisible
from instances.models import Instance
from instances.services import instances, sheets
from jobsite.admin_base import ChangeList, SelectMultipleInput, ServiceForm, actor_of

#: Connections tested by one click, at most: the page waits for them.
MOST_TESTS = 50
#: Instances that one click collects, at most: their names are the run's parameters.
MOST_COLLECTED = 500

SEEN = ("version", "created_at", "updated_at", "deleted_at")
SECTIONS = (
    (
        None,
        (*instances.EDITABLE[:6], instances.PASSWORD_FIELD, *instances.EDITABLE[6:], "tags", "restricted_to"),
    ),
    (_("Known"), SEEN),
)


TAGS = Instance._meta.get_field("tags")
RESTRICTED_TO = Instance._meta.get_field("restricted_to")
#: As Django's admin says it.
SEVERAL = _("Hold down “Control”, or “Command” on a Mac, to select more than one.")


class InstanceForm(ServiceForm[Instance]):
    credential_password = password_field(
        label=_("Password of the credential"),
        help_text=_("Needed again when the connection changes, unless the credential allows the host."),
    )

    # By hand: Django's admin makes no field for rows between two tables that have a model of their own.
    restricted_to = forms.ModelMultipleChoiceField(
        label=_("Restricted to"), required=False, queryset=Group.objects.order_by("name"),
        help_text=format_lazy("{} {}", RESTRICTED_TO.help_text, SEVERAL), widget=SelectMultipleInput,
    )  # fmt: skip

    class Meta:
        model = Instance
        fields = (*instances.EDITABLE, "tags")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "dialect" in self.fields:  # not for those who may only look
            self.fields["dialect"].choices = [("", "---------"), *dialects.described()]  # type: ignore[attr-defined]
        for name in ("tags", "restricted_to"):
            if name in self.fields:
                self._offer(name)

    def _offer(self, name: str) -> None:
        """What can be chosen, and what is, in one query."""
        field: Any = self.fields[name]
        relation: Any = Instance._meta.get_field(name)
        own = relation.remote_field.through.objects.filter(
            **{"instance": self.instance.pk, relation.m2m_reverse_field_name(): OuterRef("pk")}
        )
        rows = list(field.queryset.annotate(chosen=Exists(own)))
        self.initial[name] = [row.pk for row in rows if row.chosen]
        field.choices = [(row.pk, str(row)) for row in rows]

    @property
    def roles(self) -> list[str] | None:
        """Names of the roles that were chosen; None: the person may not choose."""
        chosen = self.cleaned_data.get("restricted_to")
        return None if chosen is None else [role.name for role in chosen]

    def check_service(self) -> None:
        stored = Instance.objects.get(pk=self.instance.pk) if self.instance.pk else None
        if self.roles is not None and "restricted_to" in self.changed_data:
            instances.check_restriction(stored, self.roles, actor=self.actor)
        instances.check_place(self.instance, actor=self.actor)
        instances.check_connection(
            stored, self.instance, actor=self.actor, password=self.cleaned_data["credential_password"]
        )


@admin.register(Instance)
class InstanceAdmin(OfVisible, InstanceColumns, InstancePage):
    teaches = _(
        "An instance is a database server that Jobsite looks after. Make a credential for it "
        "first, then add the instance and test the connection."
    )
    form = InstanceForm
    instance_path = "pk"
    sheet = sheets.INSTANCES
    list_display = ("name", "state", "dialect", "place", "main_version", "total", "curve", "active")
    list_filter = ("dialect", "environment", "tags", "status", "active", since("updated_at"), RecycleBin)
    list_select_related = ("credential",)
    exclude = ("tags", "restricted_to")  # the form reads them itself
    search_fields = ("name", "host")
    search_help_text = _("Name or host.")
    autocomplete_fields = ("credential",)
    readonly_fields = SEEN
    list_per_page = 50
    list_before_template = "instances/list_before.html"
    show_full_result_count = False
    actions = ("test_connections", "collect_sizes", "restore_selected")

    class Media:
        css = {"all": ("css/instances.css",)}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.import_view)
        return [path("import/", view, name="instances_instance_import"), *super().get_urls()]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        return import_page.show(self, request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if "dialect" in form.base_fields:  # not for those who may only look
            form.base_fields["tags"] = self.formfield_for_dbfield(TAGS, request)
        if not request.user.has_perm(instances.RESTRICT):
            del form.base_fields["restricted_to"]
        return form

    def get_changelist(self, request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return InstanceList

    def get_fieldsets(self, request: HttpRequest, obj: Instance | None = None) -> Any:
        writes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        # Django cannot show form fields that are no columns.
        hidden = () if writes else (instances.PASSWORD_FIELD,)
        if not (writes and request.user.has_perm(instances.RESTRICT)):
            hidden = (*hidden, "restricted_to")  # the page names the roles above its form
        sections = SECTIONS if obj else SECTIONS[:1]
        return [
            (title, {"fields": [name for name in names if name not in hidden]}) for title, names in sections
        ]

    def has_change_permission(self, request: HttpRequest, obj: Instance | None = None) -> bool:
        """What lies in the recycle bin is restored first."""
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    def save_model(self, request: HttpRequest, obj: Instance, form: Any, change: bool) -> None:
        save = instances.edit if change else instances.create
        save(obj, actor=actor_of(request), password=form.cleaned_data[instances.PASSWORD_FIELD])

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        names = [tag.name for tag in form.cleaned_data["tags"]]
        instances.set_tags(form.instance, names, actor=actor_of(request))
        if form.roles is not None:
            instances.restrict(form.instance, form.roles, actor=actor_of(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Nothing goes with them: deleting is moving to the recycle bin."""
        chosen: Sequence[Instance] = list(objs)
        names = [str(instance) for instance in chosen]
        refused = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return names, {str(self.opts.verbose_name_plural): len(names)}, refused, []

    def delete_model(self, request: HttpRequest, obj: Instance) -> None:
        instances.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        self.each(request, queryset, lambda instance: instances.delete(instance, actor=actor_of(request)))

    def has_collect_permission(self, request: HttpRequest) -> bool:
        return self.may_collect(request)

    @admin.action(description=_("Test the connection"), permissions=["change"])
    def test_connections(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        if chosen := self._at_most(request, queryset.select_related("credential"), MOST_TESTS):
            self.tell(request, instances.test_connections(chosen, actor=actor_of(request)))

    @admin.action(description=_("Collect sizes now"), permissions=["collect"])
    def collect_sizes(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        if chosen := self._at_most(request, queryset, MOST_COLLECTED):
            self.collect(request, chosen)

    @admin.action(description=_("Restore from the recycle bin"), permissions=["delete"])
    def restore_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> None:
        binned = queryset.exclude(deleted_at=None)
        self.each(request, binned, lambda instance: instances.restore(instance, actor=actor_of(request)))

    def _at_most(self, request: HttpRequest, queryset: QuerySet[Instance], most: int) -> list[Instance]:
        """The chosen ones; none, and a message, when they are too many for one click."""
        chosen = list(queryset[: most + 1])
        if len(chosen) <= most:
            return chosen
        self.message_user(request, _("Choose at most %d instances.") % most, messages.ERROR)
        return []
