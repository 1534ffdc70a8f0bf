"""What the schedules will bring: runs and busy seats for each minute to come, and where too much comes at once.

Computed from the schedules and from how long runs took lately. Kept for a while, until a task or a calendar
changes: the first question costs seconds with ten thousand tasks, the next ones nothing.
"""

from __future__ import annotations

from scheduling.services.forecast.crowds import WARNED, Crowd, crowd_of
from scheduling.services.forecast.memory import Progress, at_hand, forget, of_hours, progress
from scheduling.services.forecast.values import DAY, HOURS, WEEK, Collision, Forecast, Series, Share, summary

__all__ = [
    "DAY",
    "HOURS",
    "WARNED",
    "WEEK",
    "Collision",
    "Crowd",
    "Forecast",
    "Progress",
    "Series",
    "Share",
    "at_hand",
    "crowd_of",
    "forget",
    "of_hours",
    "progress",
    "summary",
]
