"""What the list says of one execution."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import HistoryAdmin
from jobsite.templatetags import jobsite as shown
from scheduling.masking import masked_text
from scheduling.models import ACTIVE, Execution, Reason, State
from scheduling.sentences import in_words


def reason_words(code: str) -> str:
    """A reason as people read it."""
    return str(Reason(code).label) if code in Reason.values else code


class Columns(HistoryAdmin[Execution]):
    list_display = ("number", "of_task", "how", "why", "planned", "begun", "took", "came_by", "ran_on")
    list_display_links = None

    @admin.display(description=_("execution"))
    def number(self, execution: Any) -> str:
        address = reverse("admin:scheduling_execution_change", args=[execution.pk])
        return format_html('<a class="number-link" href="{}">#{}</a>', address, execution.pk)

    @admin.display(description=_("task"))
    def of_task(self, execution: Any) -> str:
        task = execution.task_now
        if task is None or task.deleted_at:
            return format_html('<span class="gone">{}</span>', execution.task_key)
        address = reverse("admin:scheduling_task_change", args=[execution.task_id])
        return format_html('<a href="{}" title="{}">{}</a>', address, task.name, execution.task_key)

    @admin.display(description=_("state"))
    def how(self, execution: Any) -> str:
        return shown.state_badge(execution.state)

    @admin.display(description=_("why"))
    def why(self, execution: Any) -> str:
        if execution.state == State.RUNNING and execution.cancel_requested_at:
            return str(_("asked to end"))
        words = reason_words(execution.reason)
        said = in_words(masked_text(execution.detail)) or execution.error_class
        return format_html('<span class="why" title="{}">{}</span>', said, words) if words else shown.NONE

    @admin.display(description=_("scheduled for"))
    def planned(self, execution: Any) -> str:
        return shown.compact(execution.scheduled_for)

    @admin.display(description=_("started"))
    def begun(self, execution: Any) -> str:
        return shown.relative(execution.started_at)

    @admin.display(description=_("duration"))
    def took(self, execution: Any) -> str:
        if execution.state == State.RUNNING:
            took = shown.elapsed(execution.started_at)
        else:
            took = shown.duration(None if execution.state in ACTIVE else execution.run_ms)
        if execution.attempt < 2:
            return took
        attempt = gettext("attempt %(number)d") % {"number": execution.attempt}
        return format_html('{} <span class="attempts">{}</span>', took, attempt)

    @admin.display(description=_("origin"))
    def came_by(self, execution: Any) -> str:
        return str(execution.get_origin_display())

    @admin.display(description=_("node"))
    def ran_on(self, execution: Any) -> str:
        if not execution.node_id:
            return shown.NONE
        node = execution.node_now
        name = f"{node.host}:{node.pid}" if node is not None else str(execution.node_id)[:8]
        address = reverse("admin:scheduling_node_change", args=[execution.node_id])
        return (
            format_html('<a href="{}" title="{}">{}</a>', address, name, name) if node is not None else name
        )
