"""Results: how runs end in the database. Written in groups, each onto a row that still is this attempt's (P2)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Min, Q

from scheduling import sql
from scheduling.executors import Outcome, RunOrder
from scheduling.models import Attempt, Execution, Reason, State, Task
from scheduling.sentences import of_runs
from scheduling.services import chains, notices

#: An execution whose function no claiming node has is offered again after this, and given up after that.
HAND_BACK_PAUSE = timedelta(seconds=30)
HAND_BACK_LIMIT = timedelta(minutes=10)

#: As often may a function ask to be tried again.
MOST_ASKED_ATTEMPTS = 100

RETRY_COLUMNS = (
    "id", "cancel_requested_at", "task__deleted_at", "task__no_retry_on",
    "task__retries", "task__retry_delay_seconds", "task__retry_backoff", "task__retry_max_delay_seconds",
    "task__retry_jitter",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """One finished attempt, on its way to the database."""

    order: RunOrder
    outcome: Outcome
    finished_at: datetime

    @property
    def id(self) -> int:
        return self.order.execution_id


@dataclass(slots=True)
class Recorded:
    """What became of a group of results."""

    accepted: set[int] = field(default_factory=set)
    # Results that came after their attempt had been superseded or declared lost; kept as notes.
    refused: list[Result] = field(default_factory=list)
    # Tasks of which something has ended, so that what waits may go on.
    task_ids: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Policy:
    """The retry policy of an execution's task as it is now, and what stands against another try."""

    cancelled: bool
    deleted: bool
    no_retry_on: list[str]
    retries: int
    delay_seconds: int
    backoff: str
    max_delay_seconds: int
    jitter: float

    def ends_at_once(self, family: Sequence[str]) -> str:
        """The name in the list that stands for the error, whose class and bases are given; empty if none does."""
        for name in self.no_retry_on:
            if any(each == name or each.endswith(f".{name}") for each in family):
                return name
        return ""

    def delay(self, failures: int) -> timedelta:
        """The pause before the next try, after that many failures (1 or more)."""
        seconds = float(self.delay_seconds)
        if self.backoff == Task.Backoff.EXPONENTIAL:
            seconds *= 2.0 ** min(failures - 1, 32)
        seconds = min(seconds, float(self.max_delay_seconds))
        return timedelta(seconds=seconds * (1 + self.jitter * random.random()))  # noqa: S311 (spread, not secrecy)


def record(results: Sequence[Result], now: datetime) -> Recorded:
    """Writes a group of results in the caller's transaction. Writing the same group twice changes nothing more."""
    # Of two attempts at one execution in the same group, the newer one is the one that may still own the row.
    by_id = {result.id: result for result in sorted(results, key=lambda result: result.order.attempt)}
    rows = {id: _row(result) for id, result in by_id.items()}
    superseded = _retry(by_id, rows, now) | _hand_back(by_id, rows, now)
    accepted = sql.finish_executions(list(rows.values()))
    notices.note(
        [
            (id, by_id[id].order.task_id)
            for id in accepted
            if rows[id]["state"] in (State.FAILED, State.TIMED_OUT)
        ],
        now,
    )
    recorded = Recorded(accepted=set(accepted), task_ids={by_id[id].order.task_id for id in accepted})
    _keep_attempts([by_id[id] for id in superseded if id in accepted])
    stale = [result for result in results if result.id not in accepted or result is not by_id[result.id]]
    _look_at_refused(stale, rows, recorded, now)
    chains.react([id for id in accepted if id not in superseded], now)
    return recorded


def _row(result: Result) -> sql.Row:
    outcome = result.outcome
    progress = outcome.progress
    return {
        "id": result.id,
        "attempt": result.order.attempt,
        "state": outcome.state,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "available_at": None,
        "finished_at": result.finished_at,
        "run_ms": outcome.run_ms,
        "result": outcome.result,
        "result_altered": outcome.result_altered,
        "error_class": outcome.error_class,
        "message": outcome.message,
        "traceback": outcome.traceback,
        "progress_done": progress.done if progress else None,
        "progress_total": progress.total if progress else None,
        "progress_text": progress.text if progress else "",
        "exit_code": outcome.exit_code,
        "cpu_ms": outcome.cpu_ms,
        "peak_memory_bytes": outcome.peak_memory_bytes,
    }


def _retry(by_id: dict[int, Result], rows: dict[int, sql.Row], now: datetime) -> set[int]:
    """Turns failures that are to be tried again into waiting ones; returns their ids."""
    failed = [id for id, row in rows.items() if row["state"] in (State.FAILED, State.TIMED_OUT)]
    if not failed:
        return set()
    asked_at = {id: at for id in failed if (at := by_id[id].outcome.retry_at) is not None}
    rows_with_retries = Execution.objects.filter(
        Q(pk__in=failed, task__retries__gt=0) | Q(pk__in=list(asked_at))
    ).values_list(*RETRY_COLUMNS)
    policies = {
        id: _Policy(asked is not None, deleted is not None, *values)
        for id, asked, deleted, *values in rows_with_retries
    }
    if not policies:
        return set()
    earlier = Counter(
        Attempt.objects.filter(execution_id__in=policies, state__in=(State.FAILED, State.TIMED_OUT))
        .exclude(reason=Reason.RETRY_ASKED)
        .values_list("execution_id", flat=True)
    )
    retried = set()
    for id, policy in policies.items():
        if policy.cancelled or policy.deleted:
            continue
        at = _next_try(by_id[id], policy, earlier[id] + 1, rows[id], now)
        if at is not None:
            rows[id] |= {
                "state": State.WAITING.value,
                "reason": Reason.RETRY.value,
                "available_at": at,
                "finished_at": None,
            }
            retried.add(id)
    return retried


def _next_try(result: Result, policy: _Policy, failures: int, row: sql.Row, now: datetime) -> datetime | None:
    """When it is tried again, and why in the row's detail; None when it is not."""
    said = row["message"] or row["detail"] or row["reason"]
    asked = result.outcome.retry_at
    if asked is not None:
        if result.order.attempt >= MOST_ASKED_ATTEMPTS:
            row["detail"] = of_runs.ASKED_TOO_OFTEN(number=MOST_ASKED_ATTEMPTS, said=said)
            return None
        row["detail"] = of_runs.ASKED_AGAIN(said=said)
        return max(asked, now)
    if name := policy.ends_at_once(result.outcome.error_family):
        row["detail"] = of_runs.NOT_AGAIN(said=row["detail"], name=name)
        return None
    if failures > policy.retries:
        return None
    row["detail"] = of_runs.TRIED(number=failures, most=policy.retries + 1, said=said)
    return now + policy.delay(failures)


def _hand_back(by_id: dict[int, Result], rows: dict[int, sql.Row], now: datetime) -> set[int]:
    """Lets runs that no function was found for wait for a node that has it, or gives them up; their ids."""
    handed = [id for id, row in rows.items() if row["state"] == "hand_back"]
    if not handed:
        return set()
    first = dict(
        Attempt.objects.filter(execution_id__in=handed, reason=Reason.FUNCTION_MISSING)
        .order_by()
        .values_list("execution_id")
        .annotate(at=Min("finished_at"))
    )
    for id in handed:
        row = rows[id]
        if now - first.get(id, now) >= HAND_BACK_LIMIT:
            row["state"] = State.FAILED.value
        else:
            at = now + HAND_BACK_PAUSE
            row |= {"state": State.WAITING.value, "available_at": at, "finished_at": None, "run_ms": None}
    return {id for id in handed if rows[id]["state"] == State.WAITING}


def _keep_attempts(results: list[Result]) -> None:
    """Keeps what the execution's row no longer says, once it goes on with another attempt."""
    Attempt.objects.bulk_create([_attempt(result) for result in results])


def _attempt(result: Result) -> Attempt:
    order, outcome = result.order, result.outcome
    handed_back = outcome.state == "hand_back"
    return Attempt(
        execution_id=order.execution_id,
        attempt=order.attempt,
        node_id=order.node_id,
        started_at=result.finished_at - timedelta(milliseconds=outcome.run_ms),
        finished_at=result.finished_at,
        run_ms=None if handed_back else outcome.run_ms,
        state=State.WAITING if handed_back else outcome.state,
        reason=outcome.reason,
        detail=outcome.detail,
        error_class=outcome.error_class,
        message=outcome.message,
        traceback=outcome.traceback,
        exit_code=outcome.exit_code,
        cpu_ms=outcome.cpu_ms,
        peak_memory_bytes=outcome.peak_memory_bytes,
    )


def _look_at_refused(
    refused: list[Result], rows: dict[int, sql.Row], recorded: Recorded, now: datetime
) -> None:
    """Tells results that are stored already (the answer to the first commit was lost) from those that came late."""
    if not refused:
        return
    ids = [result.id for result in refused]
    stored = {
        id: (attempt, state, reason)
        for id, attempt, state, reason in Execution.objects.filter(pk__in=ids).values_list(
            "id", "attempt", "state", "reason"
        )
    }
    kept = set(
        Attempt.objects.filter(execution_id__in=stored, late_at=None).values_list(
            "execution_id", "attempt", "state"
        )
    )
    for result in refused:
        order, row = result.order, rows[result.id]
        mine = stored.get(result.id) == (order.attempt, row["state"], row["reason"])
        as_attempt = State.WAITING if result.outcome.state == "hand_back" else result.outcome.state
        if mine or (order.execution_id, order.attempt, as_attempt) in kept:
            recorded.accepted.add(result.id)
            continue
        recorded.refused.append(result)
        note, _made = Attempt.objects.get_or_create(
            execution_id=order.execution_id,
            attempt=order.attempt,
            defaults={"node_id": order.node_id, "state": State.LOST, "reason": Reason.NODE_DIED},
        )
        note.late_state, note.late_at = result.outcome.state[:10], now
        note.detail = of_runs.TOO_LATE(state=result.outcome.state, said=result.outcome.message)
        note.save(update_fields=["late_state", "late_at", "detail"])
