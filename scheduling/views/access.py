"""Who may see a page outside the admin, and what a program gets to hear instead of a login page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

View = Callable[..., HttpResponse]


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks, which cannot do anything with a page."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def refuse(status: int, code: str, message: str) -> JsonResponse:
    return JsonResponse({"error": {"code": code, "message": message}}, status=status)


def staff_only(permission: str = "") -> Callable[[View], View]:
    """Lets in who may use the admin and has the permission; others log in, or are told that it is forbidden."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not admin.site.has_permission(request):
                if wants_json(request):
                    return refuse(401, "not_authenticated", _("Log in first."))
                back = request.get_full_path() if request.method == "GET" else reverse("board")
                return redirect_to_login(back, reverse("admin:login"))
            if permission and not request.user.has_perm(permission):
                return forbid(request)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def forbid(request: HttpRequest) -> HttpResponse:
    """403, in the form in which the request can use it."""
    if wants_json(request):
        return refuse(403, "permission_denied", _("You may not do that."))
    raise PermissionDenied
