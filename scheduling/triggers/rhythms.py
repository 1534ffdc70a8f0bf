"""How often, in words: “Every minute”, “Every 5 minutes”.

One and many are messages of their own: a language without plural forms says “every minute”, not “every 1 minutes”.
"""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def every(unit: str, count: int) -> str:
    """A whole sentence; `unit` is one of years, months, weeks, days, days of 24 hours, hours, minutes, seconds."""
    return _once_a()[unit] if count == 1 else _once_in(count)[unit] % {"count": count}


def _once_a() -> dict[str, str]:
    return {
        "years": _("Every year"),
        "months": _("Every month"),
        "weeks": _("Every week"),
        "days": _("Every day"),
        "days of 24 hours": _("Every 24 hours"),
        "hours": _("Every hour"),
        "minutes": _("Every minute"),
        "seconds": _("Every second"),
    }


def _once_in(count: int) -> dict[str, str]:
    return {
        "years": ngettext("Every %(count)d year", "Every %(count)d years", count),
        "months": ngettext("Every %(count)d month", "Every %(count)d months", count),
        "weeks": ngettext("Every %(count)d week", "Every %(count)d weeks", count),
        "days": ngettext("Every %(count)d day", "Every %(count)d days", count),
        "days of 24 hours": ngettext(
            "Every %(count)d day of 24 hours", "Every %(count)d days of 24 hours", count
        ),
        "hours": ngettext("Every %(count)d hour", "Every %(count)d hours", count),
        "minutes": ngettext("Every %(count)d minute", "Every %(count)d minutes", count),
        "seconds": ngettext("Every %(count)d second", "Every %(count)d seconds", count),
    }
