"""How times, durations, sizes and states are shown, the same on every page."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from jobsite import zones

register = template.Library()

#: Units of bytes, each 1024 of the one before.
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
NONE = "–"


def _time(at: datetime | None, kind: str, shown_in: str = "") -> SafeString | str:
    """A time for static/js/times.js, which shows it in the zone that the person has chosen, else in the browser's.

    ``shown_in`` overrides both. Without JavaScript it reads absolute, in its zone or the display zone, named.
    """
    if at is None:
        return NONE
    zone = ZoneInfo(shown_in) if shown_in else zones.current()
    local = at.astimezone(zone)
    return format_html(
        '<time datetime="{}" title="{} UTC" data-moment="{}" data-zone="{}">{} {}</time>',
        at.astimezone(UTC).isoformat(),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        kind,
        shown_in or zones.chosen(),
        f"{local:%Y-%m-%d %H:%M:%S}",
        local.tzname() or zone.key,
    )


@register.filter
def moment(at: datetime | None, shown_in: str = "") -> SafeString | str:
    """A time: the browser shows it absolute and relative, in its own zone, with UTC on hover.

    ``shown_in``: the zone to show it in instead, such as the one that a schedule follows.
    """
    return _time(at, "", shown_in)


@register.filter
def absolute(at: datetime | None) -> SafeString | str:
    """The same without how long it is until then."""
    return _time(at, "absolute")


@register.filter
def compact(at: datetime | None) -> SafeString | str:
    """The same for narrow columns: day and time without year and zone, which stand in the title."""
    return _time(at, "compact")


@register.filter
def relative(at: datetime | None) -> SafeString | str:
    """The same as "3 minutes ago" alone; absolute on hover."""
    return _time(at, "relative")


@register.filter
def countdown(at: datetime | None) -> SafeString | str:
    """The time that is left until then, as a clock: 1:02:03."""
    return _time(at, "countdown")


@register.filter
def elapsed(at: datetime | None) -> SafeString | str:
    """The time that has passed since then, as a clock."""
    return _time(at, "elapsed")


@register.filter
def clock(at: datetime | None) -> SafeString | str:
    """The time of day alone, to the thousandth of a second; the day on hover."""
    return _time(at, "clock")


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


@cache
def _state_labels() -> dict[str, Any]:
    """The words of all states of executions, nodes and tasks, to be translated when they are shown."""
    from scheduling.models import Node, State

    tasks = {
        "enabled": gettext_lazy("enabled"),
        "disabled": gettext_lazy("disabled"),
        "paused": gettext_lazy("paused"),
        "broken": gettext_lazy("broken"),
    }
    return {**dict(State.choices), **dict(Node.State.choices), **tasks, "silent": gettext_lazy("no beat")}


@register.filter
def state_label(state: str) -> str:
    """The word for a state of an execution, a task or a node."""
    return str(_state_labels().get(state, state))


@register.filter
def state_badge(state: Any) -> SafeString:
    """A state in the word and colour that it has everywhere."""
    value = str(state)
    return format_html('<span class="state state-{}">{}</span>', value, state_label(value))


#: Width and gap of one run in a strip, and its full height, in pixels.
STEP, BAR, HEIGHT = 6, 4, 18


@register.simple_tag
def strip(runs: Sequence[Any]) -> SafeString | str:
    """The last runs of a task as a small picture, the newest on the right: failures stand tall, what never ran is low.

    ``runs`` are those of ``stats.strips``. The picture's name says in words how many ended how, and each run its own.
    """
    if not runs:
        return NONE
    tall = {"failed", "timed_out", "lost", "missed"}
    heights = {"succeeded": 12, "running": 15}
    counts = Counter(run.state for run in runs)
    labels = {state: state_label(state) for state in counts}
    bars = []
    for place, run in enumerate(runs):
        height = HEIGHT if run.state in tall else heights.get(run.state, 6)
        # Not by format_html: a list of tasks has a thousand of these.
        bars.append(
            f'<rect x="{place * STEP}" y="{HEIGHT - height}" width="{BAR}" height="{height}" rx="1"'
            f' class="state-{run.state}"><title>{escape(_bar_title(run, labels[run.state]))}</title></rect>'
        )
    words = ", ".join(f"{number_format(number)} {labels[state]}" for state, number in counts.most_common())
    return format_html(
        '<svg class="strip" role="img" aria-label="{}" width="{}" height="{}">{}</svg>',
        words,
        len(runs) * STEP,
        HEIGHT,
        SafeString("".join(bars)),
    )


def _bar_title(run: Any, label: str) -> str:
    title = f"#{run.id} {label}"
    if run.reason:
        title += f" ({run.reason})"
    title += f" · {run.scheduled_for.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return title if run.run_ms is None else f"{title} · {duration(run.run_ms)}"


@register.simple_tag
def request_key() -> str:
    """Names one showing of a form: what is asked for by it twice (a double click, a reload) is done once."""
    return uuid.uuid4().hex


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
