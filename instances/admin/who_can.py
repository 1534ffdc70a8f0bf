"""The page that says who can read, write or administer a database, across the fleet."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from instances import dialects
from instances.dialects.access import ADMIN, READ, WRITE
from instances.models import Instance
from instances.models.restriction import Viewer
from instances.services import access

ANY = [("", "–")]
ACTIONS = ((WRITE, _("write")), (READ, _("read")), (ADMIN, _("administer")))
PATHS = {
    access.DIRECT: _("itself"),
    access.THROUGH_ROLE: _("through a role"),
    access.EVERYBODY: _("as everybody"),
    access.SUPERUSER: _("superuser"),
    access.PATTERN: _("by a wildcard"),
}
#: Reasons of one account, and names of instances of which nothing is known, that the page shows.
MOST_REASONS = 5
MOST_NAMES = 20


def _text(label: Any, **more: Any) -> forms.CharField:
    return forms.CharField(label=label, widget=forms.TextInput(attrs={"class": "input"}), strip=False, **more)


def _choice(label: Any, choices: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label, choices=choices, required=False, widget=forms.Select(attrs={"class": "input"})
    )


class QuestionForm(forms.Form):
    action = _choice(_("Who can"), ACTIONS)
    database = _text(_("Database"), max_length=255)
    instance = _text(_("Instance"), max_length=100, required=False)
    account = _text(_("Part of the account's name"), max_length=100, required=False)
    dialect = _choice(_("Kind"), lambda: [*ANY, *dialects.choices()])
    environment = _choice(_("Environment"), [*ANY, *Instance.Environment.choices])
    tag = _text(_("Tag"), max_length=100, required=False)

    def question(self, viewer: Viewer) -> access.Question:
        values = {**self.cleaned_data}
        name = values.pop("instance")
        values["action"] = values["action"] or WRITE
        return access.Question(**values, instances=(name,) if name else (), viewer=viewer)


@require_GET
def who_can_view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perms(("instances.view_instanceaccount", "instances.view_instance")):
        raise PermissionDenied
    form = QuestionForm(request.GET if "database" in request.GET else None)
    context: dict[str, Any] = {**admin.site.each_context(request), "title": _("Who can"), "form": form}
    if form.is_bound and form.is_valid():
        question = form.question(request.user)
        page = access.page(question, after=request.GET.get("after", ""))
        unknown = access.not_collected(question)
        following = request.GET.copy()
        following["after"] = page.after
        context |= {
            "answers": [_shown(answer) for answer in page.answers],
            "asked": True,
            "next": f"?{following.urlencode()}" if page.after else "",
            "unknown": unknown[:MOST_NAMES],
            "unknown_count": unknown.count(),
        }
    return render(request, "instances/who_can.html", context)


def _shown(answer: access.Answer) -> dict[str, Any]:
    return {
        "instance": answer.instance,
        "as_of": answer.as_of,
        "has_accounts": answer.instance.kind.supports_accounts,
        "unread": answer.unread,
        "found": [
            {
                "account": found.account,
                "reasons": [(PATHS[one.path], str(one)) for one in found.reasons[:MOST_REASONS]],
                "more": max(0, len(found.reasons) - MOST_REASONS),
            }
            for found in answer.found
        ],
    }
