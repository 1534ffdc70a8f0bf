"""Groups of results: one that the database refuses ends alone, and nothing is ever recorded twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction

from scheduling import clock
from scheduling.executors import Outcome
from scheduling.models import Attempt, Execution, ExecutionLog
from scheduling.services import nodes, results, tasks
from scheduling.services.results import Result
from tests.conftest import TESTER
from tests.scheduling.engine.conftest import HandNode, stored

#: What no cleaning has been over, and whom it is too much for.
UNSTORABLE: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a state that does not exist": ({"state": "nonsense"}, {"sqlite", "mysql", "postgresql"}),
    "a reason that is too long": ({"reason": "x" * 41}, {"mysql", "postgresql"}),
    "a NUL in a text": ({"message": "\0"}, {"postgresql"}),
    "a lone surrogate in a text": ({"message": "\ud800"}, {"mysql", "postgresql"}),
    "a NUL in JSON": ({"result": '"\\u0000"'}, {"postgresql"}),
    "not a number": ({"result": "NaN"}, {"mysql", "postgresql"}),
    "no JSON": ({"result": "{"}, {"sqlite", "mysql", "postgresql"}),
}


@pytest.fixture
def seven(node: HandNode) -> list[Result]:
    """Seven runs of this node that have ended; their results are in nobody's hand."""
    task = stored("task", max_concurrent=0)
    for _ in range(7):
        tasks.run_now(task.pk, actor=TESTER)
    node.tick()
    node.await_results(7)
    found = node.recorder.take()
    node.recorder.done()
    return found


@pytest.mark.parametrize("kind", UNSTORABLE)
def test_one_that_cannot_be_stored_fails_alone(node: HandNode, seven: list[Result], kind: str) -> None:
    """Engine: "groups of results"; the others of its group are stored as they are, at once."""
    values, refused_by = UNSTORABLE[kind]
    if connection.vendor not in refused_by:
        pytest.skip(f"{connection.vendor} takes it")
    seven[3] = replace(seven[3], outcome=replace(seven[3].outcome, **values))
    for result in seven:
        node.recorder.put(result)
    node.tick()
    assert len(node.recorder) == 0
    rows = {row.pk: (row.state, row.reason) for row in Execution.objects.all()}
    bad = rows.pop(seven[3].id)
    assert bad == ("failed", "result_unstorable")
    assert set(rows.values()) == {("succeeded", "")}
    assert node.state.trouble == ""


def test_a_retry_policy_holds_for_what_cannot_be_stored(node: HandNode) -> None:
    tasks.run_now(stored("task", retries=1, retry_delay_seconds=0).pk, actor=TESTER)
    node.tick()
    node.await_results(1)
    (result,) = node.recorder.take()
    node.recorder.done()
    node.recorder.put(replace(result, outcome=replace(result.outcome, state="nonsense")))  # type: ignore[arg-type]
    node.settle()
    assert (Execution.objects.get().state, Execution.objects.get().attempt) == ("succeeded", 2)
    assert [attempt.reason for attempt in Attempt.objects.all()] == ["result_unstorable"]


def everything() -> list[Any]:
    models = (Execution, Attempt, ExecutionLog)
    return [list(model.objects.order_by("pk").values()) for model in models]


OUTCOMES: tuple[Callable[[Result], Result], ...] = (
    lambda result: result,
    lambda result: replace(result, outcome=Outcome("failed", "exception", message="no luck")),
    lambda result: replace(result, outcome=Outcome.hand_back("function_missing", "nobody has it")),
    lambda result: replace(result, outcome=Outcome("cancelled", "cancel_requested")),
)


@pytest.mark.parametrize("retries", [0, 2])
def test_recording_a_group_again_changes_nothing(node: HandNode, retries: int) -> None:
    """Also when the first answer was lost after a failure had been turned into a retry."""
    task = stored("task", max_concurrent=0, retries=retries)
    for _ in OUTCOMES:
        tasks.run_now(task.pk, actor=TESTER)
    node.tick()
    node.await_results(len(OUTCOMES))
    group = [change(result) for change, result in zip(OUTCOMES, node.recorder.take(), strict=True)]
    now = clock.refresh()
    with transaction.atomic():
        first = results.record(group, now)
    before = everything()
    with transaction.atomic():
        second = results.record(group, clock.refresh())
    assert everything() == before
    assert first.accepted == second.accepted == {result.id for result in group}
    assert first.refused == second.refused == []


def test_two_attempts_in_one_group(node: HandNode) -> None:
    """P2: a journal may hold a stale result beside the fresh one; only the owner's counts, in whatever order."""
    tasks.run_now(stored("task", rerun_if_lost=True).pk, actor=TESTER)
    node.tick()
    node.await_results(1)
    (stale,) = node.recorder.take()
    nodes.declare_dead(node.id, 0, clock.refresh())
    other = HandNode()
    other.tick()
    other.await_results(1)
    (fresh,) = other.recorder.take()
    assert (stale.order.attempt, fresh.order.attempt) == (1, 2)
    with transaction.atomic():
        recorded = results.record([fresh, stale], clock.refresh())
    assert (recorded.accepted, recorded.refused) == ({fresh.id}, [stale])
    assert (Execution.objects.get().state, Execution.objects.get().attempt) == ("succeeded", 2)
    assert [(note.attempt, note.state, note.late_state) for note in Attempt.objects.all()] == [
        (1, "lost", "succeeded")
    ]
