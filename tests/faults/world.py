"""Work that leads the engine through its transactions: something of everything that it has to decide about.

Laid out anew for each death, through the services, as if an hour had gone by; so what is due, missed and late is
there at once, and nobody has to wait for it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.test.utils import override_settings

from scheduling import clock as clocks
from scheduling.engine import journal
from scheduling.executors import Outcome, RunOrder
from scheduling.models import ACTIVE, Execution, ExecutionLog, Node, Pool, Task
from scheduling.services import claims, dependencies, executions, liverows, nodes, notices, tasks
from scheduling.services.results import Result
from scheduling.sql.transactions import in_transaction
from tests.conftest import TESTER, new_task
from tests.faults.nursery import LEASE_SECONDS

HOUR = timedelta(hours=1)
BY_HAND: dict[str, Any] = {"trigger": "manual", "trigger_params": {}}


@dataclass
class World:
    """``lines``: the file to which every run appends "<execution> <attempt>"; ``var``: where the nodes keep files."""

    lines: Path
    var: Path
    number: int = 0

    def lay_out(self) -> None:
        """One more world, beside what is left of the earlier ones."""
        self.number += 1
        now = clocks.refresh()
        with clocks.use(clocks.SettableClock(now - HOUR)) as past:
            self._come_due(past.at)
            self._differ_from_their_live_rows()
            self._grow_old(past.at)
        self._ask_for_runs()
        self._leave_behind_a_dead_node()

    # --- what has come due in the hour

    def _come_due(self, then: datetime) -> None:
        once = {"trigger": "date", "trigger_params": {"run_date": (then + HOUR / 2).isoformat()}}
        for number in range(3):
            self._task(f"once-{number}", **once)
        self._every(600, "coalesced")
        self._every(900, "caught-up", misfire_policy="run_all", catch_up_limit=2, overlap_policy="queue_all")
        self._every(3_500, "late", misfire_policy="skip", misfire_grace_seconds=1)
        self._every(3_500, "jittered", jitter_seconds=3)
        self._every(1_000, "capped", max_runs=1)
        self._every(
            900, "replacing", misfire_policy="run_all", catch_up_limit=3, overlap_policy="replace"
        )  # fmt: skip
        self._every(3_600, "following", after_end=True)
        # Whatever becomes of the schedule of this one, the others go on.
        broken = self._every(3_000, "broken")
        Task.objects.filter(pk=broken.pk).update(trigger_params={"seconds": "none"}, version=2)
        upstream = self._task("upstream", **once)
        for on, key in (("success", "then"), ("failure", "otherwise"), ("end", "anyhow")):
            downstream = self._task(key, **BY_HAND)
            dependencies.save(downstream.pk, {upstream.pk: on}, actor=TESTER)
        last = self._task("at-last", **BY_HAND)
        dependencies.save(last.pk, {downstream.pk: "end"}, actor=TESTER)

    def _every(self, seconds: int, key: str, *, after_end: bool = False, **values: Any) -> Task:
        params = {"seconds": seconds} | ({"after_end": True} if after_end else {})
        return self._task(key, trigger="interval", trigger_params=params, **values)

    def _differ_from_their_live_rows(self) -> None:
        """What the keeper of live rows mends: two are missing, one goes on while its task rests, one is left over."""
        liverows.delete(self._every(7_200, "missing").pk)
        liverows.delete(self._every(1_500, "missing-and-due").pk)
        Task.objects.filter(pk=self._every(7_200, "restless").pk).update(paused=True)
        deleted = self._task("deleted", **BY_HAND)
        tasks.delete(deleted.pk, actor=TESTER)
        liverows.delete(deleted.pk)
        liverows.create(deleted.pk, None)

    def _grow_old(self, then: datetime) -> None:
        """What retention removes, and a failure of which somebody is to be told."""
        old = self._task("old", **BY_HAND)
        with clocks.use(clocks.SettableClock(then - timedelta(days=200))) as past:
            execution = tasks.run_now(old.pk, actor=TESTER)
            Execution.objects.filter(pk=execution.pk).update(
                state="failed", reason="exception", finished_at=past.at, attempt=1
            )
            ExecutionLog.objects.create(
                execution_id=execution.pk, attempt=1, seq=0, at=past.at, level="INFO", text="old"
            )
            ExecutionLog.objects.create(
                execution_id=execution.pk + 10**9, attempt=1, seq=0, at=past.at, level="INFO", text="older"
            )

        told = self._task("told", notify_on_failure=["ops@example.org"], **BY_HAND)
        execution = tasks.run_now(told.pk, actor=TESTER)
        Execution.objects.filter(pk=execution.pk).update(
            state="failed", reason="exception", finished_at=then, attempt=1
        )
        notices.note([(execution.pk, told.pk)], then)

    # --- what somebody asks for

    def _ask_for_runs(self) -> None:
        pool = Pool.objects.create(key=f"w{self.number}", capacity=2, tokens_per_minute=600)
        asked = [
            self._task("pooled", pool=pool, weight=2, max_concurrent=0, **BY_HAND),
            self._task("single", overlap_policy="queue_all", **BY_HAND),
            self._task(
                "failing", function="fail", parameters={}, retries=1, retry_delay_seconds=0,
                notify_on_failure=["ops@example.org"], **BY_HAND,
            ),
            self._task("talking", function="count_up", parameters={"steps": 4, "seconds": 0.4}, **BY_HAND),
            self._task("pruning", function="prune_history", parameters={}, **BY_HAND),
        ]  # fmt: skip
        for task in asked:
            for _time in range(2):
                tasks.run_now(task.pk, actor=TESTER)
        unknown = tasks.run_now(self._task("unknown", **BY_HAND).pk, actor=TESTER)
        Execution.objects.filter(pk=unknown.pk).update(function="gone_with_its_code")

    # --- what a node has left that died before all this

    def _leave_behind_a_dead_node(self) -> None:
        """One run that is lost, one that runs again, one whose result lies in a journal, and rows it never began."""
        queue = f"dead-{self.number}"
        for key, again in (("lost", False), ("again", True), ("kept", False)):
            tasks.run_now(self._task(key, queue=queue, rerun_if_lost=again, **BY_HAND).pk, actor=TESTER)
        now = clocks.refresh()
        node = nodes.register(
            now, queues=[queue], functions=[], seats={"thread": 9}, lease_seconds=LEASE_SECONDS
        ).pk
        nodes.set_state(node, Node.State.ACTIVE, now)
        taken = in_transaction(lambda: claims.claim(node, uuid.uuid4(), [queue], 9, now))
        assert len(taken) == 3
        Execution.objects.filter(queue=queue, state__in=ACTIVE).update(queue="default")
        for candidate in taken:
            with self.lines.open("a") as file:
                file.write(f"{candidate.id} 1\n")
        kept = next(candidate for candidate in taken if candidate.task_key.startswith("kept"))
        order = RunOrder(
            execution_id=kept.id, attempt=1, task_id=kept.task_id, task_key=kept.task_key, function=kept.function,
            parameters={}, scheduled_for=kept.scheduled_for, origin=kept.origin, deadline_at=None,
            timeout_seconds=None, idempotency_key="", executor="thread", node_id=node,
        )  # fmt: skip
        with override_settings(VAR_DIR=self.var):
            journal.write(node, [Result(order, Outcome("succeeded"), now)])

    def _task(self, key: str, **values: Any) -> Task:
        """Its runs append their line, unless it has another function."""
        line = {
            "function": "append_line",
            "parameters": {"path": str(self.lines), "text": "{execution_id} {attempt}"},
        }
        return tasks.create(new_task(f"{key}-{self.number}", **line | values), actor=TESTER)


def settled() -> bool:
    """Whether nothing is due, nothing is left to do, and no dead node is still taken for alive."""
    earliest = liverows.earliest()
    if earliest is not None and earliest <= clocks.refresh():
        return False
    active = Execution.objects.filter(state__in=ACTIVE)
    for id in active.filter(state="waiting", reason="function_missing").values_list("id", flat=True):
        executions.cancel(id, actor=TESTER)  # it would wait for ten minutes
    return not active.exists() and Node.objects.filter(state__in=Node.LIVE).count() <= 1
