"""How times, durations, sizes and states are shown, the same on every page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobsite import zones

register = template.Library()

#: Units of bytes, each 1024 of the one before.
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
NONE = "–"


@register.filter
def moment(at: datetime | None, form: str = "") -> SafeString | str:
    """A time, absolute and relative, or with the form "relative" only that; with the absolute one and UTC on hover.

    The browser shows it in the zone that the person has chosen, else in its own (static/js/times.js). Without
    JavaScript it reads as an absolute time of the display zone, which it names.
    """
    if at is None:
        return NONE
    zone = ZoneInfo(zones.without_browser())
    local = at.astimezone(zone)
    return format_html(
        '<time datetime="{}" title="{} UTC" data-moment="{}" data-zone="{}">{} {}</time>',
        at.astimezone(UTC).isoformat(),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        form,
        zones.chosen(),
        f"{local:%Y-%m-%d %H:%M:%S}",
        local.tzname() or zone.key,
    )


@register.filter
def duration(milliseconds: float | None) -> str:
    """Milliseconds as a person says them: 0.35 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if milliseconds is None:
        return NONE
    seconds = milliseconds / 1000
    if seconds < 10:
        return _("%(seconds)s s") % {
            "seconds": number_format(f"{seconds:.2f}".rstrip("0").rstrip(".") or "0")
        }
    whole = round(seconds)
    if whole < 60:
        return _("%(seconds)s s") % {"seconds": whole}
    if whole < 3_600:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": whole // 60, "seconds": whole % 60}
    if whole < 86_400:
        return _("%(hours)d h %(minutes)d min") % {"hours": whole // 3_600, "minutes": whole % 3_600 // 60}
    return _("%(days)d d %(hours)d h") % {"days": whole // 86_400, "hours": whole % 86_400 // 3_600}


@register.filter
def long_duration(span: timedelta | None) -> str:
    """A span of time as ``duration`` says it."""
    return duration(None if span is None else span / timedelta(milliseconds=1))


@register.filter
def size(count: int | None) -> str:
    """Bytes in the largest unit that leaves at least 1, with at most one decimal."""
    if count is None:
        return NONE
    value, unit = float(count), UNITS[0]
    for unit in UNITS:  # noqa: B007  (the one at which it ends is used)
        if abs(value) < 1024:
            break
        value /= 1024
    text = f"{value:.0f}" if unit == "B" or value >= 100 else f"{value:.1f}"
    return f"{number_format(text)} {unit}"


@register.filter
def state_badge(state: Any) -> SafeString:
    """A state of an execution, in the word and colour that it has everywhere."""
    from scheduling.models import State

    value = str(state)
    label = State(value).label if value in State.values else value
    return format_html('<span class="state state-{}">{}</span>', value, label)


@register.simple_tag
def counted(number: int, most: int) -> str:
    """A number that was counted no further than ``most``: "42", "10,000+"."""
    return (
        number_format(number, force_grouping=True)
        if number < most
        else f"{number_format(most, force_grouping=True)}+"
    )


@register.simple_tag
def seats(used: int, total: int) -> str:
    return ngettext("%(used)d of %(total)d seat", "%(used)d of %(total)d seats", total) % {
        "used": used,
        "total": total,
    }
