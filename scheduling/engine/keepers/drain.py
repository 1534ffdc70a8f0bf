"""Obeys who asks this node, by its row, to end."""

from __future__ import annotations

import logging
from datetime import datetime

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.models import Node
from scheduling.sentences import of_nodes
from scheduling.services import nodes

logger = logging.getLogger(__name__)


class Drain(Keeper):
    """Claims stop at once. Runs end in their own time; then the main thread ends the process."""

    every_seconds = 1.0

    def keep(self, node: NodeState, now: datetime) -> None:
        if node.draining or not nodes.is_drain_asked(node.node_id):
            return
        nodes.set_state(node.node_id, Node.State.DRAINING, now, of_nodes.DRAINING())
        node.draining, node.claiming = True, False
        node.drain_asked = True
        logger.info("draining: somebody has asked for it", extra={"runs": len(node.runs.running())})
