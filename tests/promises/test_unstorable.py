"""Pain 33, P3: whatever a run gives or says, its row is written, as the design says, and nobody else's suffers."""

from __future__ import annotations

import pytest
from django.db import connection

from scheduling.models import Execution, ExecutionLog
from scheduling.services import tasks
from tests.conftest import TESTER, Nodes, await_, new_task
from tests.promises import story
from tests.promises.oddities.tasks import ODD
from tests.scheduling.engine.conftest import YEARLY

pytestmark = pytest.mark.processes

ALTERED = ("succeeded", "", True)
UNSTORABLE = ("failed", "result_unstorable", False)
EXCEPTION = ("failed", "exception", False)
#: How each ends: state, reason, and whether the result lost something on the way.
ENDS = {
    "nul": ALTERED,
    "surrogate": ALTERED,
    "not numbers": ALTERED,
    "huge text": ALTERED,
    "huge list": ALTERED,
    "bytes": ALTERED,
    "keys that read the same": ALTERED,
    "beyond 64 bits": ALTERED,
    "recursive": UNSTORABLE,
    "deep": UNSTORABLE,
    "no form": UNSTORABLE,
    "keys that are no text": UNSTORABLE,
    "enormous integer": UNSTORABLE,
    "unprintable error": EXCEPTION,
    "unstorable error": EXCEPTION,
    "own code that raises": EXCEPTION,
    "exit": ("failed", "exited", False),
    "said": ("succeeded", "", False),
}
#: A gigabyte; on the other databases less, since it is none of their business.
FLOOD_MB = {"sqlite": 1_024}
MOST_GROWN_MB = 20
ODD_SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.promises.odd_settings"}


def resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def test_everything_odd_ends_alone_and_a_gigabyte_of_output_leaves_memory_flat(nodes: Nodes) -> None:
    """In threads and in processes, in groups with results that are as they should be."""
    assert ENDS.keys() == ODD.keys()
    asked: dict[int, str] = {}
    for executor in ("thread", "process"):
        made = {
            name: tasks.create(
                new_task(f"{executor}-{name}", function=name, executor=executor, max_concurrent=0,
                         parameters=parameters, **YEARLY),
                actor=TESTER,
            )
            for name, parameters in (("give_odd", {"kind": "nul"}), ("echo", {"values": "good"}))
        }  # fmt: skip
        for kind in ODD:
            asked[tasks.run_now(made["give_odd"].pk, actor=TESTER, parameters={"kind": kind}).pk] = kind
            asked[tasks.run_now(made["echo"].pk, actor=TESTER).pk] = ""
    node = nodes.start_ready(**ODD_SETTINGS)
    await_(lambda: story.count(finished_at__isnull=False) == len(asked), 60, "all have ended")

    for row in Execution.objects.all():
        kind = asked[row.pk]
        wanted = ENDS[kind] if kind else ("succeeded", "", False)
        assert (row.state, row.reason, row.result_altered) == wanted, (
            f"{row.executor}: {kind or 'the good one'}"
        )
        assert row.attempt == 1
        if not kind:
            assert row.result == "good"
        if kind == "said":
            assert row.progress_text == "half\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
            said = "".join(ExecutionLog.objects.filter(execution=row).values_list("text", flat=True))
            assert "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}" in said

    before = resident_mb(node.process.pid)
    flood = tasks.create(
        new_task(
            "flood",
            function="flood",
            executor="process",
            parameters={"megabytes": FLOOD_MB.get(connection.vendor, 100)},
            **YEARLY,
        ),
        actor=TESTER,
    )
    execution = tasks.run_now(flood.pk, actor=TESTER)
    most = [before]

    def has_ended() -> int:
        most.append(resident_mb(node.process.pid))
        return story.count(pk=execution.pk, finished_at__isnull=False)

    await_(has_ended, 120, "the flood ends")
    assert Execution.objects.get(pk=execution.pk).state == "succeeded"
    stored = ExecutionLog.objects.filter(execution=execution).values_list("text", flat=True)
    assert sum(len(text) for text in stored) < 1.1 * 2**20
    assert any("bytes left out" in text for text in stored)
    assert max(most) - before < MOST_GROWN_MB
    assert node.stop() == 0
