"""Retention: old executions, logs and attempts go, in small batches with pauses, so that nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max, Q

from scheduling.models import ENDED, Attempt, Execution, ExecutionLog, Notice, State, Task
from scheduling.services import answers
from scheduling.sql.transactions import in_transaction

#: Rows removed in one transaction, and the pause after it.
BATCH = 500
PAUSE_SECONDS = 0.02
#: Successful executions of each task that stay, however old.
KEPT_OF_EACH_TASK = 20


@dataclass(slots=True)
class Pruned:
    """What was removed (or, on a dry run, would be)."""

    executions: int = 0
    log_lines: int = 0


def prune(
    now: datetime, *, dry_run: bool = False, between: Callable[[Pruned], None] = lambda _pruned: None
) -> Pruned:
    """Removes what is older than the settings say. ``between`` is called after each batch; it may raise to end it.

    Succeeded executions stay ``keep_succeeded_days``, and the last 20 of each task in any case; other ended ones
    ``keep_other_days``; log lines ``keep_log_days``. An execution goes with its log, its attempts and its notice.
    """
    pruned = Pruned()
    for task_id, ids in _batches(now):
        if not dry_run:
            in_transaction(lambda task_id=task_id, ids=ids: _remove(task_id, ids))  # type: ignore[misc]
            time.sleep(PAUSE_SECONDS)
        pruned.executions += len(ids)
        between(pruned)
    for ids in _old_log_lines(now, dry_run=dry_run):
        if not dry_run:
            in_transaction(lambda ids=ids: ExecutionLog.objects.filter(pk__in=ids).delete())  # type: ignore[misc]
            time.sleep(PAUSE_SECONDS)
        pruned.log_lines += len(ids)
        between(pruned)
    while not dry_run and answers.forget(now, most=BATCH) == BATCH:
        between(pruned)
    return pruned


def _remove(task_id: int, ids: list[int]) -> None:
    """Removes executions of one task; what they told of its schedule is noted there, so that it is not run again."""
    newest = Execution.objects.filter(pk__in=ids, slot="").aggregate(
        Max("scheduled_for"), Max("covers_until")
    )
    until = max((at for at in newest.values() if at is not None), default=None)
    if until is not None:
        task = Task.objects.filter(Q(pruned_until=None) | Q(pruned_until__lt=until), pk=task_id)
        task.update(pruned_until=until)
    ExecutionLog.objects.filter(execution_id__in=ids).delete()
    Attempt.objects.filter(execution_id__in=ids).delete()
    Notice.objects.filter(execution_id__in=ids).delete()
    Execution.objects.filter(pk__in=ids).delete()


def _batches(now: datetime) -> Iterator[tuple[int, list[int]]]:
    """The task and the ids to remove, task by task, oldest first: each step reads one short range of an index."""
    days = settings.SCHEDULER
    succeeded_before = now - timedelta(days=days["keep_succeeded_days"])
    other_before = now - timedelta(days=days["keep_other_days"])
    others = [state for state in ENDED if state != State.SUCCEEDED]
    for task_id in Task.objects.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=2_000):
        rows = Execution.objects.filter(task_id=task_id).order_by("id")
        newest = rows.filter(outcome=State.SUCCEEDED).order_by("-id").values_list("id", flat=True)
        fence = next(iter(newest[KEPT_OF_EACH_TASK - 1 : KEPT_OF_EACH_TASK]), 0)  # the oldest one that stays
        after = 0
        while True:
            page = list(rows.filter(id__gt=after).values_list("id", "state", "finished_at")[:BATCH])
            if not page:
                break
            after = page[-1][0]
            old = [
                id
                for id, state, finished_at in page
                if finished_at is not None
                and (
                    (state == State.SUCCEEDED and finished_at < succeeded_before and id < fence)
                    or (state in others and finished_at < other_before)
                )
            ]
            if old:
                yield task_id, old
            if page[-1][2] is not None and page[-1][2] > max(succeeded_before, other_before):
                break  # from here on everything is younger


def _old_log_lines(now: datetime, *, dry_run: bool) -> Iterator[list[int]]:
    before = now - timedelta(days=settings.SCHEDULER["keep_log_days"])
    after: tuple[datetime, int] | None = None
    while True:
        rows = ExecutionLog.objects.filter(at__lt=before).order_by("at", "id")
        if after is not None:  # a dry run removes nothing, so it has to step
            rows = rows.filter(at__gte=after[0]).exclude(at=after[0], id__lte=after[1])
        page = list(rows.values_list("at", "id")[:BATCH])
        if not page:
            return
        yield [id for _at, id in page]
        after = page[-1] if dry_run else None
