"""Claims: a node takes queued executions, in the order of rank and id, as many as it has free seats.

A claim is fenced: it holds the node's own row and goes on only while the node is active, so that nobody can
declare the node dead in the middle. Pools are limits shared by all nodes: their rows are held while the
weights of what runs are summed up (docs/engine.md, "limits").
"""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, Q, SmallIntegerField, Sum

from scheduling import sql
from scheduling.executors import paths
from scheduling.models import Execution, PausedQueue, Pool, State
from scheduling.services import nodes
from scheduling.sql.prepared import Param, Prepared, Query
from scheduling.sql.transactions import in_transaction

#: With this already past, an execution is handed to a broker again after five seconds (of sixty).
FULL_POOL_PAUSE = timedelta(seconds=55)


class Candidate(NamedTuple):
    """A queued execution under this transaction's lock; its order is the order of claims."""

    rank: int
    id: int
    weight: int
    # Of the last attempt; the claim raises it by one.
    attempt: int
    task_id: int
    task_key: str
    function: str
    parameters: Any
    scheduled_for: datetime
    slot: str
    origin: str
    executor: str
    timeout_seconds: int | None
    queue: str
    pool_id: int
    memory_limit_mb: int | None
    cpu_limit_seconds: int | None


COLUMNS = Candidate._fields

#: Queue, executor and pool (0: none) of candidates that are claimed in the order of rank and id.
Line = tuple[str, str, int]
#: How far a line was claimed: rank and id of the last one.
Past = Mapping[Line, tuple[int, int]]


def claim(
    node_id: uuid.UUID,
    claim_id: uuid.UUID,
    queues: Sequence[str],
    seats: int,
    now: datetime,
    free: Mapping[str, int] | None = None,
    past: Past | None = None,
) -> list[Candidate]:
    """Takes at most ``seats`` queued executions for the node and sets them running, in the caller's transaction.

    ``free``: the free seats of the executors to claim for (``queued_for``); None: of every executor all of them.
    ``past``: goes on from there, and does not see what has come to stand before (``past_of``).
    Raises NodeIsDead. A node that is not active gets nothing.
    """
    past = past or {}
    left = dict(free) if free is not None else dict.fromkeys(paths(), seats)
    if seats < 1 or not left or not nodes.hold_active(node_id):
        return []
    room = _hold_pools(now)
    # One line for each executor, no longer than its free seats: what one has no room for would be read, and on
    # PostgreSQL and MariaDB locked, in vain at each claim.
    lines = [
        _line(line, min(seats, most, room[pool_id].starts if pool_id else seats), past.get(line))
        for queue in queues
        for executor, most in left.items()
        for pool_id in (0, *room)
        for line in [(queue, executor, pool_id)]
    ]
    taken: list[Candidate] = []
    blocked: set[int] = set()
    for candidate in heapq.merge(*lines):
        if len(taken) == seats:
            break
        pool_id = candidate.pool_id
        if pool_id in blocked:
            continue
        if left[candidate.executor] < 1:
            continue  # its executor is full here; it keeps its place
        if pool_id and not room[pool_id].takes(candidate):
            blocked.add(pool_id)  # what is too heavy now keeps its place: lighter ones must not starve it
            continue
        left[candidate.executor] -= 1
        taken.append(candidate)
    _pay((room[pool_id] for pool_id in {candidate.pool_id for candidate in taken} if pool_id), now)
    _set_running(taken, node_id, claim_id, now)
    return taken


def past_of(taken: Iterable[Candidate]) -> Past:
    """How far the lines were claimed, when those were taken. What is left of a line stands behind its last one."""
    return {(each.queue, each.executor, each.pool_id): (each.rank, each.id) for each in sorted(taken)}


def _set_running(taken: list[Candidate], node_id: uuid.UUID, claim_id: uuid.UUID, now: datetime) -> None:
    timeouts = {candidate.timeout_seconds for candidate in taken if candidate.timeout_seconds}
    deadlines = {seconds: now + timedelta(seconds=seconds) for seconds in timeouts}
    sql.claim_executions([candidate.id for candidate in taken], deadlines, node_id, claim_id, now)


def claim_one(node_id: uuid.UUID, claim_id: uuid.UUID, execution_id: int, now: datetime) -> Candidate | None:
    """Claims that very execution for the node, if it is queued and its pool has room; otherwise None.

    One whose pool is full is handed over again a few seconds later, one whose queue is paused when that goes on.
    Raises NodeIsDead.
    """

    def work() -> Candidate | None:
        if not nodes.hold_active(node_id):
            return None
        mine = Execution.objects.filter(pk=execution_id, claim_id=claim_id, state=State.RUNNING)
        if mine.exists():  # the answer to the first commit was lost
            return _before(Candidate(*mine.values_list(*COLUMNS)[0]))
        pool_id = Execution.objects.filter(pk=execution_id).values_list("pool_id", flat=True).first()
        room = _hold_pools(now) if pool_id else {}
        # Not passed by while somebody looks at it: the message is used up, and the next one comes after a minute.
        rows = Execution.objects.select_for_update().filter(pk=execution_id, state=State.QUEUED)
        found = [Candidate(*row) for row in rows.values_list(*COLUMNS)]
        if not found:
            return None
        candidate = found[0]
        rows.update(handed_at=None)  # the message is used up: a retry is handed over at once
        if PausedQueue.objects.filter(name=candidate.queue).exists():
            return None
        if candidate.pool_id:
            pool = room.get(candidate.pool_id)
            if pool is None or not pool.takes(candidate):
                rows.update(handed_at=now - FULL_POOL_PAUSE)
                return None
            _pay([pool], now)
        _set_running([candidate], node_id, claim_id, now)
        return candidate

    return in_transaction(work)


def claimed(node_id: uuid.UUID, claim_id: uuid.UUID) -> list[Candidate]:
    """What a claim took, read back after the answer to its commit was lost. ``attempt`` as before the claim."""
    rows = Execution.objects.active().filter(node_id=node_id, claim_id=claim_id, state=State.RUNNING)
    found = [Candidate(*row) for row in rows.order_by("id").values_list(*COLUMNS)]
    return [_before(candidate) for candidate in found]


def _before(candidate: Candidate) -> Candidate:
    return candidate._replace(attempt=candidate.attempt - 1)


def queued_for(queues: Sequence[str], free: Mapping[str, int], *, idle: bool = True) -> dict[str, int]:
    """Those of the executors with free seats for which something is queued: asked before a transaction is begun.

    Mostly nothing is queued at all, which one question tells. A node that is idle gives one seat to what is queued
    for an executor that it does not know: the run ends at once, and says so.
    """
    able = tuple(name for name, seats in free.items() if seats > 0)
    if not able or not queues:
        return {}
    heads = {executor for (executor,) in HEADS.rows(tuple(queues), (None, *able) if idle else able)}
    found = {name: free[name] for name in able if name in heads}
    if heads and not found and idle:
        unknown = Execution.objects.filter(state=State.QUEUED, queue__in=queues).exclude(executor__in=free)
        found = dict.fromkeys(unknown.values_list("executor", flat=True)[:1], 1)
    return found


def _heads(queues: tuple[str, ...], executors: tuple[str | None, ...]) -> list[Query]:
    """Of each queue the first of each executor (None: the first of all).

    Each looks along the index of claims: after a burst, when the statistics still tell of many queued rows,
    PostgreSQL would otherwise look for the first one through the whole table.
    """
    queued = Execution.objects.filter(state=State.QUEUED).order_by("executor", "pool_id", "rank", "id")
    return [
        (queued if executor is None else queued.filter(executor=executor))
        .filter(queue=queue)
        .values_list("executor")[:1]
        for queue in queues
        for executor in executors
    ]


HEADS = Prepared(_heads)


@dataclass(slots=True)
class _Room:
    """What is free of one pool, whose row this transaction holds."""

    pool: Pool
    weight: int  # that may still start
    tokens: float | None  # starts that its rate allows now; None: any

    def takes(self, candidate: Candidate) -> bool:
        if candidate.weight > self.weight or (self.tokens is not None and self.tokens < 1):
            return False
        self.weight -= candidate.weight
        if self.tokens is not None:
            self.tokens -= 1
        return True

    @property
    def starts(self) -> int:
        """The most that can start of it now."""
        return self.weight if self.tokens is None else min(self.weight, int(self.tokens))


POOL_COLUMNS = ("id", "capacity", "tokens_per_minute", "tokens", "refilled_at")
POOLS = Prepared(
    lambda: (
        Pool.objects.select_for_update(skip_locked=True)
        .filter(paused=False)
        .order_by("pk")
        .values_list(*POOL_COLUMNS)
    )
)


def _hold_pools(now: datetime) -> dict[int, _Room]:
    """Locks the pools that nobody else holds; returns the free room of each. Held ones are served next time."""
    held = [Pool(**dict(zip(POOL_COLUMNS, row, strict=True))) for row in POOLS.rows()]
    if not held:
        return {}
    used = (
        Execution.objects.filter(state=State.RUNNING, pool_id__in=[pool.pk for pool in held])
        .order_by()
        .values_list("pool_id")
        .annotate(weight=Sum("weight"))
    )
    weights = dict(used)
    return {
        pool.pk: _Room(pool, pool.capacity - weights.get(pool.pk, 0), pool.tokens_at(now)) for pool in held
    }


def _pay(room: Iterable[_Room], now: datetime) -> None:
    """Writes down what is left of the pools' rates."""
    for each in room:
        if each.tokens is not None:
            Pool.objects.filter(pk=each.pool.pk).update(tokens=each.tokens, refilled_at=now)


def _line(line: Line, most: int, past: tuple[int, int] | None) -> Iterator[Candidate]:
    """The head of one line in exact index order: sorting would lock every queued row on MySQL."""
    if most < 1:
        return iter(())
    queue, executor, pool_id = line
    values: dict[str, Any] = {"queue": queue, "executor": executor, "pool": pool_id}
    if past is None:
        return map(Candidate._make, HEAD.rows(most, **values))
    rank, id = past
    return map(Candidate._make, REST.rows(most, **values, rank=rank, id=id))


def _queued(most: int, *conditions: Q) -> Query:
    return (
        Execution.objects.select_for_update(skip_locked=True)
        .filter(
            *conditions,
            state=State.QUEUED,
            queue=Param("queue"),
            executor=Param("executor"),
            pool_id=Param("pool", BigIntegerField()),
        )
        .order_by("rank", "id")
        .values_list(*COLUMNS)[:most]
    )


HEAD = Prepared(_queued)
REST = Prepared(
    lambda most: _queued(
        most,
        Q(rank__gt=Param("rank", SmallIntegerField()))
        | Q(rank=Param("rank", SmallIntegerField()), id__gt=Param("id", BigIntegerField())),
    ),
    index="execution_claim",  # MariaDB would begin at the head, and compare
)
