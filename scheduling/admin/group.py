"""Groups, and pausing all of one's tasks at once."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from jobsite.admin_base import ServiceAdmin, ServiceForm, actor_of
from scheduling.models import Group
from scheduling.services import groups


class GroupForm(ServiceForm[Group]):
    class Meta:
        model = Group
        fields = groups.EDITABLE


@admin.register(Group)
class GroupAdmin(ServiceAdmin[Group]):
    form = GroupForm
    list_display = ("key", "name", "paused")
    search_fields = ("key", "name")
    readonly_fields = ("paused",)
    actions = ("pause", "resume")

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        groups.save(obj, actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        groups.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        self.each(request, queryset, lambda group: groups.delete(group, actor=actor_of(request)))

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.pause_task"))

    @admin.action(description=_("Pause all tasks of the group"), permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        held = sum(groups.pause(group.pk, actor=actor_of(request)) for group in queryset)
        self.message_user(request, ngettext("%d task paused.", "%d tasks paused.", held) % held)

    @admin.action(description=_("Resume all tasks of the group"), permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        released = sum(groups.resume(group.pk, actor=actor_of(request)) for group in queryset)
        self.message_user(request, ngettext("%d task resumed.", "%d tasks resumed.", released) % released)
