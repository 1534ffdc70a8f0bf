"""Results into the database: in the tick's own transactions, or beside the tick.

Where the database takes more than one writer, claims need not wait until results are stored. Where it does not
(SQLite), the tick stores a group and claims for the seats that are free in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DatabaseError

from scheduling import clock
from scheduling.engine.companion import Companion
from scheduling.engine.recorder import isolate
from scheduling.engine.runs import Key
from scheduling.engine.state import NodeState
from scheduling.runlog import Drained
from scheduling.services import executions, results
from scheduling.services.results import Recorded, Result
from scheduling.sql.transactions import Fault, classify, in_transaction


@dataclass(frozen=True, slots=True)
class Group:
    """Results to be stored in one transaction, and what the logs of their runs still hold."""

    results: list[Result] = field(default_factory=list)
    words: Mapping[Key, Drained] = field(default_factory=dict)

    def store(self, now: datetime) -> Recorded:
        """In the caller's transaction. A second time changes nothing more."""
        for key, drained in self.words.items():
            executions.store_log(key, drained)
        return results.record(self.results, now) if self.results else Recorded()

    def part(self, some: list[Result]) -> Group:
        keys = {result.order.key for result in some}
        return Group(some, {key: drained for key, drained in self.words.items() if key in keys})

    def __bool__(self) -> bool:
        return bool(self.results)


#: A group, and what became of it.
Stored = tuple[Group, Recorded]


class Recording(Companion[Stored]):
    """One node's. Until it is started, groups are taken, stored and told ``done`` by the tick."""

    name = "recording"
    longest_pause_seconds = 5.0

    def __init__(self, node: NodeState, told: Callable[[], None]) -> None:
        super().__init__(told)
        self._node = node

    def room(self) -> int:
        """How many more may be begun, so that what a crash leaves in doubt stays bounded.

        What runs on threads and what has ended and is not stored are together never more than twice the threads:
        while a group is being stored, as many again run. A claim of the tick that stores them itself comes after.
        """
        runs = self._node.runs
        if not self.started:
            return 2 * runs.seats_of("thread")
        running = runs.number("thread")  # first: one that ends now is counted twice rather than not at all
        return 2 * runs.seats_of("thread") - running - len(self._node.recorder)

    def ripe_in(self) -> float | None:
        """Seconds until a group should be stored; None when there is nothing."""
        return self._node.recorder.ripe_in(self._node.runs.number())

    def take(self) -> Group:
        """A group, if one is ripe. ``done`` or ``give_back`` must follow."""
        if self.ripe_in() != 0.0:
            return Group()
        taken = self._node.recorder.take()
        return Group(taken, self._node.runs.last_words(taken))

    def done(self, group: Group) -> None:
        """It is stored."""
        if group:  # another one may be in the thread's hand
            self._node.recorder.done()
            self._node.runs.logs_stored(group.words)

    def give_back(self, group: Group) -> None:
        """It may not be stored, and is tried again."""
        if group:
            self._node.recorder.give_back()

    def store_one_by_one(self, group: Group, now: datetime) -> Recorded:
        """What the database refused as a whole: the one at fault ends unstorable, the others as they did."""
        return isolate(group.results, lambda some: in_transaction(lambda: group.part(some).store(now)))

    # --- its thread

    def _await_work(self, seconds: float) -> bool:
        return self._node.recorder.await_ripe(self._node.runs.number, seconds)

    def _wake(self) -> None:
        self._node.recorder.wake()

    def _work(self) -> None:
        with self._node.runs.logs_in_hand:
            group = self.take()
            if not group:
                return
            try:
                self._step(lambda: (group, self._store(group)))
            except BaseException:
                self.give_back(group)
                raise
            self.done(group)

    def _store(self, group: Group) -> Recorded:
        now = clock.refresh(older_than=clock.CARRIED_SECONDS)
        try:
            return in_transaction(lambda: group.store(now))
        except DatabaseError as error:
            if classify(error) is not Fault.OTHER:
                raise
            return self.store_one_by_one(group, now)
