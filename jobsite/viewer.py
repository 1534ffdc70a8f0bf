"""Who looks at a page, as far as it matters for what the page shows."""

from __future__ import annotations

from urllib.parse import unquote
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest

#: Set by static/js/times.js.
ZONE_COOKIE = "jobsite_zone"


def zone_of(request: HttpRequest) -> ZoneInfo:
    """The zone whose days a page shows: the setting's, else the browser's, else UTC."""
    for name in (settings.JOBSITE_DISPLAY_TIME_ZONE, unquote(request.COOKIES.get(ZONE_COOKIE, ""))):
        if name and len(name) <= 64:
            try:
                return ZoneInfo(name)
            except (KeyError, ValueError, OSError):  # no such zone; no name of one; a folder of zones
                continue
    return ZoneInfo("UTC")
