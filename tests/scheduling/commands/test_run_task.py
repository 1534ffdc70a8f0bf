"""``run_task`` asks for one run, and with ``--wait`` its exit code is the run's."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from scheduling import clock
from scheduling.models import Execution, Task
from tests.conftest import Nodes


def run_task(*arguments: str) -> str:
    out = io.StringIO()
    call_command("run_task", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_it_queues_one_run(make_task: Callable[..., Task]) -> None:
    make_task("one", function="echo", parameters={"values": 1})
    said = json.loads(run_task("one", "--parameters", '{"values": 2}', "--json"))
    execution = Execution.objects.get()
    assert (said["id"], said["state"], said["origin"]) == (execution.pk, "queued", "manual")
    assert execution.parameters == {"values": 2}


def test_the_same_idempotency_key_runs_once(make_task: Callable[..., Task]) -> None:
    make_task("one")
    assert run_task("one", "--idempotency-key", "k") == run_task("one", "--idempotency-key", "k")
    assert Execution.objects.count() == 1


def test_it_waits_behind_a_run_and_force_does_not(make_task: Callable[..., Task]) -> None:
    make_task("one")
    run_task("one")
    assert "waiting waits behind #" in run_task("one")
    assert "queued" in run_task("one", "--force")


FAULTS = [
    (("oen",), "There is no task 'oen'. Did you mean 'one'?"),
    (("one", "--parameters", "[1]"), "--parameters: a JSON object is needed"),
    (("one", "--parameters", '{"a": 1}'), "--parameters: a: "),
    (("one", "--idempotency-key", "k" * 65), "--idempotency-key: At most 64"),
    (("one", "--wait", "--timeout", "-1"), "--timeout: -1.0 is out of range"),
    (("one", "--wait", "--timeout", "nan"), "--timeout: nan is out of range"),
]


@pytest.mark.parametrize(("arguments", "part"), FAULTS)
def test_a_fault_names_the_argument_and_runs_nothing(
    make_task: Callable[..., Task], arguments: tuple[str, ...], part: str
) -> None:
    make_task("one")
    with pytest.raises(CommandError) as caught:
        run_task(*arguments)
    assert part in str(caught.value)
    assert not Execution.objects.exists()


def test_waiting_ends_when_nobody_runs_it(make_task: Callable[..., Task]) -> None:
    make_task("one")
    with pytest.raises(CommandError, match="is still queued"):
        run_task("one", "--wait", "--timeout", "0")


@pytest.mark.processes
def test_the_outcome_is_the_exit_code(nodes: Nodes, make_task: Callable[..., Task]) -> None:
    make_task("good", function="echo", parameters={"values": [7]}, enabled=False)
    make_task("bad", function="fail", enabled=False)
    nodes.start_ready()
    assert '{"result": [7]}' in run_task("good", "--wait", "--timeout", "30")
    with pytest.raises(CommandError, match="It ended failed: "):
        run_task("bad", "--wait", "--timeout", "30")


def test_at_a_time(make_task: Callable[..., Task]) -> None:
    make_task("later")
    at = clock.refresh() + timedelta(hours=1)
    run_task("later", "--at", at.isoformat())
    execution = Execution.objects.get()
    assert (execution.state, execution.reason, execution.scheduled_for) == ("waiting", "delay", at)
    with pytest.raises(CommandError, match="--at"):
        run_task("later", "--at", "tomorrow")
    with pytest.raises(CommandError, match="days ahead"):
        run_task("later", "--at", (at + timedelta(days=400)).isoformat())
