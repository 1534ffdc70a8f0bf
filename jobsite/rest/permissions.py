"""Who may do what. Every view has a table of its verbs; a verb that stands in none is nobody's."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission


class Needs(BasePermission):
    """The permissions in ``view.needs`` for the action (or, of a plain view, the method); all of them."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if not (request.user and request.user.is_authenticated):
            return False
        action = action_of(request, view)
        if action is None:
            return True  # no such method: the view says so itself
        if action not in view.needs:
            raise ImproperlyConfigured(f"{type(view).__name__}.needs says nothing of {action}.")
        require(request.user, *view.needs[action])
        return True


def action_of(request: Any, view: Any) -> str | None:
    """The verb that is asked for; None when the view has none for this method."""
    if hasattr(view, "action"):
        return str(view.action) if view.action not in (None, "metadata") else None
    method = str(request.method).lower().replace("head", "get")
    return method if hasattr(view, method) and method != "options" else None


def require(user: Any, *permissions: str) -> None:
    """Raises PermissionDenied that names what is missing."""
    missing = [name for name in permissions if not user.has_perm(name)]
    if missing:
        text = _("The permission “%(permission)s” is needed.")
        raise PermissionDenied(text % {"permission": ", ".join(missing)})


def of_model(label: str, *verbs: str) -> dict[str, tuple[str, ...]]:
    """Django's own permissions of a model (``app.model``) for the usual actions, or for those named."""
    app, model = label.split(".")
    usual = {
        "list": "view",
        "export": "view",
        "retrieve": "view",
        "create": "add",
        "update": "change",
        "partial_update": "change",
        "destroy": "delete",
    }
    return {verb: (f"{app}.{usual[verb]}_{model}",) for verb in verbs or usual}
