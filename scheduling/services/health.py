"""Whether the scheduling works, said with reasons, from rows alone: any process can ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from django.db.models import Q

from scheduling import clock, executors, sql
from scheduling.models import Node, Task
from scheduling.sentences import of_promises
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
        return of_promises.NO_FUNCTION(key=self.key, queue=self.queue, function=self.function)


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


def beats(node: Node, now: datetime) -> bool:
    """Whether a live node was seen within its lease."""
    return now - node.heartbeat_at <= timedelta(seconds=node.lease_seconds)


def beating(now: datetime, kind: Node.Kind = Node.Kind.SCHEDULER) -> list[Node]:
    """The live schedulers, or Celery's workers, that were seen within their lease."""
    live = Node.objects.filter(state__in=Node.LIVE, kind=kind)
    return [node for node in live if beats(node, now)]


def schedulers(nodes: Iterable[Node], now: datetime) -> list[Node]:
    """Those of the live nodes that admit and claim, and were seen within their lease."""
    return [node for node in nodes if node.kind == Node.Kind.SCHEDULER and beats(node, now)]


def standing_of_node(node: Node, now: datetime) -> str:
    """The node's state, or ``silent``: it should beat, and has not for its lease."""
    return node.state if node.state not in Node.LIVE or beats(node, now) else "silent"


def functions_of(nodes: Iterable[Node]) -> dict[str, set[str]]:
    """Which functions the nodes of each queue have, together. A queue without a node is left out."""
    functions: dict[str, set[str]] = {}
    for node in nodes:
        for queue in node.queues:
            functions.setdefault(queue, set()).update(node.functions)
    return functions


def standing(task: Task, functions: dict[str, set[str]]) -> str:
    """How a task stands, in one word: disabled, paused, broken or enabled. ``functions`` by queue, of live nodes."""
    if not task.enabled:
        return "disabled"
    if task.is_at_rest:
        return "paused"
    if task.schedule_error or (task.queue in functions and task.function not in functions[task.queue]):
        return "broken"
    return "enabled"


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


@dataclass(frozen=True, slots=True)
class Alarm:
    """What every page says while the scheduling stands still, in whole or in part."""

    nodes: Sequence[Node]  # that live
    silent: bool  # no scheduler among them beats
    last_seen: datetime | None  # of any scheduler, while silent
    queues: list[str]  # that tasks are in and no node takes from, the first ones

    @property
    def is_raised(self) -> bool:
        return self.silent or bool(self.queues)

    def beating(self, now: datetime) -> list[Node]:
        """The schedulers among the nodes that were seen within their lease."""
        return schedulers(self.nodes, now)


#: Nodes that are looked at, those seen last; whoever lives is among them.
LATEST = 200
#: Queues without a node that are named.
QUEUES_NAMED = 2


def alarm(now: datetime, *, detailed: bool = False) -> Alarm:
    """Looks once, by one short question and now and then one or two more: it is asked on every page.

    The nodes come without the names of their ``functions``, which may be thousands; ``detailed``: with these.
    """
    # Schedulers first: the workers of Celery may be many, and alone they start nothing.
    rows = Node.objects.order_by("kind", "-heartbeat_at")
    latest = list((rows if detailed else rows.defer("functions"))[:LATEST])
    nodes = [node for node in latest if node.state in Node.LIVE]
    alive = schedulers(nodes, now)
    if not alive:
        seen = [node.heartbeat_at for node in latest if node.kind == Node.Kind.SCHEDULER]
        return Alarm(nodes, silent=True, last_seen=seen[0] if seen else None, queues=[])
    served = frozenset(queue for node in alive for queue in node.queues)
    return Alarm(nodes, silent=False, last_seen=None, queues=unserved.look(served, now))


class Unserved:
    """Queues of enabled tasks that no node takes from; looked for now and then, since every page asks."""

    #: What was found is believed for this long.
    BELIEVED = timedelta(seconds=5)

    def __init__(self) -> None:
        self._found: tuple[datetime, frozenset[str], list[str]] | None = None

    def forget(self) -> None:
        self._found = None

    def look(self, served: frozenset[str], now: datetime) -> list[str]:
        """The first ones, by name. ``served``: the queues that nodes take from."""
        found = self._found
        if found is None or found[1] != served or not timedelta() <= now - found[0] < self.BELIEVED:
            found = self._found = (now, served, _unserved(served))
        return found[2]


unserved = Unserved()


def _unserved(served: frozenset[str]) -> list[str]:
    """Queues of enabled tasks that are not served. Each is found by one step in the index, none by reading tasks."""
    found: list[str] = []
    gaps = Q()
    for below, above in pairwise([None, *sorted(served), None]):
        gap = Q()
        if below is not None:
            gap &= Q(queue__gt=below)
        if above is not None:
            gap &= Q(queue__lt=above)
        gaps |= gap
    rows = Task.objects.present().filter(gaps, enabled=True).order_by("queue").values_list("queue", flat=True)
    while len(found) < QUEUES_NAMED:
        after = rows.filter(queue__gt=found[-1]) if found else rows
        queue = after.first()
        if queue is None:
            break
        found.append(queue)
    return found


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
        reasons += _without_worker(now)
    late = _late_seconds(now)
    if late > DUE_SECONDS:
        reasons.append(f"a task has been due for {late:.0f} s and nothing has admitted it")
    if reasons and (why := sql.why_no_writes()):
        reasons.append(why)
    blocking, harmless = _holding(nodes, wanted or served)
    reasons += blocking
    warnings += harmless
    warnings += [f"node {node}: {node.warning}" for node in nodes if node.warning]
    faulty = broken(nodes)
    warnings += [str(entry) for entry in faulty[:NAMED]]
    if len(faulty) > NAMED:
        warnings.append(f"and {len(faulty) - NAMED} more tasks without their function")
    errors = (
        Task.objects.present().exclude(schedule_error="").order_by("key").values_list("key", "schedule_error")
    )
    warnings += [f"task {key}: {error}" for key, error in errors[:NAMED]]
    return Health(now, reasons, warnings, len(nodes))


def _without_worker(now: datetime) -> list[str]:
    """Queues with tasks for Celery's workers of which none is there: their runs would be handed over for ever."""
    if "celery" not in executors.paths():
        return []
    wanted = set(
        Task.objects.present()
        .filter(enabled=True, executor="celery")
        .order_by()
        .values_list("queue", flat=True)
        .distinct()
    )
    if not wanted:
        return []
    served = {queue for node in beating(now, Node.Kind.WORKER) for queue in node.queues}
    return [
        f"queue {queue}: no live Celery worker takes from it (executor celery)"
        for queue in sorted(wanted - served)
    ]


def _holding(nodes: list[Node], wanted: set[str]) -> tuple[list[str], list[str]]:
    """What nodes say that claim nothing: of those whose queues nobody else serves, and of the others."""
    holding = [node for node in nodes if node.state == Node.State.ACTIVE and node.detail]
    claiming = {queue for node in nodes if node not in holding for queue in node.queues}
    blocking: list[str] = []
    harmless: list[str] = []
    for node in holding:
        alone = wanted.intersection(node.queues) - claiming
        (blocking if alone else harmless).append(f"node {node} {node.detail}")
    return blocking, harmless


def _late_seconds(now: datetime) -> float:
    """For how long the task that is due longest has been due; below zero while none is."""
    earliest = liverows.earliest()
    if earliest is not None and (now - earliest).total_seconds() > DUE_SECONDS:
        # Jobs that others keep in the table do not count. They are looked for only now: that reads every live row.
        earliest = liverows.earliest(repair.strangers())
    return (now - earliest).total_seconds() if earliest is not None else -1.0
