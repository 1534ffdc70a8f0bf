"""Results into the database: by the tick, or beside it.

Where the database takes more than one writer, claims need not wait until results are stored. Where it does not
(SQLite), the tick stores a group and then claims for the seats that are free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
    """One node's. Until it is started, groups are taken and stored by the tick."""

    name = "recording"
    longest_pause_seconds = 5.0

    def __init__(self, node: NodeState, told: Callable[[], None]) -> None:
        super().__init__(told)
        self._node = node

    def room(self) -> int:
        """How many more may be begun, so that what a crash leaves in doubt stays bounded.

        What runs on threads and what has ended and is not stored are together never more than twice the threads:
        while a group is being stored, as many again run.
        """
        runs = self._node.runs
        running = runs.number("thread")  # first: one that ends now is counted twice rather than not at all
        return 2 * runs.seats_of("thread") - running - len(self._node.recorder)

    def ripe_in(self) -> float | None:
        """Seconds until a group should be stored; None when there is nothing."""
        return self._node.recorder.ripe_in(self._node.runs.number())

    @contextmanager
    def group(self) -> Iterator[Group]:
        """A group, if one is ripe, to be stored within the block. It is tried again when the block raises."""
        group = self._take()
        try:
            yield group
        except BaseException:
            if group:  # another one may be in the thread's hand
                self._node.recorder.give_back()
            raise
        if group:
            self._node.recorder.done()
            self._node.runs.logs_stored(group.words)

    def store(self, group: Group, now: datetime) -> Recorded:
        """In a transaction of its own. What the database refuses as a whole is stored one by one: the result at fault
        ends unstorable, the others as they did.
        """
        try:
            return in_transaction(lambda: group.store(now))
        except DatabaseError as error:
            if classify(error) is not Fault.OTHER:
                raise
            # The statement or a value is at fault, so nothing of it was stored: find the one.
            return isolate(group.results, lambda some: in_transaction(lambda: group.part(some).store(now)))

    def _take(self) -> Group:
        if self.ripe_in() != 0.0:
            return Group()
        taken = self._node.recorder.take()
        return Group(taken, self._node.runs.last_words(taken))

    # --- its thread

    def _await_work(self, seconds: float) -> bool:
        return self._node.recorder.await_ripe(self._node.runs.number, seconds)

    def _wake(self) -> None:
        self._node.recorder.wake()

    def _work(self) -> None:
        with self._node.runs.logs_in_hand, self.group() as group:
            if group:
                self._step(
                    lambda: (group, self.store(group, clock.refresh(older_than=clock.CARRIED_SECONDS)))
                )
