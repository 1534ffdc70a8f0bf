"""One task for a page of its own, if the person may do what the page is for."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from jobsite.admin_base import ServiceAdmin
from scheduling.models import Task


def task_for(page: ServiceAdmin[Task], request: HttpRequest, object_id: Any, permission: str) -> Task:
    """Raises PermissionDenied, or Http404 when there is no such task (any more)."""
    if not request.user.has_perm("scheduling.view_task") or not request.user.has_perm(permission):
        raise PermissionDenied
    task: Task | None = page.get_object(request, str(object_id))
    if task is None:
        raise Http404(_("There is no such task."))
    return task


def context_for(page: ServiceAdmin[Task], request: HttpRequest, task: Task, title: str) -> dict[str, Any]:
    return {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "original": task,
        "task": task,
        "title": title,
        "media": page.media,
    }
