"""Notices: who was told of which failure, what was held back, and what the mail server said."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import HistoryAdmin
from jobsite.templatetags.jobsite import moment
from scheduling.models import Notice


@admin.register(Notice)
class NoticeAdmin(HistoryAdmin[Notice]):
    teaches = _(
        "Mails about failed runs appear here, whether they could be sent or not. A task has them "
        "when its form names addresses to tell of failures."
    )
    list_display = ("failure", "task", "state", "failed_at", "told_at", "held_back", "attempts", "error")
    list_display_links = None
    list_filter = ("state",)
    list_select_related = ("task",)
    search_fields = ("=task__key",)
    search_help_text = _("The task's key, exactly.")
    ordering = ("-id",)

    @admin.display(description=_("execution"))
    def failure(self, notice: Notice) -> str:
        address = reverse("admin:scheduling_execution_change", args=[notice.execution_id])
        return format_html('<a href="{}">#{}</a>', address, notice.execution_id)

    @admin.display(description=_("failed"))
    def failed_at(self, notice: Notice) -> str:
        return moment(notice.created_at)

    @admin.display(description=_("sent"))
    def told_at(self, notice: Notice) -> str:
        return moment(notice.sent_at)
