"""P3: whoever removes live rows under a running scheduler, or empties them, makes no occurrence vanish."""

from __future__ import annotations

import time

import pytest
from django_apscheduler.models import DjangoJob

from scheduling import clock
from scheduling.models import Execution
from scheduling.services import tasks
from tests.conftest import TESTER, Nodes
from tests.faults import checker
from tests.promises import story

pytestmark = pytest.mark.processes


def test_rows_that_are_lost_and_mended_leave_no_instant_untold(nodes: Nodes) -> None:
    """Some are mended when a node starts, one by an edit before that."""
    made = [story.steady_task(nodes, key=key) for key in ("removed", "emptied", "edited", "well")]
    removed, emptied, edited, well = made
    node = nodes.start_ready()
    for task in made:
        story.await_another(task)
    DjangoJob.objects.filter(pk__in=[str(removed.pk), str(edited.pk)]).delete()
    DjangoJob.objects.filter(pk=str(emptied.pk)).update(next_run_time=None)
    for _instant in range(3):  # pass, of the others too
        story.await_another(well)
    edited.refresh_from_db()
    edited.remark = "edited"
    tasks.edit(edited, actor=TESTER)
    assert node.stop() == 0
    time.sleep(2)  # nobody is there, and nothing happens but that instants pass
    node = nodes.start_ready()
    for task in made:
        story.await_another(task, 20)
    for task in made:  # what has not begun ends with it
        tasks.disable(task.pk, actor=TESTER)
    assert node.stop() == 0
    assert "live rows mended" in node.said()
    verdict = checker.judge(story.lines_file(nodes), until=clock.refresh())
    assert not verdict.violations, verdict.violations
    for task in (removed, emptied):
        assert Execution.objects.filter(task=task, state="missed", reason="coalesced").exists()
