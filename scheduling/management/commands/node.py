"""Verbs of nodes: ``manage.py node drain ID…``."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from scheduling.management.verbs import VerbCommand
from scheduling.models import Node
from scheduling.services import nodes

#: Nodes that have ended and are listed, at most: the newest.
MOST_ENDED = 50


def node_by_id(text: str) -> Node:
    """The node whose id begins so; raises CommandError unless it is exactly one."""
    wanted = text.replace("-", "").lower()
    found = [node for node in Node.objects.order_by("-started_at")[:5_000] if node.id.hex.startswith(wanted)]
    if wanted and len(found) == 1:
        return found[0]
    if not wanted or not found:
        raise CommandError(_("There is no node %(id)r; see: manage.py node list") % {"id": text})
    raise CommandError(_("%(id)r begins the ids of %(number)d nodes.") % {"id": text, "number": len(found)})


class Command(VerbCommand):
    help = _("Lists nodes, and takes them out of service.")
    verbs: ClassVar[dict[str, Any]] = {
        "list": _("List the nodes that live, then the newest that have ended."),
        "drain": _("Let nodes claim nothing more, end their runs, and stop."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb == "drain":
            parser.add_argument("ids", nargs="+", metavar="ID", help=_("The id, or how it begins."))

    def verb_list(self, options: dict[str, Any]) -> None:
        live = Node.objects.filter(state__in=Node.LIVE).order_by("-started_at")
        ended = Node.objects.exclude(state__in=Node.LIVE).order_by("-started_at")[:MOST_ENDED]
        rows = [*live, *ended]
        seats = nodes.seats_of(rows)
        for node in rows:
            self.stdout.write(self.told(node, seats[node.pk], options))

    def verb_drain(self, options: dict[str, Any]) -> None:
        def work(text: str) -> str:
            node = nodes.drain(node_by_id(text).pk, actor=self.actor(options))
            return self.told(node, nodes.seats_of([node])[node.pk], options)

        self.each(options["ids"], work)

    def told(self, node: Node, seats: list[nodes.Seats], options: dict[str, Any]) -> str:
        row = {
            "id": str(node.id),
            "kind": node.kind,
            "host": node.host,
            "pid": node.pid,
            "state": node.state,
            "drain_asked_at": node.drain_asked_at,
            "queues": node.queues,
            "seats": {each.executor: {"used": each.used, "total": each.total} for each in seats},
            "version": node.version,
            "heartbeat_at": node.heartbeat_at,
            "started_at": node.started_at,
            "ended_at": node.ended_at,
            "detail": node.detail,
            "warning": node.warning,
        }
        asked = _("asked to drain") if node.drain_asked_at and node.state in Node.LIVE else ""
        seen = node.heartbeat_at.isoformat(timespec="seconds")
        name = f"{str(node.id)[:8]} {node.kind:<9} {node.host}:{node.pid:<8}"
        taken = ",".join(f"{each.executor}:{each.used}/{each.total}" for each in seats)
        words = f"{name} {node.state:<10} {seen} {','.join(node.queues)} {taken} {asked}"
        words = " ".join([words.rstrip(), node.detail, node.warning])
        return self.show(row, words.rstrip(), options)
