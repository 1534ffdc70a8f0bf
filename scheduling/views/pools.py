"""Pausing and resuming a pool, by button."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from scheduling.exceptions import Refused
from scheduling.services import pools
from scheduling.services.actor import Actor
from scheduling.views import answers
from scheduling.views.access import forbid, staff_only


@require_POST
@staff_only("scheduling.view_pool")
def act(request: HttpRequest, pool_id: int, verb: str) -> HttpResponse:
    """``verb``: pause or resume."""
    if not request.user.has_perm("scheduling.change_pool"):
        return forbid(request)
    actor = Actor(user=request.user, source="admin")
    try:
        if verb == "pause":
            pool = pools.pause(pool_id, actor=actor)
            text = _("The pool %(pool)s is paused: nothing of it starts; what runs goes on.")
        else:
            pool = pools.resume(pool_id, actor=actor)
            text = _("The pool %(pool)s goes on.")
    except Refused as error:
        return answers.refused(request, error.code, str(error), 404)
    return answers.done(request, text % {"pool": pool})
