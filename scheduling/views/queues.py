"""The queues: what each has to do, who takes from it, and pausing it by button."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from scheduling import clock
from scheduling.exceptions import Refused
from scheduling.services import queues
from scheduling.services.actor import Actor
from scheduling.views import answers
from scheduling.views.access import forbid, staff_only

#: As long as the column.
REASON_CHARACTERS = 500


@require_GET
@staff_only("scheduling.view_task")
def show(request: HttpRequest) -> HttpResponse:
    now, loads = clock.refresh(), queues.loads()
    context = {
        **admin.site.each_context(request),
        "title": _("Queues"),
        "rows": [(queue, loads.get(queue.name, queues.Load())) for queue in queues.all_queues()],
        "as_of": now,
        "may_pause": request.user.has_perm("scheduling.pause_queue"),
        "may_see_executions": request.user.has_perm("scheduling.view_execution"),
        "may_see_nodes": request.user.has_perm("scheduling.view_node"),
    }
    return TemplateResponse(request, "scheduling/queues.html", context)


@require_POST
@staff_only("scheduling.view_task")
def act(request: HttpRequest, name: str, verb: str) -> HttpResponse:
    """``verb``: pause (with a ``reason``) or resume."""
    if not request.user.has_perm("scheduling.pause_queue"):
        return forbid(request)
    reason = request.POST.get("reason", "").strip()[:REASON_CHARACTERS]
    actor = Actor(user=request.user, source="admin", reason=reason)
    try:
        if verb == "pause":
            queues.pause(name, actor=actor)
            text = _("The queue %(name)s is paused: nothing of it starts; what runs goes on.")
        else:
            queues.resume(name, actor=actor)
            text = _("The queue %(name)s goes on.")
    except Refused as error:
        return answers.refused(request, error.code, str(error), 409)
    except ValidationError as error:
        return answers.refused(request, "invalid", " ".join(error.messages), 400)
    return answers.done(request, text % {"name": name})
