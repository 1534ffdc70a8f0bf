"""P1 to P4 and P7: the checker sees what it is there for. Each fault is planted by hand in rows that were right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import QuerySet

from scheduling import clock as clocks
from scheduling.models import Attempt, Execution, Task
from scheduling.services import dependencies, tasks
from tests.conftest import TESTER, new_task
from tests.faults import checker

pytestmark = pytest.mark.django_db


def at(minute: int) -> datetime:
    """So long after the tests' clock begins."""
    return datetime(2026, 6, 1, 12, minute, tzinfo=UTC)


class Shop:
    """A task every minute that has run three times and missed two, one that runs after it, and the lines of it all."""

    def __init__(self, clock: clocks.SettableClock, lines: Path) -> None:
        self.clock = clock
        self.lines = lines
        seconds = {"trigger": "interval", "trigger_params": {"seconds": 60}}
        self.task = tasks.create(
            new_task("steady", function="append_line", parameters={"path": "x"}, **seconds), actor=TESTER
        )
        self.after = tasks.create(new_task("after", trigger="manual", trigger_params={}), actor=TESTER)
        dependencies.save(self.after.pk, {self.task.pk: "end"}, actor=TESTER)
        self.first, self.second, self.third = (self.add(minute) for minute in (1, 2, 5))
        self.missed = self.add(3, state="missed", reason="coalesced", attempt=0, chain_id=None)
        self.missed.covers_until = at(4)
        self.missed.covers_count = 2
        self.missed.save()
        lines.write_text("".join(f"{row.pk} 1\n" for row in (self.first, self.second, self.third)))
        clock.move(seconds=330)

    def add(self, minute: int, **values: Any) -> Execution:
        ended = {"state": "succeeded", "attempt": 1, "finished_at": at(minute), "chain_id": uuid4()}
        row = Execution(
            task=self.task, task_key=self.task.key, task_version=1, function="append_line", origin="schedule",
            scheduled_for=at(minute), queue="default", available_at=at(minute), admitted_at=at(minute),
            queued_at=at(minute), parameters={}, **ended | values,
        )  # fmt: skip
        row.save()
        if row.chain_id is not None:
            Execution.objects.create(
                task=self.after, task_key="after", task_version=1, function="noop", origin="dependency",
                slot=f"dep:{row.chain_id}", chain_id=row.chain_id, scheduled_for=row.scheduled_for, queue="default",
                available_at=row.scheduled_for, admitted_at=row.scheduled_for, queued_at=row.scheduled_for,
                finished_at=row.scheduled_for, state="succeeded", attempt=1, parameters={},
            )  # fmt: skip
        return row

    def say(self, line: str) -> None:
        with self.lines.open("a") as file:
            file.write(f"{line}\n")

    def violations(self) -> list[str]:
        return checker.judge(self.lines, until=self.clock.at).violations


@pytest.fixture
def shop(clock: clocks.SettableClock, tmp_path: Path) -> Shop:
    return Shop(clock, tmp_path / "lines")


def test_what_is_right_is_left_alone(shop: Shop) -> None:
    verdict = checker.judge(shop.lines, until=shop.clock.at)
    assert verdict.violations == []
    assert (verdict.due, verdict.lines, verdict.states) == (5, 3, {"succeeded": 6, "missed": 1})


def change(name: str, **values: Any) -> Callable[[Shop], object]:
    """Of one of the shop's rows."""
    return lambda shop: Execution.objects.filter(pk=getattr(shop, name).pk).update(**values)


def after_the_first(shop: Shop) -> QuerySet[Execution]:
    return Execution.objects.filter(chain_id=shop.first.chain_id, task=shop.after)


def run_again(shop: Shop) -> None:
    """The first one was lost, and its second attempt has succeeded."""
    Attempt.objects.create(execution=shop.first, attempt=1, state="lost")
    change("first", attempt=2)(shop)
    shop.say(f"{shop.first.pk} 2")


#: What is planted, the promise that it breaks, and how.
FAULTS: dict[str, tuple[str, Callable[[Shop], object]]] = {
    "a row is gone": ("P3", lambda shop: shop.second.delete()),
    "the missed row is gone": ("P3", lambda shop: shop.missed.delete()),
    "a missed row miscounts": ("P3", change("missed", covers_count=3)),
    "a missed range that goes too far": ("P1", change("missed", covers_until=at(5), covers_count=3)),
    "a row inside a missed range": ("P1", lambda shop: shop.add(4)),
    "a row that nobody was due for": ("P7", change("third", scheduled_for=at(5) + timedelta(seconds=1))),
    "one waits for ever": ("P3", change("first", state="waiting", reason="overlap", finished_at=None)),
    "a skipped row that ran": ("P3", change("first", state="skipped", reason="overlap")),
    "something ran without a row": ("P3", lambda shop: shop.say("999999999 1")),
    "an attempt ran twice": ("P2", lambda shop: shop.say(f"{shop.first.pk} 1")),
    "an attempt that nobody knows": ("P2", lambda shop: shop.say(f"{shop.first.pk} 2")),
    "a superseded attempt is not kept": ("P2", change("first", attempt=2)),
    "a success that did not run": ("P2", lambda shop: shop.lines.write_text(f"{shop.second.pk} 1\n")),
    "a kept attempt beside its row": (
        "P2", lambda shop: Attempt.objects.create(execution=shop.first, attempt=1, state="lost")
    ),
    "it ran again unasked": ("P4", run_again),
    "lost by a node that nobody knows as ended": ("P5", change("first", state="lost", reason="node_died")),
    "a dependent is missing": ("P3", lambda shop: after_the_first(shop).delete()),
    "a dependent ran twice": (
        "P1", lambda shop: Execution.objects.filter(task=shop.after).update(chain_id=shop.first.chain_id)
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(shop: Shop, fault: str) -> None:
    promise, plant = FAULTS[fault]
    plant(shop)
    assert promise in {text.partition(":")[0] for text in shop.violations()}


def test_what_may_run_again_may(shop: Shop) -> None:
    """P4: where the task says so, a lost attempt is kept and another one runs."""
    Task.objects.filter(pk=shop.task.pk).update(rerun_if_lost=True)
    run_again(shop)
    assert shop.violations() == []
