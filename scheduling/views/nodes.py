"""Asking a node to drain, by button."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from scheduling.exceptions import Refused
from scheduling.services import nodes
from scheduling.services.actor import Actor
from scheduling.views import answers
from scheduling.views.access import forbid, staff_only


@require_POST
@staff_only("scheduling.view_node")
def drain(request: HttpRequest, node_id: UUID) -> HttpResponse:
    if not request.user.has_perm("scheduling.drain_node"):
        return forbid(request)
    try:
        node = nodes.drain(node_id, actor=Actor(user=request.user, source="admin"))
    except Refused as error:
        return answers.refused(request, error.code, str(error), 409)
    text = _("%(node)s was asked to drain: it starts nothing more, lets its runs end, and stops.")
    return answers.done(request, text % {"node": node})
