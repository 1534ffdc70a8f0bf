"""Columns that the database fills in: how an execution has ended, and until when it waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from scheduling import sql
from scheduling.clock import SettableClock
from scheduling.models import ACTIVE, Execution, State, Task
from scheduling.services import nodes
from scheduling.services.admission import new_row
from scheduling.services.plans import plans

MakeTask = Callable[..., Task]


@pytest.mark.django_db
def test_they_follow_the_state_whoever_writes_it(make_task: MakeTask, clock: SettableClock) -> None:
    node = nodes.register(clock.at, queues=["default"], functions=[], seats={}, lease_seconds=15)
    later = clock.at + timedelta(minutes=5)
    task = make_task()
    plan = plans.read([task.pk])[task.pk]
    sql.insert_executions([new_row(plan, clock.at, clock.at, State.QUEUED, "") | {"available_at": later}])
    row = Execution.objects.get()
    found = {}
    for state in State.values:
        Execution.objects.update(
            state=state, reason="x", node=node, started_at=clock.at, finished_at=clock.at
        )
        row.refresh_from_db()
        found[state] = row.outcome, row.wakes_at
    assert found == {
        state: (None if state in ACTIVE else state, later if state == "waiting" else None)
        for state in State.values
    }


def test_what_is_active_moves_in_no_index_but_those_that_find_it() -> None:
    """MySQL and MariaDB keep an entry of each row in each index: one with the state is written anew at every step."""
    holding = {index.name for index in Execution._meta.indexes if "state" in index.fields}
    assert holding == {"execution_claim"}
