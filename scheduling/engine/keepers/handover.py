"""Hands queued executions of Celery's workers to the broker; again, when nobody has claimed them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from scheduling.engine.keepers.base import Keeper, warn
from scheduling.engine.state import NodeState
from scheduling.sentences import of_nodes
from scheduling.services import executions

#: A message that nobody has acted upon for so long is taken for lost.
AGAIN = timedelta(seconds=60)
#: How long a broker that refuses is left alone, at most.
MOST_PAUSE_SECONDS = 30.0


class Handover(Keeper):
    """Only where a broker is set up. One that is away costs the tick a few seconds now and then, and no run."""

    every_seconds = 0.5

    def __init__(self) -> None:
        self._app: Any = None
        self._pause = 1.0
        self._not_before: datetime | None = None

    def keep(self, node: NodeState, now: datetime) -> None:
        if not settings.JOBSITE_CELERY_BROKER or not node.may_claim:
            return
        if self._not_before is not None and now < self._not_before:
            return
        rows = executions.to_hand_over(node.open_queues, now - AGAIN)
        if not rows:
            return
        from kombu.exceptions import OperationalError

        from scheduling.engine.celery import app

        if self._app is None:
            self._app = app.make_app()
        taken = executions.mark_handed([row[0] for row in rows], now, now - AGAIN)
        try:
            app.hand_over(self._app, [row for row in rows if row[0] in taken])
        except (OperationalError, OSError) as error:
            executions.unmark_handed(taken)
            self._not_before = now + timedelta(seconds=self._pause)
            self._pause = min(self._pause * 2, MOST_PAUSE_SECONDS)
            warn(node, "broker", of_nodes.BROKER_AWAY(cause=str(error)[:300]))
            return
        self._not_before, self._pause = None, 1.0
        warn(node, "broker", "")
