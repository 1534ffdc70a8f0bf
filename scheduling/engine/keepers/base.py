"""The shape of a housekeeper."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar

from scheduling.engine.state import NodeState


class Keeper(ABC):
    """One duty. Database errors pass through: the tick ends and comes again."""

    #: Seconds between two calls.
    every_seconds: ClassVar[float]

    @abstractmethod
    def keep(self, node: NodeState, now: datetime) -> None: ...
