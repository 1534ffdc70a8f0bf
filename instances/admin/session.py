"""Collections and what came of them, for reading; a running one is followed."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Case, Count, IntegerField, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from instances.admin.filters import since
from instances.models import SyncRecord, SyncSession
from instances.models.restriction import of_visible
from instances.services import requests, sheets
from instances.templatetags.instances import sync_badge
from jobsite.admin_base import HistoryAdmin, actor_of, key_of, sentences
from jobsite.templatetags.jobsite import duration
from scheduling import clock
from scheduling.exceptions import Refused

#: Instances of a session that its page names: failed ones first, then those under way.
MOST_RECORDS = 200

ENDED = (SyncRecord.State.COMPLETED, SyncRecord.State.FAILED, SyncRecord.State.CANCELLED)
INTEREST = {SyncRecord.State.FAILED: 0, SyncRecord.State.RUNNING: 1, SyncRecord.State.PENDING: 2}


def took(session: SyncSession) -> float | None:
    """Milliseconds from its start to its end; None while it runs."""
    if session.finished_at is None:
        return None
    return (session.finished_at - session.started_at).total_seconds() * 1000


@admin.register(SyncSession)
class SyncSessionAdmin(HistoryAdmin[SyncSession]):
    teaches = _(
        "Each collection from instances appears here, with a line for every instance, while it "
        "runs and afterwards."
    )
    sheet = sheets.SESSIONS
    list_display = ("started_at", "category", "origin", "outcome", "total", "succeeded", "failed", "length")
    list_filter = ("category", "status", "origin", since("started_at"))
    ordering = ("-started_at",)
    fields = ("id", "category", "origin", "created_by", "started_at", "finished_at")
    readonly_fields = fields
    list_select_related = ()
    change_form_outer_before_template = "instances/session.html"

    class Media:
        css = {"all": ("css/instances.css",)}

    @admin.display(description=_("outcome"))
    def outcome(self, session: SyncSession) -> SafeString:
        return sync_badge(session)

    @admin.display(description=_("duration"))
    def length(self, session: SyncSession) -> str:
        return duration(took(session))

    def get_urls(self) -> list[URLPattern]:
        live = self.admin_site.admin_view(require_GET(self.live_view))
        verbs = {"cancel": self.cancel_view, "retry": self.retry_view}
        own = [
            path(
                f"<uuid:pk>/{verb}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"instances_syncsession_{verb}",
            )
            for verb, view in verbs.items()
        ]
        return [path("<uuid:pk>/live/", live, name="instances_syncsession_live"), *own, *super().get_urls()]

    def cancel_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        session = self._found(request, pk)
        try:
            count = requests.cancel(session, actor=actor_of(request))
            text = ngettext(
                "%d instance is not visited any more.", "%d instances are not visited any more.", count
            )
            self.message_user(request, text % count, messages.SUCCESS)
        except Refused as error:
            self.message_user(request, sentences(error), messages.ERROR)
        return self._back(pk)

    def retry_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        session = self._found(request, pk)
        try:
            execution = requests.retry(session, actor=actor_of(request), idempotency_key=key_of(request))
            text = gettext("What failed is visited again by run #%d.") % execution.pk
            self.message_user(request, text, messages.SUCCESS)
        except (Refused, ValidationError) as error:
            self.message_user(request, sentences(error), messages.ERROR)
        return self._back(pk)

    def _found(self, request: HttpRequest, pk: uuid.UUID) -> SyncSession:
        """Raises PermissionDenied, before it says whether there is such a session, and Http404."""
        if not request.user.has_perms(("instances.view_syncsession", "scheduling.run_task")):
            raise PermissionDenied
        session = SyncSession.objects.filter(pk=pk).first()
        if session is None:
            raise Http404
        return session

    def _back(self, pk: uuid.UUID) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:instances_syncsession_change", args=[pk]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        session = self.get_object(request, object_id)
        known = self.state_of(request, session) if session is not None else {}
        known["may_run"] = request.user.has_perm("scheduling.run_task")
        known["as_of"] = clock.refresh()
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **known})

    def live_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """The part that lives: 204 while nothing is new since ``cursor``."""
        session = SyncSession.objects.filter(pk=pk).first()
        if not self.has_view_permission(request, session):
            raise PermissionDenied
        if session is None:
            raise Http404
        known = self.state_of(request, session)
        if request.GET.get("cursor") == known["cursor"]:
            return HttpResponse(status=204)
        answer = render(request, "instances/session_live.html", known)
        answer["X-Cursor"] = known["cursor"]
        if known["ended"]:
            answer["X-Ended"] = "1"
        return answer

    def state_of(self, request: HttpRequest, session: SyncSession) -> dict[str, Any]:
        """Its numbers are of all instances; those that the person may see are named."""
        rows = SyncRecord.objects.filter(session=session)
        states = Counter(dict(rows.order_by().values_list("state").annotate(number=Count("pk"))))
        interest = Case(
            *(When(state=state, then=Value(rank)) for state, rank in INTEREST.items()),
            default=Value(3),
            output_field=IntegerField(),
        )
        seen = of_visible(rows, request.user).select_related("instance")
        records = list(seen.order_by(interest, "instance__name")[:MOST_RECORDS])
        return {
            "session": session,
            "counts": {
                "all": states.total(),
                "done": sum(states[state] for state in ENDED),
                "failed": states[SyncRecord.State.FAILED],
            },
            "records": records,
            "hides_some": len(records) < min(states.total(), MOST_RECORDS),
            "took": took(session),
            "ended": session.status != SyncSession.Status.RUNNING,
            "cursor": ".".join([session.status, *(str(states[state]) for state in SyncRecord.State.values)]),
        }
