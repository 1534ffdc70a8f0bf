"""One execution for a page of its own, if the person may see it and may do what the page is for."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from jobsite.admin_base import ServiceAdmin
from scheduling.models import Execution


def execution_for(request: HttpRequest, execution_id: int, *permissions: str) -> Execution:
    if not request.user.has_perms(("scheduling.view_execution", *permissions)):
        raise PermissionDenied
    execution = Execution.objects.filter(pk=execution_id).first() if execution_id < 2**63 else None
    if execution is None:
        raise Http404(_("There is no such execution; old ones are removed."))
    return execution


def context_for(
    page: ServiceAdmin[Execution], request: HttpRequest, execution: Execution, title: str
) -> dict[str, Any]:
    return {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "original": execution,
        "execution": execution,
        "title": title,
        "media": page.media,
    }


def to_page(execution_id: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:scheduling_execution_change", args=[execution_id]))
