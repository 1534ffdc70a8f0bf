"""Writes down how often which event came, so that any process can tell."""

from __future__ import annotations

from datetime import datetime

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.services import nodes


class Events(Keeper):
    every_seconds = 5.0

    def __init__(self) -> None:
        self._stored: dict[str, int] = {}

    def keep(self, node: NodeState, now: datetime) -> None:
        counts = dict(node.events)
        if counts != self._stored:
            nodes.store_events(node.node_id, counts)
            self._stored = counts
