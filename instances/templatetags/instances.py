"""How states of collections and shares of sizes are shown."""

from __future__ import annotations

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from instances.models import SyncRecord, SyncSession
from jobsite.templatetags.jobsite import size

register = template.Library()

#: The colour of each state, by the state of an execution that has it.
COLOURS = {
    "pending": "waiting",
    "running": "running",
    "completed": "succeeded",
    "partly_failed": "missed",
    "failed": "failed",
    "cancelled": "cancelled",
    "lost": "lost",
}


@register.filter
def sync_badge(row: SyncRecord | SyncSession) -> SafeString:
    """The state of a session or of one of its records, in its word and colour."""
    if isinstance(row, SyncRecord):
        value, label = row.state, row.get_state_display()
    else:
        value, label = row.status, row.get_status_display()
    return format_html('<span class="state state-{}">{}</span>', COLOURS.get(value, "cancelled"), label)


@register.filter
def percent(share: float | None) -> str:
    """A part of 1 in percent, with one decimal below ten."""
    if share is None:
        return "–"
    value = share * 100
    return f"{number_format(value, 1 if value < 10 else 0)} %"


@register.filter
def signed_size(change: int | None) -> str:
    """A change in bytes, with its sign."""
    return f"+{size(change)}" if change is not None and change > 0 else size(change)
