"""Housekeepers: small duties that the tick does now and then. One duty, one file, one shape."""

from __future__ import annotations

from scheduling.engine.keepers.ahead import Ahead
from scheduling.engine.keepers.base import Keeper
from scheduling.engine.keepers.control import Control
from scheduling.engine.keepers.drain import Drain
from scheduling.engine.keepers.events import Events
from scheduling.engine.keepers.following import Following
from scheduling.engine.keepers.guards import Guards
from scheduling.engine.keepers.handover import Handover
from scheduling.engine.keepers.leftovers import Leftovers
from scheduling.engine.keepers.live_rows import LiveRows
from scheduling.engine.keepers.logs import Logs
from scheduling.engine.keepers.notices import Notices
from scheduling.engine.keepers.overdue import Overdue
from scheduling.engine.keepers.queues import Queues
from scheduling.engine.keepers.tallies import Tallies
from scheduling.engine.keepers.upkeep import Upkeep
from scheduling.engine.keepers.waiting import Waiting


def keepers() -> list[Keeper]:
    """A new set, in the order in which they are asked."""
    return [
        Queues(),
        Waiting(),
        Following(),
        Control(),
        Drain(),
        Overdue(),
        Guards(),
        Handover(),
        Logs(),
        LiveRows(),
        Leftovers(),
        Tallies(),
        Events(),
        Notices(),
        Upkeep(),
        Ahead(),
    ]


__all__ = ["Keeper", "keepers"]
