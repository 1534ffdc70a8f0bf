"""What a run's own processes have used: stored with the attempt that used it, shown where the run is shown."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from scheduling.clock import SettableClock
from scheduling.executors import Outcome, RunOrder
from scheduling.models import Attempt, Execution, Task
from scheduling.services import admission, claims, nodes, results, tasks
from scheduling.services.results import Result
from tests.api.conftest import Api
from tests.conftest import TESTER
from tests.scheduling.views.conftest import login, new_node

pytestmark = pytest.mark.django_db


def test_it_stays_with_the_attempt(
    make_task: Callable[..., Task], clock: SettableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    task, node = make_task(retries=1, retry_delay_seconds=0), new_node()
    nodes.set_state(node.pk, "active", clock.at)
    asked = tasks.run_now(task.pk, actor=TESTER)

    def end(state: str, **used: int) -> None:
        [taken] = claims.claim(node.pk, uuid.uuid4(), ["default"], 1, clock.move(seconds=1))
        order = RunOrder(
            execution_id=taken.id, attempt=taken.attempt + 1, task_id=task.pk, task_key=task.key, function="noop",
            parameters={}, scheduled_for=taken.scheduled_for, origin=taken.origin, deadline_at=None,
            timeout_seconds=None, idempotency_key="k", executor="process", node_id=node.pk,
        )  # fmt: skip
        reason = "" if state == "succeeded" else "exit_code"
        outcome = Outcome(state, reason, **used)  # type: ignore[arg-type]
        results.record([Result(order, outcome, clock.move(seconds=1))], clock.at)

    end("failed", cpu_ms=7, peak_memory_bytes=5_000_000_000, exit_code=3)
    first = Attempt.objects.get()
    assert (first.cpu_ms, first.peak_memory_bytes, first.exit_code) == (7, 5_000_000_000, 3)
    admission.promote(clock.move(seconds=1), [task.pk])
    end("succeeded", cpu_ms=1_250, peak_memory_bytes=300 << 20)
    row = Execution.objects.get(pk=asked.pk)
    assert (row.cpu_ms, row.peak_memory_bytes) == (1_250, 300 << 20)

    client = login(superuser=True)
    page = client.get(f"/admin/scheduling/execution/{row.pk}/change/").content.decode()
    assert "<dt>Processor time</dt><dd>1.25 s</dd>" in page
    assert "<dt>Peak memory</dt><dd>300 MiB</dd>" in page
    call_command("execution", "show", str(row.pk))
    assert "1.25 s of processor time, 300 MiB of memory at the most" in capsys.readouterr().out
    call_command("execution", "show", str(row.pk), "--json")
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["cpu_seconds"], said["peak_memory_bytes"]) == (1.25, 300 << 20)


def test_the_api_tells_it_and_null_for_threads(
    make_task: Callable[..., Task], clock: SettableClock, admin_user: Any
) -> None:
    api = Api(admin_user)
    row = tasks.run_now(make_task().pk, actor=TESTER)
    told = api.get(f"executions/{row.pk}/").data
    assert (told["cpu_seconds"], told["peak_memory_bytes"], told["exit_code"]) == (None, None, None)
    Execution.objects.update(cpu_ms=40, peak_memory_bytes=2**40)
    Attempt.objects.create(
        execution=row,
        attempt=1,
        state="failed",
        started_at=clock.at - timedelta(1),
        cpu_ms=9,
        peak_memory_bytes=8,
    )
    told = api.get(f"executions/{row.pk}/").data
    assert (told["cpu_seconds"], told["peak_memory_bytes"]) == (0.04, 2**40)
    assert (told["attempts"][0]["cpu_seconds"], told["attempts"][0]["peak_memory_bytes"]) == (0.009, 8)
    page = login(superuser=True).get(f"/admin/scheduling/execution/{row.pk}/change/").content.decode()
    assert "1.0 TiB" in page
