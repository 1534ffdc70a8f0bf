"""Compares live rows with tasks, mends what differs, and says so."""

from __future__ import annotations

import logging
from datetime import datetime

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.services import repair

logger = logging.getLogger(__name__)


class LiveRows(Keeper):
    """On start and once a minute. Nothing to mend is the ordinary case; whatever is mended was a fault somewhere."""

    every_seconds = 60.0

    def __init__(self) -> None:
        self._ended: set[tuple[int, int]] = set()

    def keep(self, node: NodeState, now: datetime) -> None:
        mended = repair.mend_live_rows(now, self._ended)
        if mended:
            logger.warning("live rows mended", extra=mended)
        node.strangers = set(repair.strangers())
