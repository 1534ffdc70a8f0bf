"""Removes the folders of programs whose scheduler was killed, before they fill the disk."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.executors.processes import program
from scheduling.services import executions

logger = logging.getLogger(__name__)

#: Folders that are looked at each time.
MOST = 1_000


class Leftovers(Keeper):
    """A run removes its folder itself when it ends; one that was killed with its scheduler could not.

    A folder whose attempt is still running, here or in another process of this machine, stays.
    """

    every_seconds = 600.0

    def keep(self, node: NodeState, now: datetime) -> None:
        found = dict(islice(program.folders(), MOST))
        if not found:
            return
        left = [found[key] for key in found.keys() - executions.still_running(found)]
        if left:
            logger.info("removing folders that runs have left behind", extra={"folders": len(left)})
            # In a thread of its own: they may be large, and the tick must come.
            threading.Thread(target=_remove, args=(left,), name="leftovers", daemon=True).start()


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
