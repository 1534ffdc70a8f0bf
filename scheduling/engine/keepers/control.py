"""Compares what the database says this node runs with what it does run, and passes on requests to cancel."""

from __future__ import annotations

import logging
from datetime import datetime

from scheduling.context import LOST
from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.models import Reason
from scheduling.sentences import of_runs
from scheduling.services import executions

logger = logging.getLogger(__name__)


DETAILS: dict[str, str] = {
    Reason.CANCEL_REQUESTED: of_runs.ON_REQUEST(),
    Reason.REPLACED: of_runs.REPLACED(),
}


class Control(Keeper):
    """A row without a run goes back to queued; a run without a row is told that it is lost (P2).

    A row counts as without a run only when two looks in a row have found it so, and no result of it waits to
    be stored.
    """

    every_seconds = 1.0

    def __init__(self) -> None:
        self._suspects: set[tuple[int, int]] = set()

    def keep(self, node: NodeState, now: datetime) -> None:
        here = node.runs.running()
        held = here.keys() | node.recorder.keys()
        rows = executions.running_on(node.node_id)
        for key, reason in rows.items():
            if reason and key in here:
                node.runs.cancel(key, reason, DETAILS.get(reason, ""))
        for key in here.keys() - rows.keys() - node.recorder.keys():
            if key in node.runs.running():  # it has not ended since the look
                node.runs.cancel(key, LOST, of_runs.NOT_ITS_OWN())
        orphans = rows.keys() - held
        confirmed, self._suspects = orphans & self._suspects, orphans - self._suspects
        if confirmed and node.doubtful_claim is None:
            logger.warning(
                "queued again what was never begun", extra={"executions": [key[0] for key in confirmed]}
            )
            executions.put_back(node.node_id, confirmed, now)
