"""Whether the scheduling works, said with reasons, from rows alone: any process can ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scheduling import clock
from scheduling.models import Node, Task
from scheduling.services import liverows, repair

#: Something due for longer than this, and not admitted, says that nobody ticks.
DUE_SECONDS = 30
#: Tasks that are named; the rest are counted.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Broken:
    """A task whose function no live node of its queue has (P6): computed, so it heals when the function is back."""

    task_id: int
    key: str
    function: str
    queue: str

    def __str__(self) -> str:
        return f"task {self.key}: no live node of queue {self.queue} has the function {self.function}"


@dataclass(frozen=True, slots=True)
class Health:
    """As of one moment. Unhealthy when there is a reason; warnings do not make it so."""

    as_of: datetime
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    nodes: int = 0  # that beat

    @property
    def is_healthy(self) -> bool:
        return not self.reasons


def beating(now: datetime) -> list[Node]:
    """The live nodes that were seen within their lease."""
    nodes = Node.objects.filter(state__in=Node.LIVE)
    return [node for node in nodes if now - node.heartbeat_at <= timedelta(seconds=node.lease_seconds)]


def functions_of(nodes: list[Node]) -> dict[str, set[str]]:
    """Which functions the nodes of each queue have, together. A queue without a node is left out."""
    functions: dict[str, set[str]] = {}
    for node in nodes:
        for queue in node.queues:
            functions.setdefault(queue, set()).update(node.functions)
    return functions


def broken(nodes: list[Node]) -> list[Broken]:
    """Enabled tasks whose function no node of their queue has. Queues without a node are left out."""
    functions = functions_of(nodes)
    rows = Task.objects.present().filter(enabled=True, queue__in=functions)
    pairs = set(rows.order_by().values_list("queue", "function").distinct())
    missing = {(queue, function) for queue, function in pairs if function not in functions[queue]}
    if not missing:
        return []
    found = rows.filter(function__in={function for _queue, function in missing}).order_by("key")
    return [
        Broken(task_id, key, function, queue)
        for task_id, key, function, queue in found.values_list("id", "key", "function", "queue")
        if (queue, function) in missing
    ]


def check() -> Health:
    """Looks once. Raises the database's errors: then there is nothing to say."""
    now = clock.refresh()
    nodes = beating(now)
    reasons, warnings = [], []
    if not nodes:
        last = Node.objects.order_by("-heartbeat_at").values_list("heartbeat_at", flat=True).first()
        seen = f"last seen {last.isoformat(timespec='seconds')}" if last else "none has ever been seen"
        reasons.append(f"no scheduler is running ({seen})")
    served = {queue for node in nodes for queue in node.queues}
    wanted = set(
        Task.objects.present().filter(enabled=True).order_by().values_list("queue", flat=True).distinct()
    )
    if nodes:
        reasons += [f"queue {queue}: no live node takes from it" for queue in sorted(wanted - served)]
    late = _late_seconds(now)
    if late > DUE_SECONDS:
        reasons.append(f"a task has been due for {late:.0f} s and nothing has admitted it")
    faulty = broken(nodes)
    warnings += [str(entry) for entry in faulty[:NAMED]]
    if len(faulty) > NAMED:
        warnings.append(f"and {len(faulty) - NAMED} more tasks without their function")
    errors = (
        Task.objects.present().exclude(schedule_error="").order_by("key").values_list("key", "schedule_error")
    )
    warnings += [f"task {key}: {error}" for key, error in errors[:NAMED]]
    return Health(now, reasons, warnings, len(nodes))


def _late_seconds(now: datetime) -> float:
    """For how long the task that is due longest has been due; below zero while none is."""
    earliest = liverows.earliest()
    if earliest is not None and (now - earliest).total_seconds() > DUE_SECONDS:
        # Jobs that others keep in the table do not count. They are looked for only now: that reads every live row.
        earliest = liverows.earliest(repair.strangers())
    return (now - earliest).total_seconds() if earliest is not None else -1.0
