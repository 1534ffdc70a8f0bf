"""Pausing and resuming all tasks of a group, by button."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from scheduling.models import Group
from scheduling.services import groups
from scheduling.services.actor import Actor
from scheduling.views import answers
from scheduling.views.access import forbid, staff_only


@require_POST
@staff_only("scheduling.view_group")
def act(request: HttpRequest, group_id: int, verb: str) -> HttpResponse:
    """``verb``: pause or resume."""
    if not request.user.has_perm("scheduling.pause_task"):
        return forbid(request)
    name = Group.objects.filter(pk=group_id).values_list("name", flat=True).first()
    if name is None:
        return answers.refused(request, "group_deleted", _("The group has been deleted."), 404)
    actor = Actor(user=request.user, source="admin")
    if verb == "pause":
        number = groups.pause(group_id, actor=actor)
        text = ngettext("%(group)s: %(number)d task paused.", "%(group)s: %(number)d tasks paused.", number)
    else:
        number = groups.resume(group_id, actor=actor)
        text = ngettext("%(group)s: %(number)d task resumed.", "%(group)s: %(number)d tasks resumed.", number)
    return answers.done(request, text % {"group": name, "number": number}, tasks=number)
