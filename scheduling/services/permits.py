"""Functions that not everybody may use: their tasks are made, changed and given other parameters with a permission."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scheduling import registry
from scheduling.exceptions import UnknownFunction
from scheduling.services.actor import Actor


def check(*functions: str, actor: Actor) -> None:
    """Raises ValidationError, at ``function``, when a person lacks the permission that one of them needs.

    Whoever comes by the command line rules the machine anyway.
    """
    if actor.user is None:
        return
    for name in functions:
        try:
            function = registry.get(name)
        except UnknownFunction:
            continue
        if function.permission and not actor.user.has_perm(function.permission):
            text = _("The permission %(permission)s is needed for tasks of %(function)s.")
            names = {"permission": function.permission, "function": name}
            raise ValidationError({"function": [text % names]})
