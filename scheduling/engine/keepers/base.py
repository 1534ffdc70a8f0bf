"""The shape of a housekeeper."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar

from scheduling.engine.state import NodeState
from scheduling.models import Node
from scheduling.sentences import joined
from scheduling.services import nodes

logger = logging.getLogger(__name__)


class Keeper(ABC):
    """One duty. Database errors pass through: the tick ends and comes again."""

    #: Seconds between two calls.
    every_seconds: ClassVar[float]

    @abstractmethod
    def keep(self, node: NodeState, now: datetime) -> None: ...


def hold(node: NodeState, kind: str, sentence: str, now: datetime) -> None:
    """Stops the node's claiming for that reason, or, with an empty sentence, no longer for it.

    What is in the way is shown with the node. Said once, when it begins and when it ends.
    """
    if sentence and kind not in node.holds:
        node.holds[kind] = sentence
        logger.error(sentence)
    elif not sentence and kind in node.holds:
        del node.holds[kind]
        logger.info("claims again" if not node.holds else "one reason less not to claim", extra={"was": kind})
    detail = joined(node.holds.values())
    if detail == node.shown_detail:
        return
    # Until the database has taken it: what is in the way may well be in its way too.
    state = Node.State.DRAINING if node.draining else Node.State.ACTIVE
    nodes.set_state(node.node_id, state, now, detail)
    node.shown_detail = detail


def warn(node: NodeState, kind: str, sentence: str) -> None:
    """Shows with the node what troubles it while it goes on, or, with an empty sentence, no longer does.

    Said once, when it begins.
    """
    if sentence and kind not in node.warnings:
        logger.warning(sentence)
    if sentence:
        node.warnings[kind] = sentence
    else:
        node.warnings.pop(kind, None)
    shown = joined(node.warnings.values())
    if shown != node.shown_warning:
        nodes.set_warning(node.node_id, shown)
        node.shown_warning = shown
