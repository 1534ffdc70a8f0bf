"""Results that could not be stored before the process had to end: a file, played back by the next node here.

It covers only "exit while the database is away". A played-back result goes the way of every result: onto a row
that still is running with the same attempt, or nowhere.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from scheduling.executors import Outcome, RunOrder
from scheduling.services.results import Result

logger = logging.getLogger(__name__)

OUTCOME = (
    "state",
    "reason",
    "detail",
    "result",
    "result_altered",
    "error_class",
    "message",
    "traceback",
    "run_ms",
    "exit_code",
    "cpu_ms",
    "peak_memory_bytes",
    "error_family",
)
ORDER = (
    "execution_id",
    "attempt",
    "task_id",
    "task_key",
    "function",
    "origin",
    "idempotency_key",
    "executor",
)


def folder() -> Path:
    return Path(settings.VAR_DIR) / "journal"


def write(node_id: UUID, results: list[Result]) -> Path:
    """Keeps those results in a file that only this user may read."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder() / f"{node_id}.json"
    draft = path.with_suffix(".draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump([_pack(result) for result in results], file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return path


def read() -> list[tuple[Path, list[Result]]]:
    """What earlier nodes on this machine have left. A file that cannot be read is set aside, and said."""
    found = []
    for path in sorted(folder().glob("*.json")):
        try:
            found.append((path, [_unpack(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]))
        except FileNotFoundError:
            continue  # another node that starts at the same time has played it back
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.error("journal cannot be read", extra={"path": str(path), "cause": str(error)})
            path.rename(path.with_suffix(".unreadable"))
    return found


def _pack(result: Result) -> dict[str, Any]:
    order, outcome = result.order, result.outcome
    return {
        "order": {name: getattr(order, name) for name in ORDER},
        "node": str(order.node_id),
        "scheduled_for": order.scheduled_for.isoformat(),
        "finished_at": result.finished_at.isoformat(),
        "outcome": {name: getattr(outcome, name) for name in OUTCOME},
        "retry_at": outcome.retry_at.isoformat() if outcome.retry_at else None,
    }


def _unpack(entry: Mapping[str, Any]) -> Result:
    order = RunOrder(
        **{name: entry["order"][name] for name in ORDER},
        parameters={},
        scheduled_for=datetime.fromisoformat(entry["scheduled_for"]),
        deadline_at=None,
        timeout_seconds=None,
        node_id=UUID(entry["node"]),
    )
    retry_at = datetime.fromisoformat(entry["retry_at"]) if entry.get("retry_at") else None
    outcome = Outcome(
        **{name: entry["outcome"][name] for name in OUTCOME if name in entry["outcome"]}, retry_at=retry_at
    )
    return Result(order, outcome, datetime.fromisoformat(entry["finished_at"]))
