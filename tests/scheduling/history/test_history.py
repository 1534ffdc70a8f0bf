"""Pages of executions by cursor: complete, in order, along indexes only, and equal to what a plain filter finds."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management.color import no_style
from django.db import connection, transaction

from scheduling import clock as clocks
from scheduling.models import Execution, Task
from scheduling.services import history, stretches
from scheduling.services.history import Wanted
from tests.promises.test_statement_plans import WHOLE_TABLE, faults

MakeTask = Callable[..., Task]
NODES = [uuid.UUID(int=number) for number in (1, 2)]
STATES = ("succeeded",) * 30 + ("failed", "failed", "lost", "skipped")
START = 1_000


def fill(task_ids: list[int], number: int) -> None:
    """A history with one execution a minute, and holes in its numbers; the same every time."""
    dice = random.Random(3)
    now = clocks.refresh() - timedelta(minutes=number)
    rows, id = [], START
    for minute in range(number):
        id += dice.choice((1, 1, 1, 2, 40))
        at = now + timedelta(minutes=minute)
        state = dice.choice(STATES)
        rows.append(
            Execution(
                id=id, task_id=dice.choice(task_ids), task_key="x", task_version=1, function="noop",
                scheduled_for=at, slot=str(id), origin=dice.choice(("schedule",) * 20 + ("manual", "api")),
                state=state, reason="" if state == "succeeded" else "overlap", queue="default",
                node_id=dice.choice(NODES), available_at=at, admitted_at=at, queued_at=at, started_at=at,
                finished_at=at,
            )
        )  # fmt: skip
    Execution.objects.bulk_create(rows, batch_size=500)
    with connection.cursor() as cursor:  # later ones get later numbers
        for statement in connection.ops.sequence_reset_sql(no_style(), [Execution]):
            cursor.execute(statement)


@pytest.fixture
def task_ids(make_task: MakeTask, clock: clocks.SettableClock) -> list[int]:
    ids = [make_task(f"task-{number}").pk for number in range(3)]
    fill(ids, 600)
    return ids


def wanted_ones(task_ids: list[int]) -> dict[str, Wanted]:
    now = clocks.now()
    day = {"since": now - timedelta(minutes=300), "until": now - timedelta(minutes=100)}
    return {
        "all": Wanted(),
        "a state": Wanted(states=("failed",)),
        "states": Wanted(states=("failed", "lost", "skipped")),
        "a task": Wanted(task_ids=(task_ids[0],)),
        "a task's states": Wanted(task_ids=tuple(task_ids[:2]), states=("failed", "lost")),
        "asked for": Wanted(origin="manual"),
        "scheduled": Wanted(origin="schedule"),
        "a node": Wanted(node_id=NODES[0]),
        "a node's failures": Wanted(node_id=NODES[1], states=("failed", "lost")),
        "a node's task": Wanted(node_id=NODES[1], task_ids=(task_ids[2],)),
        "failures asked for": Wanted(states=("failed", "succeeded"), origin="api"),
        "a time": Wanted(**day),
        "failures of a time": Wanted(states=("failed",), **day),
        "everything at once": Wanted((task_ids[0],), ("succeeded",), "api", NODES[0], **day),
        "nothing": Wanted(task_ids=()),
        "up to": Wanted(states=("failed",), up_to=START + 3_000),
    }


NAMES = list(wanted_ones([1, 2, 3]))
pytestmark = pytest.mark.django_db


def walk_down(wanted: Wanted, size: int) -> list[int]:
    ids: list[int] = []
    page = history.page(wanted, size=size)
    while True:
        ids += page.ids
        if not page.older:
            return ids
        page = history.page(wanted, before=page.searched_to or page.ids[-1], size=size)
        assert page.newer


@pytest.mark.parametrize("name", NAMES)
def test_pages_hold_what_a_plain_filter_finds(
    task_ids: list[int], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "NARROW", 20)
    monkeypatch.setattr(stretches, "PROBES", 5)
    wanted = wanted_ones(task_ids)[name]
    expected = list(wanted.narrow(Execution.objects.order_by("-id")).values_list("id", flat=True))
    assert (len(expected) > 3) == (name not in ("nothing", "everything at once"))
    assert walk_down(wanted, 7) == expected
    if len(expected) > 20:  # and back
        up = history.page(wanted, after=expected[10], size=7)
        assert (up.ids, up.newer, up.older) == (expected[3:10], True, True)
        assert history.page(wanted, after=expected[3], size=7).newer is False
    monkeypatch.setattr(history, "WALK", 25)  # a search that has to be cut short misses nothing
    assert walk_down(wanted, 7) == expected
    counted = history.counts(wanted)
    if counted:
        of_all = history.replace(wanted, states=())
        rows = of_all.narrow(Execution.objects.all())
        assert counted == {state: rows.filter(state=state).count() for state in counted}


def test_counts_are_bounded(task_ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_COUNTED", 5)
    counted = history.counts(Wanted())
    assert (counted["succeeded"], counted["failed"], counted["running"]) == (5, 5, 0)


def statements(work: Callable[[], Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def note(execute: Any, text: str, params: Any, many: bool, context: Any) -> Any:
        found.append((text, params))
        return execute(text, params, many, context)

    with connection.execute_wrapper(note):
        work()
    return found


def of_one_page(fault: str) -> bool:
    """A sort of what a bounded walk has found, at most ``WALK`` narrow rows: not of the table."""
    kind, _colon, text = fault.partition(": ")
    return " AS walk0" in text and kind not in WHOLE_TABLE


@pytest.mark.django_db(transaction=True)
def test_no_page_sorts_or_reads_a_whole_table(make_task: MakeTask, clock: clocks.SettableClock) -> None:
    """Not even for a state of which there is none, among many rows; and few questions are asked."""
    ids = [make_task(f"task-{number}").pk for number in range(40)]
    fill(ids, 6_000)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {'TABLE ' if connection.vendor == 'mysql' else ''}scheduling_execution")
    wanted = wanted_ones(ids) | {
        "rare": Wanted(states=("timed_out",)),
        "rare of a task": Wanted((ids[3],), ("lost",)),
    }
    if connection.vendor == "postgresql":
        # The table is so small that sorting costs nothing: is there an index that makes it needless?
        with connection.cursor() as cursor:
            cursor.execute("SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off")
    wrong: dict[str, list[str]] = {}
    for name, each in wanted.items():
        for before in (None, START + 3_000):
            sent = statements(lambda each=each, before=before: history.page(each, before=before))  # type: ignore[misc]
            sent += statements(lambda each=each: history.counts(each))  # type: ignore[misc]
            assert len(sent) <= 14, name
            with transaction.atomic():
                found = [fault for statement in sent for fault in faults(statement) if not of_one_page(fault)]
            # SQLite's word for the primary key, read from one end to a limit.
            found = [f for f in found if not f.startswith("SCAN") or ("WHERE" in f and name != "scheduled")]
            if found:
                wrong[name] = found
    assert wrong == {}
