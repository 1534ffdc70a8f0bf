"""Pain 28, P1, P3, P8: clocks that are wrong, and clocks that are set, make no duplicate and lose nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduling.models import Execution, Node
from tests.conftest import Nodes, await_
from tests.promises import story
from tests.promises.oddities.apps import FILE
from tests.promises.test_unstorable import ODD_SETTINGS

pytestmark = pytest.mark.processes


def test_clocks_that_are_wrong_and_set_while_a_node_works(nodes: Nodes, tmp_path: Path) -> None:
    """The database's clock is set by some seconds; then this machine's is 3 s off, 31 s off, and right again."""
    clocks = tmp_path / "clocks"

    def set_ahead(database: float, host: float) -> None:
        draft = tmp_path / "draft"
        draft.write_text(f"{database} {host}")
        draft.replace(clocks)

    set_ahead(0, 0)
    task = story.steady_task(nodes)
    node = nodes.start_ready(**ODD_SETTINGS, **{FILE: str(clocks)})

    def await_later(seconds: float, ahead: float = 0) -> None:
        """Until an occurrence of this moment, by the database's clock, has run."""
        wanted = datetime.now(UTC) + timedelta(seconds=ahead)
        later = Execution.objects.filter(task=task, state="succeeded", scheduled_for__gte=wanted)
        await_(later.exists, seconds, f"it goes on with its clock {ahead} s ahead")

    await_later(10)
    for ahead in (3.0, -1.0, 0.0):
        set_ahead(ahead, ahead)
        await_later(15, ahead)

    set_ahead(0, 3)
    await_(lambda: "differs from the database's" in node.said(), 5, "it warns")
    await_later(5)
    assert Node.objects.get().detail == ""
    set_ahead(0, -31)
    await_(lambda: "differs from the database's by -31 s" in Node.objects.get().detail, 5, "it says so")
    assert "claims nothing" in story.probe()
    running = Execution.objects.filter(state="succeeded").count()
    await_(lambda: story.count(state="queued") > 0, 5, "what is due is admitted, and waits")
    assert Execution.objects.filter(state="succeeded").count() <= running + 1, "it claims all the same"
    set_ahead(0, 0)
    await_later(10)
    assert node.stop() == 0
    story.assert_each_once(task, story.SECOND)
    assert story.check(nodes, 1).keys() <= {"succeeded", "missed", "skipped", "cancelled"}
