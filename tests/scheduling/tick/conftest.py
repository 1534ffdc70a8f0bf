"""A node in this process, ticked by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from scheduling import clock, context
from scheduling.engine.recorder import Recorder
from scheduling.engine.runs import Runs
from scheduling.engine.scheduler import TaskScheduler
from scheduling.engine.state import NodeState
from scheduling.models import Node
from scheduling.services import nodes


class HandTicked:
    """A scheduler whose tick is called by the test; its runs take place in real threads."""

    def __init__(self, seats: int = 8) -> None:
        node = nodes.register(
            clock.now(), queues=["default"], functions=[], seats={"thread": seats}, lease_seconds=15
        )
        nodes.set_state(node.pk, Node.State.ACTIVE, clock.now())
        recorder = Recorder()
        self.died: list[bool] = []
        runs = Runs(node.pk, seats, recorder, ended=lambda: None)
        self.state = NodeState(node.pk, ["default"], 0.25, runs, recorder)
        self.scheduler = TaskScheduler(self.state, died=lambda: self.died.append(True))
        self.node_id = node.pk

    def tick(self) -> float:
        return self.scheduler._process_jobs()

    def tick_until(self, condition: Callable[[], object], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not true after {seconds} s; trouble: {self.state.trouble!r}"
            time.sleep(min(self.tick(), 0.02))

    def close(self) -> None:
        for key in self.state.runs.running():
            self.state.runs.cancel(key, context.LOST, "the test is over")
        self.state.runs.shutdown(5)


@pytest.fixture
def node(transactional_db: None) -> Iterator[HandTicked]:
    made = HandTicked()
    yield made
    made.close()
