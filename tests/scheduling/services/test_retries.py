"""Automatic retries: when, how often, after which errors; and what each attempt leaves behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from scheduling.clock import SettableClock
from scheduling.context import current_run
from scheduling.executors import Outcome, RunOrder
from scheduling.models import Attempt, Execution, Node, Task
from scheduling.services import admission, claims, nodes, results, tasks
from scheduling.services.results import Result
from tests.conftest import TESTER, new_task
from tests.scheduling.run.conftest import function, order

__all__ = ["function", "order"]
pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


class Story:
    """One execution, attempt after attempt."""

    def __init__(self, clock: SettableClock, task: Task) -> None:
        self.clock, self.task = clock, task
        self.node = nodes.register(
            clock.at, queues=["default"], functions=[], seats={"thread": 9}, lease_seconds=15
        )
        nodes.set_state(self.node.pk, Node.State.ACTIVE, clock.at)
        self.id = tasks.run_now(task.pk, actor=TESTER).pk

    def attempt(self, state: Any = "failed", **outcome: Any) -> Execution:
        """Claims it and ends it that way; the row as it is then."""
        (taken,) = claims.claim(self.node.pk, uuid.uuid4(), ["default"], 9, self.clock.at)
        made = RunOrder(
            execution_id=taken.id, attempt=taken.attempt + 1, task_id=taken.task_id, task_key="t", function="noop",
            parameters={}, scheduled_for=taken.scheduled_for, origin="manual", deadline_at=None,
            timeout_seconds=None, idempotency_key="k", executor="thread", node_id=self.node.pk,
        )  # fmt: skip
        outcome = {"reason": "" if state == "succeeded" else "exception"} | outcome
        results.record([Result(made, Outcome(state, **outcome), self.clock.at)], self.clock.at)
        return Execution.objects.get(pk=self.id)

    def wait(self, execution: Execution) -> timedelta:
        """Lets its pause pass; how long it was."""
        pause = execution.available_at - self.clock.at
        self.clock.at = execution.available_at
        admission.promote(self.clock.at, [self.task.pk])
        return pause


def test_failing_twice_then_passing_leaves_three_attempts(clock: SettableClock, make_task: MakeTask) -> None:
    """S1-19."""
    story = Story(clock, make_task(retries=3, retry_delay_seconds=10))
    for number in (1, 2):
        row = story.attempt(message=f"no {number}", exit_code=number, run_ms=5)
        assert (row.state, row.reason) == ("waiting", "retry")
        assert row.detail == f"try {number} of 4 ended: no {number}"
        assert story.wait(row) == timedelta(seconds=10)
    row = story.attempt("succeeded")
    assert (row.state, row.attempt) == ("succeeded", 3)
    kept = Attempt.objects.values_list("attempt", "state", "message", "exit_code", "run_ms")
    assert list(kept) == [(1, "failed", "no 1", 1, 5), (2, "failed", "no 2", 2, 5)]


def test_backoff_doubles_up_to_its_cap_and_jitter_only_adds(
    clock: SettableClock, make_task: MakeTask
) -> None:
    """S2-29."""
    values = {"retry_backoff": "exponential", "retry_delay_seconds": 10, "retry_max_delay_seconds": 60}
    story = Story(clock, make_task(retries=5, retry_jitter=0.5, **values))
    for least in (10, 20, 40, 60, 60):
        pause = story.wait(story.attempt()).total_seconds()
        assert least <= pause <= least * 1.5
    assert story.attempt().state == "failed"


@pytest.mark.parametrize(
    ("names", "family", "again"),
    [
        (["ValueError"], ("ValueError", "Exception"), False),
        (["LookupError"], ("KeyError", "LookupError", "Exception"), False),
        (["Gone"], ("shop.errors.Gone", "Exception"), False),
        (["shop.errors.Gone"], ("shop.errors.Gone", "Exception"), False),
        (["errors.Gone"], ("shop.errors.Gone", "Exception"), False),
        (["one"], ("shop.errors.Gone", "Exception"), True),
        (["OSError"], ("ValueError", "Exception"), True),
        ([], ("ValueError", "Exception"), True),
    ],
)
def test_some_errors_end_it_at_once(
    clock: SettableClock, make_task: MakeTask, names: list[str], family: tuple[str, ...], again: bool
) -> None:
    story = Story(clock, make_task(retries=2, no_retry_on=names))
    row = story.attempt(error_family=family, detail="ValueError: no")
    assert row.state == ("waiting" if again else "failed")
    assert ("not tried again" in row.detail) is not again


def test_a_function_may_ask_for_a_time_whatever_the_task_says(
    clock: SettableClock, make_task: MakeTask
) -> None:
    story = Story(clock, make_task(retries=0))
    at = clock.at + timedelta(hours=2)
    row = story.attempt(reason="retry_asked", retry_at=at, message="the file is not there yet")
    assert (row.state, row.reason, row.available_at) == ("waiting", "retry", at)
    assert "not there yet" in row.detail
    story.wait(row)
    assert story.attempt().state == "failed", "an error is not asking"


def test_asking_does_not_use_up_the_tasks_own_retries_and_has_an_end(
    clock: SettableClock, make_task: MakeTask
) -> None:
    story = Story(clock, make_task(retries=1, retry_delay_seconds=1))
    for _ in range(3):
        story.wait(story.attempt(reason="retry_asked", retry_at=clock.at))
    row = story.attempt()
    assert "try 1 of 2" in row.detail
    story.wait(row)
    Execution.objects.update(attempt=results.MOST_ASKED_ATTEMPTS - 1)
    row = story.attempt(reason="retry_asked", retry_at=clock.at)
    assert (row.state, row.reason) == ("failed", "retry_asked")
    assert "100 times" in row.detail


def test_neither_cancelled_nor_deleted_is_tried_again(clock: SettableClock, make_task: MakeTask) -> None:
    story = Story(clock, make_task("one", retries=2))
    Execution.objects.update(cancel_requested_at=clock.at)
    assert story.attempt().state == "failed"
    story = Story(clock, make_task("two", retries=2))
    Task.objects.filter(pk=story.task.pk).update(deleted_at=clock.at)
    assert story.attempt().state == "failed"


@pytest.mark.parametrize(
    "names", ["ValueError", [1], ["no name"], ["a..b"], ["x" * 201], ["A"] * 51, {"a": 1}]
)
def test_a_bad_list_of_errors_is_told_at_its_field(names: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        tasks.create(new_task(no_retry_on=names), actor=TESTER)
    assert list(caught.value.message_dict) == ["no_retry_on"]


def test_what_the_function_asks_becomes_the_outcome(
    order: Callable[..., RunOrder], function: Callable[..., Any], clock: SettableClock
) -> None:
    from scheduling.engine.run import run

    @function
    def it(seconds: float) -> None:
        try:
            current_run().retry_in(seconds, "not yet")
        except Exception:
            pytest.fail("a broad except must not swallow it")

    outcome = run(order(parameters={"seconds": 60.0}))
    assert (outcome.state, outcome.reason, outcome.message) == ("failed", "retry_asked", "not yet")
    assert outcome.retry_at == clock.at + timedelta(minutes=1)


def test_an_error_names_its_family(order: Callable[..., RunOrder], function: Callable[..., Any]) -> None:
    from scheduling.engine.run import run

    @function
    def it() -> None:
        {}["x"]

    assert run(order()).error_family == ("KeyError", "LookupError", "Exception", "BaseException")
