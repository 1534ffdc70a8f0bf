"""What an end sets going: the tasks that run after it, in the transaction in which the end is written.

A *chain* is what one run sets going, with all that follows from it. A task that runs after others gets at most
one row for each chain. Where those others have an ancestor in common, they are looked at within the chain
(fan-in); where they have none, the newest end of each since the task's own last run counts.

What never began by its schedule (skipped, missed, replaced before it began) starts no chain. Within one, a task
whose condition can no more be met gets a row ``skipped(upstream)``, and what runs after it hears of that as of any end.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import override

from scheduling.models import ENDED, NEVER, Dependency, Execution, Origin, Reason, State, Task
from scheduling.models.execution import reason_text
from scheduling.sentences import joined, of_runs
from scheduling.services import dependencies, liverows, replacement
from scheduling.services.admission import count_active, new_row
from scheduling.services.plans import Plan, plans
from scheduling.sql.prepared import Prepared

#: Names a run's own chain: the same whoever computes it, and when.
SPACE = uuid.UUID("5f1c7a52-4a7c-5c0e-9b0a-6a6f62736974")
#: Ends that are followed in one transaction; a chain is never longer than there are tasks.
MOST = 10_000


def chain_of(execution_id: int) -> uuid.UUID:
    """The chain that a run starts."""
    return uuid.uuid5(SPACE, str(execution_id))


@dataclass(slots=True)
class _End:
    """An upstream run that has ended."""

    id: int
    task_id: int
    state: str
    scheduled_for: datetime
    chain: uuid.UUID


def react(execution_ids: Iterable[int], now: datetime) -> list[int]:
    """Admits what runs after those executions, which have just ended, in the caller's transaction.

    Returns the ids of the new rows. Costs one query when nothing runs after them.
    """
    made: list[int] = []
    look = list(execution_ids)
    followed = 0
    while look and followed < MOST:
        followed += len(look)
        new = _react_once(look, now)
        made += new
        look = list(
            Execution.objects.filter(pk__in=new, state__in=ENDED).values_list("pk", flat=True) if new else ()
        )
    return made


ANY_DEPENDENCY = Prepared(lambda: Dependency.objects.values_list("id")[:1])


def _react_once(execution_ids: list[int], now: datetime) -> list[int]:
    if not execution_ids or not ANY_DEPENDENCY.rows():
        return []  # the ordinary case, at the price of one step in an index
    waited_for = Dependency.objects.filter(task__deleted_at=None).values("upstream_id")
    rows = Execution.objects.filter(pk__in=execution_ids, state__in=ENDED, task_id__in=waited_for)
    ends = [
        _End(id, task_id, state, at, chain or chain_of(id))
        for id, task_id, state, at, chain in rows.order_by("id").values_list(
            "id", "task_id", "state", "scheduled_for", "chain_id"
        )
    ]
    if not ends:
        return []
    for end in ends:
        Execution.objects.filter(pk=end.id, chain_id=None).update(chain_id=end.chain)
    edges = Dependency.objects.filter(
        upstream_id__in={end.task_id for end in ends}, task__deleted_at=None
    ).values_list("task_id", "upstream_id")
    after: dict[int, set[int]] = {}
    for task_id, upstream in edges:
        after.setdefault(task_id, set()).add(upstream)
    liverows.lock_many(after, skip_locked=False)
    known = plans.read(after)
    graph = dependencies.graph()
    made = []
    for task_id in sorted(known):
        for end in ends:
            if end.task_id in after[task_id]:
                made += _consider(known[task_id], end, graph, now)
    return made


def _consider(plan: Plan, end: _End, graph: dependencies.Graph, now: datetime) -> list[int]:
    """Decides about one task after one end; the caller holds its live row."""
    edges = list(Dependency.objects.filter(task_id=plan.id))
    if all(edge.upstream_id != end.task_id for edge in edges):
        return []  # somebody has taken it away while the live row was waited for
    task = Task.objects.select_related("group").get(pk=plan.id)
    joined = bool(set.intersection(*(dependencies.ancestors(edge.upstream_id, graph) for edge in edges)))
    earlier = list(
        Execution.objects.filter(chain_id=end.chain, task_id=plan.id, slot__startswith="dep:").values_list(
            "state", "reason"
        )
    )
    if any((state, reason) != (State.SKIPPED, Reason.UPSTREAM) for state, reason in earlier):
        return []  # once for each chain
    found = _in_chain(edges, end) if joined else _since_last(plan, edges)
    met = [edge.is_met_by(found[edge.upstream_id][1]) for edge in edges if edge.upstream_id in found]
    every = task.dependency_mode == Task.DependencyMode.ALL
    if every:
        runs = len(met) == len(edges) and all(met)
        hopeless = not all(met)
    else:
        runs = any(met) if joined else _edge(edges, end).is_met_by(end.state)
        hopeless = len(met) == len(edges) and not any(met)
    if not runs and not (joined and hopeless and not earlier):
        return []
    upstream_ids = sorted(id for id, _state in found.values())
    return [_admit(plan, task, end, upstream_ids, runs, len(earlier), now)]


def _edge(edges: list[Dependency], end: _End) -> Dependency:
    return next(edge for edge in edges if edge.upstream_id == end.task_id)


def _in_chain(edges: list[Dependency], end: _End) -> dict[int, tuple[int, str]]:
    """The newest run of each upstream task in the chain, if it has ended: task → (execution, state)."""
    rows = Execution.objects.filter(chain_id=end.chain, task_id__in=[edge.upstream_id for edge in edges])
    newest = {
        task_id: (id, state)
        for id, task_id, state in rows.order_by("id").values_list("id", "task_id", "state")
    }
    return {task_id: (id, state) for task_id, (id, state) in newest.items() if state in ENDED}


def _since_last(plan: Plan, edges: list[Dependency]) -> dict[int, tuple[int, str]]:
    """The newest end of each upstream task since this task's own last run after others."""
    last = (
        Execution.objects.filter(task_id=plan.id, origin=Origin.DEPENDENCY)
        .order_by("-id")
        .values_list("queued_at", flat=True)
        .first()
    )
    found = {}
    for edge in edges:
        rows = Execution.objects.filter(task_id=edge.upstream_id, outcome__isnull=False)
        if last is not None:
            rows = rows.filter(finished_at__gt=last)
        newest = rows.order_by("-id").values_list("id", "state").first()
        if newest is not None:
            found[edge.upstream_id] = newest
    return found


def _admit(
    plan: Plan, task: Task, end: _End, upstream_ids: list[int], runs: bool, number: int, now: datetime
) -> int:
    state, reason, detail = State.QUEUED, "", ""
    if not runs:
        state, reason = State.SKIPPED, Reason.UPSTREAM
        detail = of_runs.OTHERWISE_ENDED(ends=_ends(upstream_ids))
    elif not task.enabled:
        state, reason, detail = State.SKIPPED, Reason.TASK_DISABLED, of_runs.TASK_WAS_DISABLED()
    elif task.is_at_rest:
        state, reason, detail = State.WAITING, Reason.PAUSED, of_runs.TASK_PAUSED()
    else:
        load = count_active([plan.id])[plan.id]
        state, reason = load.place(plan)
        if load.replaces:
            replacement.cancel_waiting(plan.id, now)
            replacement.make_way(plan.id, load.counted - plan.max_concurrent + 1, now)
    slot = f"dep:{end.chain}" + (f":{number + 1}" if number else "")
    row: dict[str, Any] = new_row(
        plan, end.scheduled_for, now, state, reason, origin=Origin.DEPENDENCY, slot=slot, detail=detail
    )
    if reason == Reason.PAUSED:
        row["available_at"] = NEVER
    made = Execution.objects.create(**row, chain_id=end.chain, upstream_ids=upstream_ids)
    return made.pk


def _ends(execution_ids: Iterable[int]) -> str:
    """Each with its task and how it ended: "#12 (load: cancelled, a later run took its place)"."""
    rows = Execution.objects.filter(pk__in=list(execution_ids)).order_by("pk")
    with override("en"):  # as all that is written into rows
        return joined(
            of_runs.END_WITH_REASON(id=id, key=key, state=State(state).label, reason=reason_text(reason))
            if reason
            else of_runs.END(id=id, key=key, state=State(state).label)
            for id, key, state, reason in rows.values_list("pk", "task_key", "state", "reason")
        )


def upstream_of(execution_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """For runs after others: execution → {key of the upstream task: execution, state and result}."""
    rows = dict(
        Execution.objects.filter(pk__in=list(execution_ids), upstream_ids__isnull=False).values_list(
            "pk", "upstream_ids"
        )
    )
    wanted = {id for ids in rows.values() for id in ids or ()}
    if not wanted:
        return {}
    ended = {
        id: (key, {"execution_id": id, "state": state, "result": result})
        for id, key, state, result in Execution.objects.filter(pk__in=wanted).values_list(
            "pk", "task_key", "state", "result"
        )
    }
    return {pk: dict(ended[id] for id in ids or () if id in ended) for pk, ids in rows.items()}
