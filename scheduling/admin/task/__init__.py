"""Tasks: the list, the form, their versions, and the verbs."""

from __future__ import annotations

from scheduling.admin.task.page import TaskAdmin

__all__ = ["TaskAdmin"]
