"""The admin of tasks: its list, its form, and what is written. Every write goes through a service, by POST."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.admin.actions import delete_selected as delete_chosen
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import BoundedPaginator, ChangeList, ServiceAdmin, actor_of
from scheduling.admin.task import (
    clone_page,
    dependencies_page,
    explain_page,
    history_page,
    run_page,
    templates_page,
)
from scheduling.admin.task.changelist import TaskChangeList, look
from scheduling.admin.task.columns import TaskColumns, state_of
from scheduling.admin.task.filters import CategoryFilter, GroupFilter, QueueFilter, StateFilter
from scheduling.admin.task.form import SECTIONS, TaskForm
from scheduling.admin.task.verbs import TaskVerbs
from scheduling.models import Task
from scheduling.services import definitions, dependencies, sheets, tasks

SEEN = ("schedule_error", "built_in", "versions", "created_at", "updated_at")
#: Sections that most people leave as they are; one with a fault stands open.
FOLDED = 2
#: What a built-in task is and does is its own program's affair.
FIXED = ("key", "function")
#: Matches that a list shows; nobody turns more pages, and the database is not asked for more.
MOST_FOUND = 1_000


@admin.register(Task)
class TaskAdmin(TaskColumns, TaskVerbs, ServiceAdmin[Task]):
    teaches = _(
        "A task says which function runs, when, and by which rules. Functions come from the "
        "tasks.py of any app; many tasks at once are loaded from YAML: manage.py load_tasks FILE"
    )
    form = TaskForm
    sheet = sheets.TASKS
    paginator = BoundedPaginator
    list_display = (
        "about", "identity", "state", "schedule", "next_run", "recent", "verbs",
    )  # fmt: skip
    sortable_by = ("about", "identity")  # along an index each
    list_filter = (StateFilter, CategoryFilter, GroupFilter, QueueFilter, "trigger")
    list_select_related = ("group", "calendar")
    list_per_page = 50
    list_after_template = "scheduling/task/verbs_form.html"
    change_form_outer_before_template = "scheduling/task/head.html"
    change_form_outer_after_template = "scheduling/task/after.html"
    search_fields = ("key", "name", "function")
    search_help_text = _("Key, name or function")
    ordering = ("key",)
    show_full_result_count = False
    autocomplete_fields = ("group", "pool", "owner")
    readonly_fields = SEEN
    fieldsets = [
        (title, {"fields": names, "classes": ("collapse",) if number >= FOLDED else ()})
        for number, (title, names) in enumerate((*SECTIONS, (_("State"), SEEN)))
    ]

    class Media:
        css = {"all": ("css/forms.css", "css/tasks.css")}
        js = (
            Script("js/parameters.js", type="module"),
            Script("js/schedule.js", type="module"),
            Script("js/confirm.js", type="module"),
        )

    # --- what is shown

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).filter(deleted_at=None).select_related("group")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """A list shows the first of them; what is done to all that match, or exported, is all."""
        if not search_term.split():
            return queryset, False
        if request.method == "POST" or getattr(request, "is_export", False):
            return queryset.filter(pk__in=Task.objects.matching(search_term)), False
        # Read from the index ``task_search`` alone, in the order of the keys.
        found = Task.objects.present().matching(search_term).order_by("key").values_list("pk", flat=True)
        return queryset.filter(pk__in=list(found[:MOST_FOUND])), False

    def get_changelist(self, request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return TaskChangeList

    def get_urls(self) -> list[Any]:
        def page(view: Any) -> Any:
            def shown(request: HttpRequest, object_id: str) -> HttpResponse:
                answer: HttpResponse = view(self, request, object_id)
                return answer

            return self.admin_site.admin_view(shown)

        def chosen(view: Any) -> Any:
            return self.admin_site.admin_view(partial(view, self))

        return [
            path("<int:object_id>/run/", page(run_page.show), name="scheduling_task_run"),
            path("<int:object_id>/clone/", page(clone_page.show), name="scheduling_task_clone"),
            path("<int:object_id>/explain/", page(explain_page.show), name="scheduling_task_explain"),
            path("<int:object_id>/rollback/", page(history_page.rollback), name="scheduling_task_rollback"),
            path(
                "<int:object_id>/dependencies/",
                page(dependencies_page.show),
                name="scheduling_task_dependencies",
            ),
            path("templates/", chosen(templates_page.show_all), name="scheduling_task_templates"),
            path("templates/<str:key>/", chosen(templates_page.show), name="scheduling_task_template"),
            *super().get_urls(),
        ]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Versions instead of the admin's own log, which knows nothing of other doors."""
        return history_page.show(self, request, object_id)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A link may name fields of the new task, its function among them, whose own word then counts for the rest."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return definitions.function_defaults(str(given.get("function", ""))) | given

    def get_fieldsets(self, request: HttpRequest, obj: Task | None = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is None:
            return fieldsets[:-1]  # there is no state yet
        if self.has_change_permission(request, obj):
            first, rest = fieldsets[0], fieldsets[1:]
            return [(first[0], {**first[1], "fields": (*first[1]["fields"], "seen_version")}), *rest]
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Task | None = None) -> Any:
        return (*SEEN, *FIXED) if obj is not None and obj.built_in else SEEN

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        task: Any = kwargs.get("obj")
        if task is not None:
            look([task], request)
            code, words = state_of(task)
            context |= {"task": task, "code": code, "words": words}
            context |= dependencies_page.section(task, may_change=self.has_change_permission(request, task))
            if request.user.has_perm("scheduling.view_execution"):
                context |= explain_page.section(task)
            context |= {
                name: getattr(self, name)(task) for name in ("schedule", "next_run", "last_run", "last_runs")
            }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=_("version"))
    def versions(self, task: Task) -> str:
        """The number, leading to who changed what, when and why."""
        address = reverse("admin:scheduling_taskversion_changelist")
        return format_html('<a href="{}?task__id__exact={}">{}</a>', address, task.pk, task.version)

    # --- what is written

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:
        if change:
            tasks.edit(obj, actor=actor_of(request))
        else:
            tasks.create(obj, actor=actor_of(request))

    def has_delete_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj is not None and obj.built_in)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Nothing goes with them: the history stays."""
        chosen = list(objs)
        protected = [str(task) for task in chosen if task.built_in]
        refused = set() if super().has_delete_permission(request) else {str(self.opts.verbose_name)}
        return (
            [str(task) for task in chosen],
            {str(self.opts.verbose_name_plural): len(chosen)},
            refused,
            protected,
        )

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        broken = request.POST.get("break_dependents") == "yes"
        tasks.delete(obj.pk, actor=actor_of(request), break_dependents=broken)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Says which tasks run after it, and would not any more."""
        task = self.get_object(request, object_id)
        broken = dependencies.dependents(task.pk) if task is not None else []
        context = {"dependents": broken} | (extra_context or {})
        return super().delete_view(request, object_id, extra_context=context)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.each(request, queryset, lambda task: tasks.delete(task.pk, actor=actor_of(request)))

    @admin.action(description=_("Delete"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        if request.POST.get("select_across") == "1":
            return self.do(
                request, queryset, "delete_selected", lambda id, actor, _key: tasks.delete(id, actor=actor)
            )
        return delete_chosen(self, request, queryset)
