"""Nodes: who runs, on which machine, and when it was last seen."""

from __future__ import annotations

from django.contrib import admin

from jobsite.admin_base import HistoryAdmin
from scheduling.models import Node


@admin.register(Node)
class NodeAdmin(HistoryAdmin[Node]):
    list_display = (
        "__str__",
        "state",
        "heartbeat_at",
        "queues",
        "seats",
        "version",
        "started_at",
        "ended_at",
        "detail",
    )
    list_filter = ("state",)
    ordering = ("-started_at",)
