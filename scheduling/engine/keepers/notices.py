"""Has mails about failed runs sent, on a thread of its own: a mail server that hangs delays no run."""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from scheduling import clock
from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.services import notices
from scheduling.sql.transactions import drop_connection

logger = logging.getLogger(__name__)


class Notices(Keeper):
    """At most one such thread a node. What it leaves undone, however it ends, is found in the rows next time."""

    every_seconds = 5.0

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None

    def keep(self, node: NodeState, now: datetime) -> None:
        if (self.thread is None or not self.thread.is_alive()) and notices.anything_due(now):
            self.thread = threading.Thread(target=_send, name="notices", daemon=True)
            self.thread.start()


def _send() -> None:
    try:
        notices.send_due(clock.now())
    except Exception:  # around the housekeeping: the thread ends, the next one finds the rows
        logger.exception("notices could not be sent")
    finally:
        drop_connection()
