"""Executions: the history to look through, a live page of each, and what can be done to them."""

from __future__ import annotations

from scheduling.admin.execution.model import ExecutionAdmin

__all__ = ["ExecutionAdmin"]
