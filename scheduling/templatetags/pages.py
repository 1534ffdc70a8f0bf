"""What the pages of this app share with all others."""

from __future__ import annotations

from typing import Any

from django import template

from scheduling.alarm import alarm_of
from scheduling.sentences import in_words

register = template.Library()
register.filter("in_words", in_words)


@register.inclusion_tag("scheduling/parts/alarm.html", takes_context=True)
def alarm(context: dict[str, Any]) -> dict[str, Any]:
    """The red banner, while no scheduler runs or a queue has no node; nothing otherwise, and nothing for strangers."""
    request: Any = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not user.is_staff:
        return {}
    return {"alarm": alarm_of(request), "may_see_nodes": user.has_perm("scheduling.view_node")}
