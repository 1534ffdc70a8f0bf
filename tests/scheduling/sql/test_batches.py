"""A batch says once what its rows share, a question is put into words once: what is stored and found is the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import BigIntegerField, DateTimeField

from scheduling import sql
from scheduling.clock import SettableClock
from scheduling.models import Execution, State, Task
from scheduling.services.admission import new_row
from scheduling.services.plans import Plan, plans
from scheduling.sql.base import FINISHED
from scheduling.sql.prepared import MOST_KEPT, Param, Params, Prepared

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


@pytest.fixture
def plan(make_task: MakeTask) -> Plan:
    task = make_task()
    return plans.read([task.pk])[task.pk]


def insert(plan: Plan, clock: SettableClock, *parameters: Any, **columns: list[Any]) -> list[Execution]:
    """One batch of queued executions, a second apart, with those parameters and columns from row to row."""
    rows = [
        new_row(plan, clock.at + timedelta(seconds=place), clock.at, State.QUEUED, "", parameters=given)
        | {column: values[place] for column, values in columns.items()}
        for place, given in enumerate(parameters)
    ]
    sql.insert_executions(rows)
    return list(Execution.objects.order_by("scheduled_for"))


def test_values_that_are_equal_but_not_alike_stay_themselves(clock: SettableClock, plan: Plan) -> None:
    given = [{"a": True}, {"a": 1}, {"a": 1.0}]
    stored = [row.parameters["a"] for row in insert(plan, clock, *given)]
    assert [(type(value), value) for value in stored] == [(bool, True), (int, 1), (float, 1.0)]


def test_what_only_some_rows_have_is_theirs(clock: SettableClock, plan: Plan) -> None:
    rows = insert(plan, clock, {}, {}, timeout_seconds=[None, 60], queue=["default", "报表 '%s'"])
    assert [(row.timeout_seconds, row.queue) for row in rows] == [(None, "default"), (60, "报表 '%s'")]


def test_a_word_that_looks_like_none_is_a_word(clock: SettableClock, plan: Plan) -> None:
    said = ["null", "", "NULL", '"null"', "[null]"]
    rows = insert(
        plan, clock, *[{"a": None}] * 5, detail=said, covers_until=[None, clock.at, None, None, None]
    )
    assert [row.detail for row in rows] == said
    assert [row.covers_until for row in rows] == [None, clock.at, None, None, None]
    assert all(row.parameters == {"a": None} for row in rows)


def test_a_batch_of_one_and_one_of_rows_alike(clock: SettableClock, plan: Plan) -> None:
    (one,) = insert(plan, clock, {"a": "ä"}, detail=["100 % of it"])
    assert (one.parameters, one.detail, one.available_at) == ({"a": "ä"}, "100 % of it", clock.at)
    sql.insert_executions([new_row(plan, clock.at, clock.at, State.QUEUED, "")])
    assert Execution.objects.count() == 1  # its occurrence is there already


def test_results_of_every_length_in_one_batch(clock: SettableClock, plan: Plan) -> None:
    rows = insert(plan, clock, {}, {}, {}, timeout_seconds=[60, 90, None])
    deadlines = {seconds: clock.at + timedelta(seconds=seconds) for seconds in (60, 90)}
    node = uuid4()
    sql.claim_executions([row.pk for row in rows], deadlines, node, uuid4(), clock.at)
    claimed = list(Execution.objects.order_by("id"))
    assert [(row.state, row.attempt, row.node_id, row.deadline_at) for row in claimed] == [
        ("running", 1, node, deadline) for deadline in (deadlines[60], deadlines[90], None)
    ]
    words = ["short", "long " * 5_000, ""]
    ended: list[dict[str, Any]] = [
        dict.fromkeys(FINISHED)
        | {
            "id": row.pk,
            "attempt": 1,
            "state": "failed" if text else "succeeded",
            "reason": "exception" if text else "",
            "detail": text[:500],
            "finished_at": clock.at,
            "run_ms": 5,
            "result": None if text else '{"a": [1]}',
            "result_altered": False,
            "error_class": "",
            "message": text,
            "traceback": text,
            "progress_text": "",
        }
        for row, text in zip(rows, words, strict=True)
    ]
    ended[0]["attempt"] = 7  # somebody else's
    assert sql.finish_executions(ended) == {rows[1].pk, rows[2].pk}
    first, second, third = Execution.objects.order_by("id")
    assert first.state == "running"
    assert (second.message, second.traceback, second.result) == (words[1], words[1], None)
    assert (third.state, third.result, third.available_at) == ("succeeded", {"a": [1]}, clock.at)


def test_a_question_is_asked_anew_with_other_values(clock: SettableClock, plan: Plan) -> None:
    rows = insert(plan, clock, {"n": 1}, {"n": 2}, {"n": 3})
    built: list[int] = []

    def build(most: int) -> Any:
        built.append(most)
        later = Execution.objects.filter(
            task_id=Param("task", BigIntegerField()), scheduled_for__gte=Param("at", DateTimeField())
        )
        return later.order_by("id").values_list("id", "scheduled_for", "parameters")[:most]

    question = Prepared(build)
    for place in (1, 2, 1):
        found = question.rows(2, task=plan.id, at=rows[place].scheduled_for)
        assert found == [(row.pk, row.scheduled_for, row.parameters) for row in rows[place : place + 2]]
    assert question.rows(1, task=plan.id + 1, at=clock.at) == []
    assert built == [2, 1]


def test_words_of_many_shapes_are_let_go(plan: Plan) -> None:
    built: list[str] = []

    def build(name: str) -> Any:
        built.append(name)
        return Task.objects.exclude(key=name).filter(pk=Param("task")).values_list("id")

    question = Prepared(build)
    names = [f"name-{number}" for number in range(3 * MOST_KEPT)]
    for name in [*names, names[-1], names[0]]:
        assert question.rows(name, task=plan.id) == [(plan.id,)]
    assert built == [*names, names[0]]


def test_a_question_about_any_number(clock: SettableClock, plan: Plan) -> None:
    rows = insert(plan, clock, {}, {}, {}, queue=["a", "b", "a"])
    built: list[None] = []

    def build() -> Any:
        built.append(None)
        named = Execution.objects.filter(queue=Param("queue"), pk__in=[Params("ids")], task_id=Param("task"))
        return named.order_by("id").values_list("id")

    question = Prepared(build)
    first, second, third = [row.pk for row in rows]
    for ids, queue, found in [
        ([first], "a", [first]),
        ([third, first, second, -1], "a", [first, third]),
        ([second, third], "b", [second]),
        ([-1], "b", []),
    ]:
        assert question.rows(ids=ids, queue=queue, task=plan.id) == [(id,) for id in found]
    assert len(built) == 1


def test_several_questions_are_one(clock: SettableClock, plan: Plan) -> None:
    insert(plan, clock, {}, {}, queue=["a", "b"])
    heads = Prepared(
        lambda *queues: [
            Execution.objects.filter(queue=queue).order_by("id").values_list("queue")[:1] for queue in queues
        ]
    )
    assert sorted(heads.rows("a", "b", "c")) == [("a",), ("b",)]
    assert heads.rows("c") == []
