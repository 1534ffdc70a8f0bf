"""What the list and the head of a task's page say of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobsite.templatetags.jobsite import NONE, state_badge, strip
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Task


def state_of(task: Any) -> tuple[str, str]:
    """A code for the colour, and what a person reads."""
    if not task.enabled:
        return "disabled", gettext("disabled")
    if task.is_at_rest:
        return "paused", gettext("paused") if task.paused else gettext("paused with its group")
    if task.schedule_error:
        return "broken", gettext("broken: the schedule cannot be computed")
    if task.lacks_function:
        return "broken", gettext("broken: no node has the function")
    return "enabled", gettext("enabled")


def distance(at: datetime) -> SafeString:
    """How far away a time is (static/js/times.js); all of it on hover. Without JavaScript: the time in UTC."""
    words = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}" data-moment="relative" data-zone="">{}</time>',
        at.isoformat(),
        words,
        words,
    )


def moment_lines(at: datetime | None, zone: str) -> SafeString | str:
    """How far away a time is, and below it the time itself in the zone, which it names."""
    if at is None:
        return NONE
    local = at.astimezone(ZoneInfo(zone))
    return format_html(
        '<span class="two"><span>{}</span><span class="hint when">{}</span></span>',
        distance(at),
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
    )


def breakable(key: str) -> SafeString:
    """A key that goes on below between its words, and not within one, where its column is narrow."""
    return SafeString(re.sub(r"([_.])", r"\1<wbr>", escape(key)))


class TaskColumns:
    """Mixed into the admin of tasks; each needs what ``changelist.look`` has set."""

    @admin.display(description=_("task"), ordering="name")
    def about(self, task: Task) -> SafeString:
        mark = format_html(' <span class="mark">{}</span>', gettext("built-in")) if task.built_in else ""
        return format_html('<span class="task-name">{}{}</span>', task.name, mark)

    @admin.display(description=_("key"), ordering="key")
    def identity(self, task: Task) -> SafeString:
        function = format_html('<span class="hint code">{}()</span>', task.function)
        return format_html(
            '<span class="two"><span class="code">{}</span>{}</span>',
            breakable(task.key),
            function if task.function != task.key else "",
        )

    @admin.display(description=_("state"))
    def state(self, task: Any) -> SafeString:
        code, words = state_of(task)
        return SafeString(
            render_to_string("scheduling/task/switch.html", {"task": task, "code": code, "words": words})
        )

    @admin.display(description=_("schedule"))
    def schedule(self, task: Task) -> SafeString:
        try:
            words = task.build_trigger().describe()
        except InvalidTrigger as error:
            return format_html('<span class="fault">{}</span>', str(error))
        return format_html(
            '<span class="two"><span>{}</span><span class="hint">{}</span></span>', words, task.time_zone
        )

    @admin.display(description=_("next run"))
    def next_run(self, task: Any) -> SafeString | str:
        return moment_lines(task.live_time, task.time_zone)

    @admin.display(description=_("last run"))
    def last_run(self, task: Any) -> SafeString | str:
        if not task.strip:
            return format_html('<span class="hint">{}</span>', gettext("never ran"))
        run = task.strip[-1]
        return format_html(
            '<span class="two"><a href="{}">{}</a><span class="hint">{}</span></span>',
            reverse("admin:scheduling_execution_change", args=[run.id]),
            state_badge(run.state),
            distance(run.finished_at or run.started_at or run.scheduled_for),
        )

    @admin.display(description=_("last 20"))
    def last_runs(self, task: Any) -> SafeString | str:
        if not task.strip:
            return NONE
        address = reverse("admin:scheduling_execution_changelist")
        return format_html(
            '<a href="{}?q={}" class="strip-link">{}</a>', address, task.key, strip(task.strip)
        )

    @admin.display(description=_("last runs"))
    def recent(self, task: Any) -> SafeString:
        """The last run, and below it the last 20."""
        if not task.strip:
            return format_html("{}", self.last_run(task))
        return format_html('<span class="two">{}{}</span>', self.last_run(task), self.last_runs(task))

    @admin.display(description=_("actions"))
    def verbs(self, task: Any) -> SafeString:
        return SafeString(render_to_string("scheduling/task/buttons.html", {"task": task}))
