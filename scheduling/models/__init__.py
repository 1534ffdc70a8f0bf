"""The tables: one noun a file."""

from __future__ import annotations

from scheduling.models.answer import StoredAnswer
from scheduling.models.attempt import Attempt
from scheduling.models.calendar import Calendar
from scheduling.models.dependency import Dependency
from scheduling.models.examination import Examination
from scheduling.models.execution import (
    ACTIVE,
    ENDED,
    NEVER,
    Execution,
    Origin,
    Reason,
    State,
    idempotency_key,
)
from scheduling.models.group import Group
from scheduling.models.log import ExecutionLog
from scheduling.models.node import Node
from scheduling.models.notice import Notice
from scheduling.models.pool import Pool
from scheduling.models.queue import PausedQueue
from scheduling.models.tally import Tally
from scheduling.models.task import Task
from scheduling.models.version import TaskVersion

__all__ = [
    "ACTIVE",
    "ENDED",
    "NEVER",
    "Attempt",
    "Calendar",
    "Dependency",
    "Examination",
    "Execution",
    "ExecutionLog",
    "Group",
    "Node",
    "Notice",
    "Origin",
    "PausedQueue",
    "Pool",
    "Reason",
    "State",
    "StoredAnswer",
    "Tally",
    "Task",
    "TaskVersion",
    "idempotency_key",
]
