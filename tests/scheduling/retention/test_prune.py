"""What the retention removes, and what it leaves."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core.management import call_command

from scheduling.clock import SettableClock
from scheduling.models import Attempt, Execution, ExecutionLog, Task
from scheduling.services import retention
from scheduling.tasks import prune_history


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0)


def ended(task: Task, at: datetime, state: str = "succeeded", number: int = 1) -> list[Execution]:
    """Executions that ended at a moment, each with an attempt and a log line."""
    rows = [
        Execution(
            task=task, task_key=task.key, task_version=1, function=task.function, slot=f"{state}{n}", origin="manual",
            scheduled_for=at, state=state, reason="" if state in ("succeeded", "queued") else "exception",
            queue="default", available_at=at, queued_at=at, finished_at=None if state == "queued" else at,
        )
        for n in range(number)
    ]  # fmt: skip
    for row in rows:
        row.save()
        Attempt.objects.create(execution=row, attempt=1, state="failed")
        ExecutionLog.objects.create(execution=row, attempt=1, seq=1, at=at, level="INFO", text="said")
    return rows


def prune(*options: str) -> str:
    out = io.StringIO()
    call_command("prune", *options, stdout=out)
    return out.getvalue().strip()


def left() -> set[int]:
    return set(Execution.objects.values_list("id", flat=True))


def days(clock: SettableClock, number: float) -> datetime:
    return clock.now() - timedelta(days=number)


def test_old_successes_go_but_the_last_twenty_of_each_task(
    make_task: Callable[..., Task], clock: SettableClock
) -> None:
    busy, rare = make_task("busy"), make_task("rare")
    old = ended(busy, days(clock, 31), number=30)
    few = ended(rare, days(clock, 400), number=5)
    assert prune() == "removed: 10 executions and 25 log lines"
    assert left() == {row.pk for row in [*old[10:], *few]}
    assert set(Attempt.objects.values_list("execution_id", flat=True)) == left()


def test_other_ends_stay_longer_and_what_has_not_ended_stays(
    make_task: Callable[..., Task], clock: SettableClock
) -> None:
    task = make_task()
    ended(task, days(clock, 91), "failed")
    kept = [*ended(task, days(clock, 89), "failed"), *ended(task, days(clock, 500), "queued")]
    prune()
    assert left() == {row.pk for row in kept}


def test_log_lines_go_before_their_executions(make_task: Callable[..., Task], clock: SettableClock) -> None:
    task = make_task()
    ended(task, days(clock, 15))
    [young] = ended(task, days(clock, 13))
    assert prune() == "removed: 0 executions and 1 log lines"
    assert list(ExecutionLog.objects.values_list("execution_id", flat=True)) == [young.pk]


def test_a_dry_run_counts_and_removes_nothing(
    make_task: Callable[..., Task], clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    ended(make_task(), days(clock, 100), "failed", number=8)
    assert prune("--dry-run") == "would remove: 8 executions and 8 log lines"
    assert (len(left()), ExecutionLog.objects.count()) == (8, 8)
    assert prune() == "removed: 8 executions and 0 log lines"
    assert not left()


def test_no_batch_is_longer_than_its_bound(
    make_task: Callable[..., Task], clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    ended(make_task(), days(clock, 100), "failed", number=8)
    seen: list[int] = []
    retention.prune(clock.now(), between=lambda pruned: seen.append(pruned.executions))
    assert seen == [3, 6, 8]


def test_the_task_function_says_what_it_removed(make_task: Callable[..., Task], clock: SettableClock) -> None:
    ended(make_task(), days(clock, 100), "failed", number=2)
    assert prune_history() == {"executions": 2, "log_lines": 0}
