"""The beat, and the watch over the other nodes' beats: on a thread of its own, so that nothing else delays it."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable

from django.db import Error

from scheduling import clock, sql
from scheduling.engine import silence
from scheduling.exceptions import NodeIsDead
from scheduling.services import nodes
from scheduling.sql.transactions import drop_connection

logger = logging.getLogger(__name__)

#: How often the other nodes' beats are looked at.
WATCH_SECONDS = 1.0
#: A look that took longer than this says nothing: the watch starts again.
SLOW_SECONDS = 2.0


class Watch:
    """Who stands still. Measured by this process's monotonic clock, in time in which its own reads succeeded.

    So an outage of the database, however long, makes nobody dead: everybody gets a whole lease to beat again.
    """

    def __init__(self) -> None:
        self._seen: dict[uuid.UUID, tuple[int, float]] = {}  # node → (beat, since when it has been that)

    def look(self, beats: list[tuple[uuid.UUID, int, float]], at: float) -> list[tuple[uuid.UUID, int]]:
        """Takes one reading, made at monotonic ``at``; returns the nodes whose lease has run out, with their beat."""
        before, self._seen = self._seen, {}
        fallen = []
        for node_id, beat, lease_seconds in beats:
            seen_beat, since = before.get(node_id, (beat, at))
            since = since if seen_beat == beat else at
            self._seen[node_id] = (beat, since)
            if at - since >= lease_seconds:
                fallen.append((node_id, beat))
        return fallen

    def start_again(self) -> None:
        """Forgets what was seen: a read failed or was slow, so time has passed of which nothing is known."""
        self._seen.clear()


class Heart(threading.Thread):
    """Beats for one node. ``died`` is called once if the others have declared it dead; then the thread ends."""

    def __init__(
        self,
        node_id: uuid.UUID,
        *,
        beat_seconds: float,
        died: Callable[[], None],
        also: Callable[[], None] = lambda: None,
    ) -> None:
        """``also`` is done at each look, once a second, with the thread's own connection."""
        super().__init__(name="heart", daemon=True)
        self._also = also
        self.node_id = node_id
        self.beat_seconds = beat_seconds
        self._died = died
        self._stop_asked = threading.Event()
        self._watch = Watch()
        self._looked_at = 0.0  # monotonic

    def run(self) -> None:
        next_beat = 0.0
        try:
            while not self._stop_asked.is_set():
                began = time.monotonic()
                try:
                    with silence.bounded():
                        sql.prepare_engine_session()
                        if began >= next_beat:
                            nodes.beat(self.node_id, clock.now())
                            next_beat = began + self.beat_seconds
                        self._look_at_others()
                        self._also()
                except Error as error:  # InterfaceError too, which is no DatabaseError
                    logger.warning(
                        "no beat: the database does not answer", extra={"cause": str(error).strip()[:300]}
                    )
                    self._begin_again()
                except NodeIsDead:
                    raise
                except Exception:  # a node that works must not be given up because of what it looks at beside
                    logger.exception("a look at the other nodes failed")
                    self._begin_again()
                self._stop_asked.wait(min(WATCH_SECONDS, self.beat_seconds))
        except NodeIsDead:
            self._died()
        finally:
            drop_connection()

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(5)

    def _begin_again(self) -> None:
        self._watch.start_again()
        drop_connection()

    def _look_at_others(self) -> None:
        beats = [entry for entry in nodes.beats() if entry[0] != self.node_id]
        at = time.monotonic()
        if at - self._looked_at > WATCH_SECONDS + SLOW_SECONDS:
            # The answer was slow, or this node itself stood still or waited: in that time the others may have beaten.
            self._watch.start_again()
        self._looked_at = at
        for node_id, beat in self._watch.look(beats, at):
            nodes.declare_dead(node_id, beat, clock.now())
