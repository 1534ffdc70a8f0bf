"""P1 to P3 against a small model: whatever people, nodes and time do, in any order, the rows tell the truth.

A stateful test: hypothesis draws sequences of edits, ticks, claims, ends, deaths and waits, and shrinks what fails.
The model knows nothing of rows: it counts the minutes that came due while a task was not at rest.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from scheduling import clock as clocks
from scheduling.exceptions import NodeIsDead, Refused
from scheduling.executors import Outcome, RunOrder
from scheduling.models import ACTIVE, ENDED, Attempt, Execution, ExecutionLog, Node, State, Task, TaskVersion
from scheduling.services import admission, claims, executions, liverows, nodes, results, tasks
from scheduling.services.claims import Candidate
from scheduling.services.plans import plans
from scheduling.services.results import Result
from tests.conftest import TESTER, new_task

START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEYS = ("one", "two")
POLICIES = st.fixed_dictionaries(
    {
        "misfire_policy": st.sampled_from(Task.Misfire.values),
        "overlap_policy": st.sampled_from(["skip", "queue_one", "queue_all"]),
        "max_concurrent": st.integers(1, 2),
        "retries": st.integers(0, 1),
        "rerun_if_lost": st.booleans(),
        "catch_up_limit": st.integers(1, 3),
    }
)


@dataclass
class Modelled:
    """What the model knows of one task."""

    id: int
    limit: int
    next: datetime | None
    due: set[datetime] = field(default_factory=set)

    def come(self, now: datetime) -> None:
        """What has come due is due for ever, whatever happens to the task afterwards."""
        while self.next is not None and self.next <= now:
            self.due.add(self.next)
            self.next += MINUTE

    def rest(self) -> None:
        self.next = None

    def go_on(self, now: datetime) -> None:
        if self.next is None:
            self.next = now.replace(second=0, microsecond=0) + MINUTE


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = clocks.SettableClock(START)
        self._use = clocks.use(self.clock)
        self._use.__enter__()
        plans.forget()
        self.model: dict[str, Modelled] = {}
        self.nodes: list[uuid.UUID] = []
        self.running: dict[int, tuple[uuid.UUID, Candidate]] = {}
        self.stale: list[tuple[uuid.UUID, Candidate]] = []

    def teardown(self) -> None:
        for model in (ExecutionLog, Attempt, Execution, TaskVersion):
            model.objects.all().delete()
        for task in Task.objects.all():
            liverows.delete(task.pk)
        Task.objects.all().delete()
        Node.objects.all().delete()
        self._use.__exit__(None, None, None)

    # --- how it begins

    @initialize(policies=st.tuples(POLICIES, POLICIES))
    def begin(self, policies: tuple[dict[str, Any], ...]) -> None:
        for key, values in zip(KEYS, policies, strict=True):
            task = tasks.create(new_task(key, retry_delay_seconds=30, **values), actor=TESTER)
            self.model[key] = Modelled(task.pk, values["max_concurrent"], START + MINUTE)
        self.new_node()

    # --- what time and nodes do

    @rule(seconds=st.sampled_from([1, 20, 61, 200, 4_000]))
    def wait(self, seconds: int) -> None:
        self.clock.move(seconds=seconds)

    @rule()
    def tick(self) -> None:
        now = clocks.refresh()
        while admission.admit_due(now).taken:
            pass
        admission.promote(now, admission.tasks_waiting(now))
        for modelled in self.model.values():
            modelled.come(now)

    @precondition(lambda self: len(self.nodes) < 2)
    @rule()
    def new_node(self) -> None:
        node = nodes.register(
            self.clock.at, queues=["default"], functions=["noop"], seats={"thread": 3}, lease_seconds=15
        ).pk
        nodes.set_state(node, Node.State.ACTIVE, self.clock.at)
        self.nodes.append(node)

    @precondition(lambda self: self.nodes)
    @rule(which=st.integers(0, 1), seats=st.integers(1, 3))
    def claim(self, which: int, seats: int) -> None:
        node = self.nodes[which % len(self.nodes)]
        for candidate in claims.claim(node, uuid.uuid4(), ["default"], seats, self.clock.at):
            assert candidate.id not in self.running, "two nodes own one execution (P2)"
            self.running[candidate.id] = (node, candidate)

    @precondition(lambda self: self.running)
    @rule(
        which=st.integers(0, 9), state=st.sampled_from([State.SUCCEEDED, State.FAILED]), twice=st.booleans()
    )
    def end(self, which: int, state: State, twice: bool) -> None:
        id = sorted(self.running)[which % len(self.running)]
        node, candidate = self.running.pop(id)
        for _time in range(1 + twice):  # the answer to the first commit may have been lost
            recorded = results.record([self._result(node, candidate, state)], self.clock.at)
            assert recorded.accepted == {id}

    @precondition(lambda self: self.nodes)
    @rule(which=st.integers(0, 1))
    def die(self, which: int) -> None:
        node = self.nodes.pop(which % len(self.nodes))
        beat = Node.objects.values_list("beat", flat=True).get(pk=node)
        mine = {id: pair for id, pair in self.running.items() if pair[0] == node}
        assert nodes.declare_dead(node, beat, self.clock.at) == len(mine)
        for id, pair in mine.items():
            del self.running[id]
            self.stale.append(pair)
        with pytest.raises(NodeIsDead):
            claims.claim(node, uuid.uuid4(), ["default"], 1, self.clock.at)

    @precondition(lambda self: self.stale)
    @rule()
    def report_late(self) -> None:
        """A node that was given up writes its result all the same: no row changes (P2)."""
        node, candidate = self.stale.pop()
        before = Execution.objects.values("state", "attempt", "reason").get(pk=candidate.id)
        recorded = results.record([self._result(node, candidate, State.SUCCEEDED)], self.clock.at)
        assert not recorded.accepted
        assert Execution.objects.values("state", "attempt", "reason").get(pk=candidate.id) == before

    # --- what people do

    @rule(key=st.sampled_from(KEYS))
    def run_now(self, key: str) -> None:
        tasks.run_now(self.model[key].id, actor=TESTER)

    @rule(key=st.sampled_from(KEYS), verb=st.sampled_from(["pause", "disable"]))
    def stop(self, key: str, verb: str) -> None:
        self._ask(key, getattr(tasks, verb))

    @rule(key=st.sampled_from(KEYS), verb=st.sampled_from(["resume", "enable"]))
    def go_on(self, key: str, verb: str) -> None:
        self._ask(key, getattr(tasks, verb))

    @rule(key=st.sampled_from(KEYS), text=st.text(max_size=3))
    def edit(self, key: str, text: str) -> None:
        task = Task.objects.get(pk=self.model[key].id)
        task.description = f"note {text!r}"
        self._ask(key, lambda _id, *, actor: tasks.edit(task, actor=actor))

    @rule(which=st.integers(0, 9))
    def cancel(self, which: int) -> None:
        waiting = list(Execution.objects.filter(state__in=(State.WAITING, State.QUEUED)).order_by("pk"))
        if waiting:
            executions.cancel(waiting[which % len(waiting)].pk, actor=TESTER)
        ended = Execution.objects.filter(state__in=ENDED).first()
        if ended is not None:
            with pytest.raises(Refused):
                executions.cancel(ended.pk, actor=TESTER)

    def _ask(self, key: str, verb: Callable[..., Task]) -> None:
        modelled = self.model[key]
        changed = verb(modelled.id, actor=TESTER)
        # What was due is decided before the change; a verb that changes nothing only settles that.
        modelled.come(self.clock.at)
        if changed.is_at_rest:
            modelled.rest()
        else:
            modelled.go_on(self.clock.at)

    # --- what must always be true

    @invariant()
    def every_due_minute_has_a_row(self) -> None:
        for key, modelled in self.model.items():
            covered: set[datetime] = set()
            rows = Execution.objects.filter(task_id=modelled.id, origin="schedule").values_list(
                "scheduled_for", "state", "covers_until"
            )
            for at, state, until in rows:
                minutes = {at}
                if state == State.MISSED:
                    minutes = {at + MINUTE * n for n in range((until - at) // MINUTE + 1)}
                assert covered.isdisjoint(minutes), f"{key}: one minute, two rows (P1)"
                covered |= minutes
            assert covered == modelled.due, f"{key}: due, but without a row, or the reverse (P3)"

    @invariant()
    def limits_hold(self) -> None:
        for key, modelled in self.model.items():
            active = Execution.objects.filter(task_id=modelled.id).counted().count()
            assert active <= modelled.limit, f"{key}: more than {modelled.limit} at a time"

    @invariant()
    def rows_say_who_runs_them(self) -> None:
        rows = Execution.objects.filter(state=State.RUNNING).values_list("id", "node_id")
        assert dict(rows) == {id: node for id, (node, _candidate) in self.running.items()}

    @invariant()
    def ends_are_explained(self) -> None:
        unexplained = (
            Execution.objects.filter(state__in=ENDED).exclude(state=State.SUCCEEDED).filter(reason="")
        )
        assert not unexplained.exists()
        assert not Execution.objects.filter(state__in=ENDED, finished_at=None).exists()

    def _result(self, node: uuid.UUID, candidate: Candidate, state: State) -> Result:
        order = RunOrder(
            execution_id=candidate.id, attempt=candidate.attempt + 1, task_id=candidate.task_id,
            task_key=candidate.task_key, function=candidate.function, parameters=candidate.parameters,
            scheduled_for=candidate.scheduled_for, origin=candidate.origin, deadline_at=None,
            timeout_seconds=None, idempotency_key="k", executor="thread", node_id=node,
        )  # fmt: skip
        reason = "" if state == State.SUCCEEDED else "exception"
        return Result(order, Outcome(state.value, reason=reason), self.clock.at)


class Ending(Machine):
    """The same, and in the end everybody rests: nothing may be stuck."""

    def teardown(self) -> None:
        try:
            if self.model:
                self._bring_to_an_end()
        finally:
            super().teardown()

    def _bring_to_an_end(self) -> None:
        for modelled in self.model.values():
            self._ask(next(key for key, value in self.model.items() if value is modelled), tasks.enable)
            tasks.resume(modelled.id, actor=TESTER)
            tasks.disable(modelled.id, actor=TESTER)
        while self.running:
            self.end(0, State.SUCCEEDED, False)
        left = Execution.objects.filter(state__in=ACTIVE)
        assert not left.exists(), list(left.values_list("task_key", "state", "reason"))


@pytest.mark.django_db
def test_whatever_happens_the_rows_tell_the_truth() -> None:
    wanted = os.environ.get("JOBSITE_TEST_MODEL_EXAMPLES")
    # Who asks for more examples looks for a fault, and wants to see the smallest: that takes minutes.
    phases = tuple(Phase) if wanted else (Phase.explicit, Phase.reuse, Phase.generate)
    run_state_machine_as_test(
        Ending,
        settings=settings(
            max_examples=int(wanted or 25),
            phases=phases, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )  # fmt: skip
