"""Groups, and pausing all of one's tasks at once."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_apscheduler.models import DjangoJob

from jobsite.admin_base import ServiceAdmin, ServiceForm, actor_of
from jobsite.templatetags.jobsite import state_badge
from scheduling import clock
from scheduling.models import Group, Task
from scheduling.services import groups, health

#: Tasks that a group's page shows; the board has them all.
SHOWN = 50


class GroupForm(ServiceForm[Group]):
    class Meta:
        model = Group
        fields = groups.EDITABLE


@admin.register(Group)
class GroupAdmin(ServiceAdmin[Group]):
    teaches = _(
        "A group pauses and resumes its tasks together. Make one, then choose it in the form of a task."
    )
    form = GroupForm
    list_display = ("name", "key", "state", "number_of_tasks")
    search_fields = ("key", "name")
    actions = ("pause", "resume")
    list_before_template = "scheduling/parts/act.html"
    change_form_outer_before_template = "scheduling/parts/group.html"

    class Media:
        js = (Script("js/confirm.js", type="module"),)

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        groups.save(obj, actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        groups.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        self.each(request, queryset, lambda group: groups.delete(group, actor=actor_of(request)))

    # --- what is shown

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Who may not pause sees no button."""
        return (*self.list_display, "button") if self.has_pause_permission(request) else self.list_display

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        # A deleted task has let go of its group, so the index by group alone can count.
        tasks = Task.objects.filter(group=OuterRef("pk")).order_by().values("group")
        number = Coalesce(Subquery(tasks.annotate(number=Count("group")).values("number")), 0)
        return super().get_queryset(request).annotate(number=number)

    @admin.display(description=_("state"))
    def state(self, group: Group) -> str:
        return state_badge("paused" if group.paused else "enabled")

    @admin.display(description=_("tasks"), ordering="number")
    def number_of_tasks(self, group: Any) -> str:
        return format_html(
            '<a class="link" href="{}?group={}">{}</a>', reverse("board"), group.pk, group.number
        )

    @admin.display(description="")
    def button(self, group: Any) -> str:
        """The one button that makes sense; the form it belongs to stands above the list."""
        return render_to_string(
            "scheduling/parts/group_button.html", {"group": group, "number": group.number}
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        group = self.get_object(request, object_id)
        context = _tasks_of(group) if group is not None else {}
        context["may_pause"] = self.has_pause_permission(request)
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    # --- the verbs

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


def _tasks_of(group: Group) -> dict[str, Any]:
    """The first tasks of the group, how they stand and when they run next."""
    tasks = list(Task.objects.present().filter(group=group).select_related("group").order_by("key")[:SHOWN])
    ids = [str(task.pk) for task in tasks]
    times = dict(DjangoJob.objects.filter(pk__in=ids).values_list("pk", "next_run_time"))
    functions = health.functions_of(health.beating(clock.now()))
    rows = [
        {"task": task, "standing": health.standing(task, functions), "next_at": times.get(str(task.pk))}
        for task in tasks
    ]
    return {"rows": rows, "shown": SHOWN, "group": group}
