"""Tasks that run after others: all or any of them, by chain, with their results; circles refused; what a skip means."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from scheduling.clock import SettableClock
from scheduling.exceptions import Refused
from scheduling.executors import Outcome, RunOrder
from scheduling.models import Dependency, Execution, Node, Task, TaskVersion
from scheduling.services import (
    admission,
    chains,
    claims,
    dependencies,
    executions,
    liverows,
    nodes,
    results,
    tasks,
)
from scheduling.services.claims import Candidate
from scheduling.services.results import Result
from tests.conftest import TESTER
from tests.scheduling.engine.conftest import YEARLY

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
FAR = dict(YEARLY)


class House:
    """Tasks by letter, and a node that runs them by hand."""

    def __init__(self, clock: SettableClock, make_task: MakeTask) -> None:
        self.clock, self.make_task = clock, make_task
        self.tasks: dict[str, Task] = {}
        self.node = nodes.register(
            clock.at, queues=["default"], functions=[], seats={"thread": 99}, lease_seconds=15
        )
        nodes.set_state(self.node.pk, Node.State.ACTIVE, clock.at)
        self.held: dict[str, Candidate] = {}

    def task(
        self, key: str, after: str = "", *, on: str = "success", mode: str = "all", **values: Any
    ) -> Task:
        made = self.tasks[key] = self.make_task(key, **FAR | values)
        if after:
            self.link(key, after, on=on, mode=mode)
        return made

    def link(self, key: str, after: str, *, on: str = "success", mode: str = "all") -> None:
        wanted = {self.tasks[each].pk: on for each in after}
        dependencies.save(self.tasks[key].pk, wanted, mode=mode, actor=TESTER)

    def ask(self, key: str) -> Execution:
        return tasks.run_now(self.tasks[key].pk, actor=TESTER)

    def end(self, key: str, state: Any = "succeeded", result: Any = None) -> int:
        """Claims what is queued, and ends the one run of that task so."""
        for candidate in claims.claim(self.node.pk, uuid.uuid4(), ["default"], 99, self.clock.at):
            self.held[candidate.task_key] = candidate
        taken = self.held.pop(key)
        order = RunOrder(
            execution_id=taken.id, attempt=taken.attempt + 1, task_id=taken.task_id, task_key=key, function="noop",
            parameters={}, scheduled_for=taken.scheduled_for, origin=taken.origin, deadline_at=None,
            timeout_seconds=None, idempotency_key="k", executor="thread", node_id=self.node.pk,
        )  # fmt: skip
        self.clock.move(seconds=1)
        outcome = Outcome(state, "" if state == "succeeded" else "exception", result=json.dumps(result))
        results.record([Result(order, outcome, self.clock.at)], self.clock.at)
        self.clock.move(seconds=1)
        return taken.id

    def states(self, key: str) -> list[str]:
        rows = Execution.objects.filter(task=self.tasks[key]).order_by("id").values_list("state", "reason")
        # Admitted is admitted: some are claimed by the way while another one is ended.
        return [
            "queued"
            if state == "running"
            else f"{state}({reason})"
            if reason and state != "failed"
            else state
            for state, reason in rows
        ]


@pytest.fixture
def house(clock: SettableClock, make_task: MakeTask) -> House:
    return House(clock, make_task)


@pytest.mark.parametrize(
    ("on", "state", "runs"),
    [
        ("success", "succeeded", True), ("success", "failed", False), ("success", "timed_out", False),
        ("failure", "failed", True), ("failure", "timed_out", True), ("failure", "succeeded", False),
        ("failure", "cancelled", False), ("end", "succeeded", True), ("end", "failed", True),
        ("end", "cancelled", True),
    ],
)  # fmt: skip
def test_after_success_failure_or_any_end(house: House, on: str, state: str, runs: bool) -> None:
    house.task("a")
    house.task("b", after="a", on=on)
    asked = house.ask("a")
    assert house.states("b") == []
    house.end("a", state)
    assert house.states("b") == ["queued" if runs else "skipped(upstream)"]
    row = Execution.objects.get(task=house.tasks["b"])
    assert (row.origin, row.slot, row.upstream_ids) == ("dependency", f"dep:{row.chain_id}", [asked.pk])
    assert row.scheduled_for == asked.scheduled_for
    if not runs:
        assert f"#{asked.pk}" in row.detail


@pytest.mark.parametrize("left", ["", "c"])
def test_a_dependency_taken_away_while_an_end_is_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """Who edits the task holds its live row; whoever waits for it must look again."""
    for key in "ac":
        house.task(key)
    house.task("b", after="a", mode="any")
    house.ask("a")
    lock = liverows.lock_many

    def edited_meanwhile(*values: Any, **more: Any) -> Any:
        Dependency.objects.filter(task=house.tasks["b"]).delete()
        if left:
            Dependency.objects.create(task=house.tasks["b"], upstream=house.tasks[left], on="success")
        return lock(*values, **more)

    monkeypatch.setattr(liverows, "lock_many", edited_meanwhile)
    house.end("a")
    assert house.states("b") == []
    assert house.states("a") == ["succeeded"]


def test_results_are_read_by_what_runs_after(house: House) -> None:
    house.task("a")
    house.task("b")
    house.task("c", after="ab")
    house.link("b", "a")
    house.ask("a")
    house.end("a", result={"rows": 7})
    house.end("b", result=[1])
    (row,) = Execution.objects.filter(task=house.tasks["c"])
    found = chains.upstream_of([row.pk])[row.pk]
    assert {key: (each["state"], each["result"]) for key, each in found.items()} == {
        "a": ("succeeded", {"rows": 7}),
        "b": ("succeeded", [1]),
    }
    assert chains.upstream_of([found["a"]["execution_id"]]) == {}


def test_all_of_several_are_joined_within_their_chain(house: House) -> None:
    """A diamond, two runs of it beside each other: each joins its own halves only."""
    house.task("r", max_concurrent=0)
    house.task("a", after="r", max_concurrent=0)
    house.task("b", after="r", max_concurrent=0)
    house.task("j", after="ab", max_concurrent=0)
    house.ask("r")
    house.end("r")
    house.end("a")
    assert house.states("j") == []
    first_b = house.held["b"]
    house.ask("r")
    house.end("r")
    house.end("a")
    assert house.states("j") == [], "a of two chains does not make up for b"
    house.end("b")
    assert house.states("j") == ["queued"]
    house.held["b"] = first_b
    house.end("b")
    assert house.states("j") == ["queued", "queued"]
    assert Execution.objects.filter(task=house.tasks["j"]).values("chain_id").distinct().count() == 2


def test_all_of_several_without_a_common_beginning_count_since_its_own_last_run(house: House) -> None:
    house.task("a")
    house.task("b")
    house.task("j", after="ab")
    for key in "aab":
        house.ask(key)
        house.end(key)
    assert house.states("j") == ["queued"]
    house.end("j")
    house.ask("b")
    house.end("b")
    assert house.states("j") == ["succeeded"], "the old a has been used"
    house.ask("a")
    house.end("a", "failed")
    assert house.states("j") == ["succeeded"]
    house.ask("a")
    house.end("a")
    assert house.states("j") == ["succeeded", "queued"]


def test_any_of_several_is_once_for_each_chain(house: House) -> None:
    house.task("r")
    house.task("a", after="r")
    house.task("b", after="r")
    house.task("j", after="ab", mode="any")
    house.ask("r")
    house.end("r")
    house.end("a", "failed")
    assert house.states("j") == []
    house.end("b")
    assert house.states("j") == ["queued"]
    house.end("j")
    house.ask("r")
    house.end("r")
    house.end("a")
    house.end("b")
    assert house.states("j") == ["succeeded", "queued"], "the second one adds nothing"
    house.end("j")
    house.ask("r")
    house.end("r")
    house.end("a", "failed")
    house.end("b", "failed")
    assert house.states("j")[-1] == "skipped(upstream)"


def test_a_failure_is_passed_on_down_the_chain_and_cleaned_up_after(house: House) -> None:
    house.task("a")
    house.task("b", after="a")
    house.task("c", after="b")
    house.task("alarm", after="", on="failure")
    house.link("alarm", "a", on="failure")
    house.task("tidy", after="")
    house.link("tidy", "c", on="end")
    house.ask("a")
    house.end("a", "failed")
    assert house.states("b") == house.states("c") == ["skipped(upstream)"]
    assert house.states("alarm") == house.states("tidy") == ["queued"]


def test_a_failed_one_run_again_by_hand_gives_those_after_it_their_turn(house: House) -> None:
    house.task("a")
    house.task("b", after="a")
    house.task("j", after="ab")
    house.ask("a")
    failed = house.end("a", "failed")
    assert house.states("j") == ["skipped(upstream)"]
    executions.retry(failed, actor=TESTER)
    house.end("a")
    assert house.states("b") == ["skipped(upstream)", "queued"]
    house.end("b")
    assert house.states("j") == ["skipped(upstream)", "queued"]
    house.end("j")
    executions.retry(failed, actor=TESTER)
    house.end("a")
    assert house.states("b") == ["skipped(upstream)", "succeeded"], "what has run in this chain runs once"


def test_recording_the_same_end_again_admits_nothing_twice(house: House, clock: SettableClock) -> None:
    house.task("a")
    house.task("b", after="a")
    house.ask("a")
    ended = house.end("a")
    assert chains.react([ended], clock.at) == []
    assert house.states("b") == ["queued"]


def test_an_attempt_that_is_tried_again_is_no_end(house: House) -> None:
    house.task("a", retries=1, retry_delay_seconds=0)
    house.task("b", after="a", on="end")
    house.ask("a")
    house.end("a", "failed")
    assert house.states("b") == []
    admission.promote(house.clock.at, [house.tasks["a"].pk])
    house.end("a", "failed")
    assert house.states("b") == ["queued"]


@pytest.mark.parametrize("how", ["cancelled", "lost", "disabled"])
def test_other_ends_are_ends_too(house: House, how: str) -> None:
    house.task("a")
    house.task("b", after="a", on="end")
    asked = house.ask("a")
    if how == "cancelled":
        executions.cancel(asked.pk, actor=TESTER)
    elif how == "disabled":
        tasks.disable(house.tasks["a"].pk, actor=TESTER)
    else:
        claims.claim(house.node.pk, uuid.uuid4(), ["default"], 9, house.clock.at)
        assert nodes.declare_dead(house.node.pk, 0, house.clock.at) == 1
    assert house.states("b") == ["queued"]


def test_its_own_overlap_policy_and_rest_are_kept(house: House) -> None:
    house.task("a", max_concurrent=0)
    house.task("b", after="a")
    for _ in range(2):
        house.ask("a")
        house.end("a")
    assert house.states("b") == ["queued", "skipped(overlap)"]
    house.end("b")
    tasks.pause(house.tasks["b"].pk, actor=TESTER)
    house.ask("a")
    house.end("a")
    assert house.states("b")[-1] == "waiting(paused)"
    tasks.resume(house.tasks["b"].pk, actor=TESTER)
    admission.promote(house.clock.at, [house.tasks["b"].pk])
    house.end("b")
    tasks.disable(house.tasks["b"].pk, actor=TESTER)
    house.ask("a")
    house.end("a")
    assert house.states("b")[-1] == "skipped(task_disabled)"


def overtaken(house: House, begun: bool) -> Execution:
    """The scheduled run of a task with ``replace`` that a later one has taken the place of."""
    house.clock.move(seconds=1)
    [first] = admitted(house)
    if begun:
        house.end("other")  # claims what is queued
    [second] = admitted(house)
    assert second.pk != first.pk
    first.refresh_from_db()
    return first


def admitted(house: House) -> list[Execution]:
    before = Execution.objects.filter(task_key="a").count()
    admission.admit_due(house.clock.move(minutes=1))
    return list(Execution.objects.filter(task_key="a").order_by("pk")[before:])


def test_one_that_is_replaced_while_it_runs_has_ended_for_what_runs_after_it(house: House) -> None:
    every_minute = {"trigger": "cron", "trigger_params": {"expression": "* * * * *"}}
    house.task("other", max_concurrent=0)
    house.task("a", overlap_policy="replace", **every_minute)
    house.task("b", after="a")
    house.task("tidy", after="a", on="end")
    house.ask("other")
    first = overtaken(house, begun=True)
    assert (first.state, first.reason) == ("running", "replaced")
    house.end("a", "cancelled")
    first.refresh_from_db()
    assert first.state == "cancelled"
    assert (house.states("b"), house.states("tidy")) == (["skipped(upstream)"], ["queued"])
    row = Execution.objects.get(task_key="b")
    assert row.detail.startswith(
        f"what it runs after did not end as it waits for: #{first.pk} (a: cancelled, "
    )


def test_one_that_is_replaced_before_it_begins_starts_no_chain(house: House) -> None:
    every_minute = {"trigger": "cron", "trigger_params": {"expression": "* * * * *"}}
    house.task("a", overlap_policy="replace", **every_minute)
    house.task("b", after="a", on="end")
    first = overtaken(house, begun=False)
    assert (first.state, first.reason, first.started_at) == ("cancelled", "replaced", None)
    assert house.states("b") == []
    admission.promote(house.clock.at, [house.tasks["a"].pk])
    house.end("a")
    assert house.states("b") == ["queued"]


def test_a_skipped_upstream_is_named_with_its_reason(house: House) -> None:
    house.task("a", max_concurrent=0)
    house.task("b", after="a")
    house.task("c", after="b")
    for _ in range(2):
        house.ask("a")
        house.end("a")
    assert house.states("b") == ["queued", "skipped(overlap)"]
    row = Execution.objects.get(task_key="c")
    assert (row.state, row.reason) == ("skipped", "upstream")
    assert "(b: skipped, as many as allowed run already)" in row.detail


# --- editing


def test_a_long_chain_of_tasks_is_walked_to_its_end(house: House) -> None:
    far = {f"t{number}": {f"t{number + 1}"} for number in range(20_000)}
    assert dependencies.path_back("t0", far) == []
    assert len(dependencies.path_back("t0", far | {"t20000": {"t0"}})) == 20_002


def test_circles_are_refused_and_the_path_is_named(house: House) -> None:
    """S3-97."""
    house.task("a")
    house.task("b", after="a")
    house.task("c", after="b")
    with pytest.raises(ValidationError) as caught:
        house.link("a", "c")
    assert caught.value.message_dict["dependencies"] == ["It would go round in a circle: a → b → c → a."]
    with pytest.raises(ValidationError, match="a → a"):
        house.link("a", "a")
    assert dependencies.of(house.tasks["a"].pk) == []


@pytest.mark.parametrize(
    ("after", "mode", "field"),
    [
        ({10**9: "success"}, None, "dependencies"),
        ({}, "some", "dependency_mode"),
        ("sometimes", None, "dependencies"),
    ],
)
def test_bad_dependencies_are_told(house: House, after: Any, mode: Any, field: str) -> None:
    house.task("a")
    house.task("b")
    wanted = {house.tasks["a"].pk: after} if isinstance(after, str) else after
    with pytest.raises(ValidationError) as caught:
        dependencies.save(house.tasks["b"].pk, wanted, mode=mode, actor=TESTER)
    assert list(caught.value.message_dict) == [field]


def test_a_change_is_a_version(house: House) -> None:
    house.task("a")
    house.task("b", after="a", mode="any")
    version = TaskVersion.objects.filter(task=house.tasks["b"]).latest("version")
    assert (version.version, version.changes) == (
        2, {"dependencies": [[], ["a (success)"]], "dependency_mode": ["all", "any"]},
    )  # fmt: skip
    house.link("b", "a", mode="any")
    assert TaskVersion.objects.filter(task=house.tasks["b"]).count() == 2, (
        "nothing changed, nothing is written"
    )


def test_deleting_an_upstream_says_what_breaks(house: House) -> None:
    house.task("a")
    house.task("b", after="a")
    house.task("c", after="a")
    with pytest.raises(Refused, match="b, c") as caught:
        tasks.delete(house.tasks["a"].pk, actor=TESTER)
    assert caught.value.code == "has_dependents"
    tasks.delete(house.tasks["a"].pk, actor=TESTER, break_dependents=True)
    assert dependencies.of(house.tasks["b"].pk) == []
    for key in ("b", "c"):
        version = TaskVersion.objects.filter(task=house.tasks[key]).latest("version")
        assert version.changes == {"dependencies": [["a (success)"], []]}
        assert version.by_id == TESTER.user_id
        house.tasks[key].refresh_from_db()
        assert house.tasks[key].version == version.version
    tasks.delete(house.tasks["b"].pk, actor=TESTER)
    with pytest.raises(Refused, match="deleted"):
        house.link("b", "c")
