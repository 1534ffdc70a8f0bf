"""Sentences about names that do not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from django.utils.translation import gettext as _

_MOST_NAMES = 20


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """The end of an error message (with a space before it): the nearest name, else the names there are."""
    names = sorted(allowed)
    near = get_close_matches(word, names, n=1)
    if near:
        return " " + _("Did you mean %(name)s?") % {"name": repr(near[0])}
    if not names:
        return " " + _("There are none.")
    shown = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
    return " " + _("Allowed: %(names)s.") % {"names": shown}
