"""Nodes: birth, beat, death. Death is one compare-and-set, and the dead node's runs are lost in that transaction."""

from __future__ import annotations

import logging
import os
import platform
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, UUIDField
from django.utils.translation import gettext as _

from jobsite import __version__
from scheduling import clock, executors
from scheduling.exceptions import NodeIsDead, Refused
from scheduling.models import Attempt, Execution, Node, Reason, State, Task
from scheduling.sentences import of_nodes, of_runs
from scheduling.services import chains, notices
from scheduling.services.actor import Actor
from scheduling.sql.prepared import Param, Prepared
from scheduling.sql.transactions import in_transaction

logger = logging.getLogger(__name__)

#: Nodes that ended are forgotten after this.
KEPT = timedelta(days=30)
#: Nodes whose events are added up: those seen within this, and how many at the most.
EVENTS_OF, MOST_NODES = timedelta(days=1), 200


def register(
    now: datetime,
    *,
    queues: list[str],
    functions: Iterable[str],
    seats: Mapping[str, int],
    lease_seconds: float,
    kind: Node.Kind = Node.Kind.SCHEDULER,
) -> Node:
    """Writes a new node, starting: it beats, but claims nothing yet. ``seats``: by executor."""
    return Node.objects.create(
        id=uuid.uuid4(),
        heartbeat_at=now,
        started_at=now,
        lease_seconds=lease_seconds,
        host=platform.node()[:200],
        pid=os.getpid(),
        version=__version__,
        queues=queues,
        functions=sorted(functions),
        seats=dict(seats),
        kind=kind,
    )


@dataclass(frozen=True, slots=True)
class Seats:
    """What a node can run at the same time by one executor, and what it runs of it now."""

    executor: str
    used: int
    total: int


def seats_of(nodes: Iterable[Node]) -> dict[uuid.UUID, list[Seats]]:
    """The seats of each node, one entry an executor: one statement along the index by node."""
    nodes = list(nodes)
    running = (
        Execution.objects.active()
        .filter(node_id__in=[node.pk for node in nodes], state=State.RUNNING)
        .order_by()
    )
    used: dict[uuid.UUID, dict[str, int]] = {node.pk: {} for node in nodes}
    for node_id, executor, number in running.values_list("node_id", "executor").annotate(n=Count("id")):
        used[node_id][executor] = number
    return {node.pk: _in_order(node.seats, used[node.pk]) for node in nodes}


def _in_order(seats: Mapping[str, int], used: Mapping[str, int]) -> list[Seats]:
    """Our own executors first, as they are listed everywhere, then a project's by name; none without a seat."""
    names = {name for name in (*seats, *used) if seats.get(name) or used.get(name)}
    ordered = [name for name in executors.EXECUTORS if name in names]
    ordered += sorted(names.difference(ordered))
    return [Seats(name, used.get(name, 0), seats.get(name, 0)) for name in ordered]


def set_state(node_id: uuid.UUID, state: Node.State, now: datetime, detail: str = "") -> None:
    """Moves a live node on; raises NodeIsDead if the others have given it up."""
    ended = {"ended_at": now} if state == Node.State.STOPPED else {}
    changed = Node.objects.filter(pk=node_id, state__in=Node.LIVE).update(
        state=state, heartbeat_at=now, detail=detail[:500], **ended
    )
    if not changed:
        raise NodeIsDead(f"Node {node_id} was declared dead by another node.")


def set_warning(node_id: uuid.UUID, warning: str) -> None:
    """Shows with the node what troubles it, although it goes on; empty: nothing does."""
    Node.objects.filter(pk=node_id, state__in=Node.LIVE).update(warning=warning[:500])


def beat(node_id: uuid.UUID, now: datetime) -> None:
    """Says that the node lives; raises NodeIsDead if the others have given it up."""
    changed = Node.objects.filter(pk=node_id, state__in=Node.LIVE).update(
        beat=F("beat") + 1, heartbeat_at=now
    )
    if not changed:
        raise NodeIsDead(f"Node {node_id} was declared dead by another node.")


def hold_active(node_id: uuid.UUID) -> bool:
    """Locks the node's own row until the transaction ends; whether it may claim. Raises NodeIsDead.

    Whoever declares this node dead has to wait for the lock, so it sees every row claimed under it.
    """
    states: list[str] = [state for (state,) in OWN_STATE.rows(node=node_id)]
    if not states or states[0] not in Node.LIVE:
        raise NodeIsDead(f"Node {node_id} was declared dead by another node.")
    return states[0] == Node.State.ACTIVE


OWN_STATE = Prepared(
    lambda: Node.objects.select_for_update().filter(pk=Param("node", UUIDField())).values_list("state")
)


def beats() -> list[tuple[uuid.UUID, int, float]]:
    """The live nodes as (id, beat, lease in seconds)."""
    return list(Node.objects.filter(state__in=Node.LIVE).values_list("id", "beat", "lease_seconds"))


def store_events(node_id: uuid.UUID, counts: dict[str, int]) -> None:
    """What a node has counted since it began."""
    Node.objects.filter(pk=node_id).update(events=counts)


def event_counts(now: datetime) -> tuple[dict[str, int], int]:
    """APScheduler's events by kind, of the schedulers seen in the last day, each since it began; and their number.

    Of more than 200 nodes those that were seen last.
    """
    seen = Node.objects.filter(heartbeat_at__gte=now - EVENTS_OF, kind=Node.Kind.SCHEDULER)
    rows = list(seen.order_by("-heartbeat_at").values_list("events", flat=True)[:MOST_NODES])
    counts: Counter[str] = Counter()
    for counted in rows:
        counts.update(counted)
    return dict(sorted(counts.items())), len(rows)


def is_eldest(node_id: uuid.UUID, now: datetime) -> bool:
    """Whether it is, of all active schedulers that beat, the one that began first."""
    active = Node.objects.filter(state=Node.State.ACTIVE, kind=Node.Kind.SCHEDULER)
    for node in active.defer("functions").order_by("started_at", "id")[:100]:
        if now - node.heartbeat_at <= timedelta(seconds=node.lease_seconds):
            return bool(node.pk == node_id)
    return False


def declare_dead(node_id: uuid.UUID, seen_beat: int, now: datetime) -> int | None:
    """Gives up a node whose beat still is ``seen_beat``: its runs become lost, or run again where the task says so.

    Returns how many runs it had; None if the node has beaten or ended since.
    """

    def work() -> int | None:
        fallen = Node.objects.filter(pk=node_id, beat=seen_beat, state__in=Node.LIVE).update(
            state=Node.State.DEAD, ended_at=now, detail=of_nodes.DIED()
        )
        return (
            release_runs(node_id, now, Reason.NODE_DIED, of_runs.NODE_DIED(node=node_id)) if fallen else None
        )

    lost = in_transaction(work)
    if lost is not None:
        logger.error("node declared dead", extra={"node": str(node_id), "runs": lost})
    return lost


def drain(node_id: uuid.UUID, *, actor: Actor) -> Node:
    """Asks a node, from anywhere, to claim nothing more, to let its runs end, however long they take, and to stop.

    It sees that within two seconds; who supervises it may start a new one. A process of a Celery worker takes the
    whole worker with it. Raises Refused if it has ended.
    """
    now = clock.refresh()
    asked = Node.objects.filter(pk=node_id, state__in=Node.LIVE)
    if asked.filter(drain_asked_at=None).update(drain_asked_at=now):
        logger.warning(
            "node asked to drain", extra={"node": str(node_id), "by": str(actor.user or actor.source)}
        )
    elif not asked.exists():
        raise Refused("node_ended", _("The node has ended already."))
    return Node.objects.get(pk=node_id)


def is_drain_asked(node_id: uuid.UUID) -> bool:
    """Whether somebody wants the node to end. One step in the primary key."""
    return bool(DRAIN_ASKED.rows(node=node_id))


DRAIN_ASKED = Prepared(
    lambda: (
        Node.objects.filter(pk=Param("node", UUIDField()), drain_asked_at__isnull=False)
        .order_by()
        .values_list("pk")
    )
)


def release_runs(node_id: uuid.UUID, now: datetime, reason: Reason, detail: str) -> int:
    """Ends what the node still runs: queued again where the task allows effects twice, else lost.

    What somebody has asked to end, and what is of a deleted task, is not run again: as with retries.
    """
    running = Execution.objects.active().filter(node_id=node_id, state=State.RUNNING)
    # Locked, in the order of results: the node may be storing one of them at this very moment.
    rows = list(
        running.select_for_update()
        .order_by("id")
        .values("id", "task_id", "attempt", "node_id", "started_at", "cancel_requested_at")
    )
    again = set(
        Task.objects.present()
        .filter(pk__in={row["task_id"] for row in rows}, rerun_if_lost=True)
        .values_list("pk", flat=True)
    )
    rerun = [row for row in rows if row["task_id"] in again and row["cancel_requested_at"] is None]
    gone = [row for row in rows if row not in rerun]
    Attempt.objects.bulk_create(
        [
            Attempt(
                execution_id=row["id"], attempt=row["attempt"], node_id=row["node_id"], started_at=row["started_at"],
                finished_at=now, state=State.LOST, reason=reason, detail=detail,
            )
            for row in rerun
        ]
    )  # fmt: skip
    moved = Execution.objects.filter(pk__in=[row["id"] for row in rerun], state=State.RUNNING).update(
        state=State.QUEUED,
        reason="",
        detail=of_runs.RUNS_AGAIN(),
        queued_at=now,
        overdue=False,
    )
    notices.note([(row["id"], row["task_id"]) for row in gone], now)
    lost = running.update(state=State.LOST, reason=reason, detail=detail, finished_at=now)
    chains.react([row["id"] for row in gone], now)
    return moved + lost


def forget_old(now: datetime) -> int:
    """Removes nodes that ended long ago; executions keep the id."""
    removed, _rows = Node.objects.filter(
        state__in=(Node.State.STOPPED, Node.State.DEAD), ended_at__lt=now - KEPT
    ).delete()
    return removed
