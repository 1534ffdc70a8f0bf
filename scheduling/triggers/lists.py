"""Lists in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import pgettext


def listed(items: Sequence[str]) -> str:
    """“a, b and c”."""
    if len(items) < 2:
        return "".join(items)
    comma = pgettext("between items of a list", ", ")
    return _("%(items)s and %(last)s") % {"items": comma.join(items[:-1]), "last": items[-1]}
