"""The board: every task as a card, with what can be done to it."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from scheduling.views.access import staff_only


@require_GET
@staff_only("scheduling.view_task")
def show(request: HttpRequest) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": _("Task board")}
    return TemplateResponse(request, "scheduling/board.html", context)
