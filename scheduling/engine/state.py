"""What the parts of one node share."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

from scheduling.engine.recorder import Recorder
from scheduling.engine.runs import Runs


@dataclass(slots=True)
class NodeState:
    """Written by the ticking thread (and by the main thread when it drains), read by the watchdog."""

    node_id: uuid.UUID
    queues: list[str]
    poll_seconds: float
    runs: Runs
    recorder: Recorder
    claiming: bool = True  # False while draining
    holds: dict[str, str] = field(
        default_factory=dict
    )  # what else stands against claiming: kind → a sentence
    shown_detail: str = ""  # what the node's row says of them
    warnings: dict[str, str] = field(default_factory=dict)  # what troubles it, though it claims
    shown_warning: str = ""  # what the node's row says of these
    draining: bool = False
    drain_asked: bool = False  # by somebody elsewhere: the process ends when nothing runs any more
    some_wait: bool = True  # the last sweep has found waiting executions
    paused_queues: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)  # live rows that are no task's
    doubtful_claim: uuid.UUID | None = None  # its commit's answer was lost
    last_tick: float = field(default_factory=time.monotonic)  # monotonic: any tick, also a failed one
    last_commit: float = field(default_factory=time.monotonic)  # monotonic: a tick the database answered
    idle_ticks: int = 0  # in a row, that found nothing to do
    # Kinds of APScheduler's events, by its own names, and how often each came since this node began.
    events: Counter[str] = field(default_factory=Counter)
    trouble: str = ""  # what the database said last, while it refuses

    @property
    def may_claim(self) -> bool:
        return self.claiming and not self.holds

    @property
    def open_queues(self) -> list[str]:
        """Those that it takes from now."""
        return [name for name in self.queues if name not in self.paused_queues]
