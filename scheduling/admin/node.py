"""Nodes: who runs, on which machine, when it was last seen, and how it is asked to end."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ChangeList, HistoryAdmin, HistoryList, actor_of
from jobsite.templatetags.jobsite import moment, relative, state_badge
from scheduling import clock
from scheduling.models import Execution, Node, State
from scheduling.sentences import in_words, joined
from scheduling.services import health, nodes

#: Running executions that a node's page shows.
SHOWN = 100


def with_seats(rows: list[Any]) -> list[Any]:
    """The nodes, each with its seats by executor and the number of its runs: one statement for all."""
    seats = nodes.seats_of(rows)
    for node in rows:
        node.seats_now = seats[node.pk]
        node.used = sum(each.used for each in node.seats_now)
    return rows


class NodeList(HistoryList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = with_seats(list(self.result_list))


@admin.register(Node)
class NodeAdmin(HistoryAdmin[Node]):
    teaches = _("A node is a scheduler process. It appears here when it starts: manage.py runapscheduler")
    list_display = (
        "__str__",
        "kind",
        "standing",
        "seats_used",
        "queue_names",
        "seen",
        "version",
        "began",
        "trouble",
    )
    list_filter = ("state", "kind")
    ordering = ("-started_at",)
    actions = ("drain",)  # type: ignore[assignment]
    list_before_template = "scheduling/parts/act.html"
    change_form_outer_before_template = "scheduling/parts/node_page.html"
    fields = (
        "standing", "kept_by", "troubled_by", "seen", "seats_used", "queue_names", "kind", "host", "pid", "version",
        "id", "began", "ended", "drain_asked", "lease_seconds", "beat", "event_counts", "function_names",
    )  # fmt: skip
    readonly_fields = fields

    class Media:
        js = (Script("js/confirm.js", type="module"),)

    # --- what is shown

    def get_changelist(self, request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return NodeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Node | None:
        found = super().get_object(request, object_id, from_field)
        return found and with_seats([found])[0]

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Who may not drain sees no button."""
        return (*self.list_display, "button") if self.has_drain_permission(request) else self.list_display

    @admin.display(description=_("state"), ordering="state")
    def standing(self, node: Node) -> str:
        return state_badge(health.standing_of_node(node, clock.now()))

    @admin.display(description=_("seats in use"))
    def seats_used(self, node: Any) -> str:
        if node.state not in Node.LIVE:
            return "–"
        return render_to_string("scheduling/parts/node_seats.html", {"seats": node.seats_now})

    @admin.display(description=_("detail"))
    def trouble(self, node: Node) -> str:
        """Why it claims nothing, or what troubles it although it does."""
        return in_words(joined((node.detail, node.warning)))

    @admin.display(description=_("detail"))
    def kept_by(self, node: Node) -> str:
        return in_words(node.detail) or "–"

    @admin.display(description=_("warning"))
    def troubled_by(self, node: Node) -> str:
        return in_words(node.warning) or "–"

    @admin.display(description=_("queues"))
    def queue_names(self, node: Node) -> str:
        return ", ".join(node.queues)

    @admin.display(description=_("events since it began"))
    def event_counts(self, node: Node) -> str:
        return ", ".join(f"{kind}: {number}" for kind, number in sorted(node.events.items())) or "–"

    @admin.display(description=_("functions"))
    def function_names(self, node: Node) -> str:
        return ", ".join(node.functions)

    @admin.display(description=_("last seen"), ordering="heartbeat_at")
    def seen(self, node: Node) -> str:
        return relative(node.heartbeat_at)

    @admin.display(description=_("started"), ordering="started_at")
    def began(self, node: Node) -> str:
        return relative(node.started_at)

    @admin.display(description=_("ended"))
    def ended(self, node: Node) -> str:
        return moment(node.ended_at)

    @admin.display(description=_("asked to drain"))
    def drain_asked(self, node: Node) -> str:
        return moment(node.drain_asked_at)

    @admin.display(description="")
    def button(self, node: Any) -> str:
        if node.state not in Node.LIVE:
            return ""
        return render_to_string("scheduling/parts/drain_button.html", {"node": node})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        running = Execution.objects.active().filter(node_id=object_id, state=State.RUNNING).order_by("id")
        context = {
            "running": running.values("id", "task_key", "started_at", "overdue")[:SHOWN]
            if self.get_object(request, object_id) is not None
            else (),
            "may_drain": self.has_drain_permission(request),
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    # --- the verb

    def has_drain_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.drain_node"))

    @admin.action(description=_("Drain: start nothing more, let runs end, then stop"), permissions=["drain"])
    def drain(self, request: HttpRequest, queryset: QuerySet[Node]) -> None:
        self.each(request, queryset, lambda node: nodes.drain(node.pk, actor=actor_of(request)))
