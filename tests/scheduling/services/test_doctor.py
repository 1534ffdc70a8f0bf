"""The doctor finds every promise that is broken on purpose, and nothing where all is well."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django_apscheduler.models import DjangoJob

from scheduling import sql
from scheduling.clock import SettableClock
from scheduling.models import Dependency, Examination, Execution, Node, Pool, Task
from scheduling.services import claims, doctor, examinations, nodes, tasks
from scheduling.services.examinations import Broken, Kind
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


@pytest.fixture
def well(clock: SettableClock, make_task: MakeTask, settings: Any, tmp_path: Path) -> Task:
    """A node that beats, a task, a run that runs."""
    settings.VAR_DIR = tmp_path
    node = nodes.register(
        clock.at, queues=["default"], functions=["noop"], seats={"thread": 9}, lease_seconds=15
    )
    nodes.set_state(node.pk, Node.State.ACTIVE, clock.at)
    task = make_task("one", pool=Pool.objects.create(key="db", capacity=1))
    tasks.run_now(task.pk, actor=TESTER)
    claims.claim(node.pk, uuid.uuid4(), ["default"], 9, clock.at)
    return task


def bad() -> dict[str, list[str]]:
    found = doctor.findings(doctor.examine(actor=TESTER))
    return {
        finding.name: [each.text for each in finding.found] for finding in found if not finding.is_healthy
    }


def test_all_is_well(well: Task) -> None:
    assert bad() == {}


def dead_owner(task: Task, clock: SettableClock, folder: Path) -> None:
    Node.objects.create(
        state="active", heartbeat_at=clock.at, started_at=clock.at, lease_seconds=15, host="h", pid=1, version="1",
        queues=["default"], functions=["noop"],
    )  # fmt: skip
    Node.objects.filter(pk=Execution.objects.get().node_id).update(state="dead")


def silent(task: Task, clock: SettableClock, folder: Path) -> None:
    dead_owner(task, clock, folder)
    Node.objects.filter(state="dead").update(state="active", heartbeat_at=clock.at - timedelta(seconds=30))


def no_node(task: Task, clock: SettableClock, folder: Path) -> None:
    Node.objects.update(heartbeat_at=clock.at - timedelta(hours=1))


def due(task: Task, clock: SettableClock, folder: Path) -> None:
    DjangoJob.objects.update(next_run_time=clock.at - timedelta(minutes=2))


def no_live_row(task: Task, clock: SettableClock, folder: Path) -> None:
    DjangoJob.objects.all().delete()


def stuck(task: Task, clock: SettableClock, folder: Path) -> None:
    ago = clock.at - timedelta(minutes=5)
    Execution.objects.update(state="waiting", reason="overlap", available_at=ago)


def function_missing(task: Task, clock: SettableClock, folder: Path) -> None:
    Node.objects.update(functions=["other"])


def overfull(task: Task, clock: SettableClock, folder: Path) -> None:
    Execution.objects.update(weight=2)


def too_many(task: Task, clock: SettableClock, folder: Path) -> None:
    tasks.run_now(task.pk, actor=TESTER, force=True)


def late(task: Task, clock: SettableClock, folder: Path) -> None:
    Execution.objects.update(deadline_at=clock.at - timedelta(minutes=2))


def other_time(task: Task, clock: SettableClock, folder: Path) -> None:
    DjangoJob.objects.update(next_run_time=clock.at + timedelta(minutes=1, seconds=5))


def circle(task: Task, clock: SettableClock, folder: Path) -> None:
    other = Task.objects.get(pk=task.pk)
    other.pk, other.key = None, "two"
    other.save()
    at = DjangoJob.objects.get(pk=str(task.pk)).next_run_time
    DjangoJob.objects.create(id=str(other.pk), next_run_time=at, job_state=b"")
    for one, two in ((task, other), (other, task)):
        Dependency.objects.create(task=one, upstream=two)


def journal(task: Task, clock: SettableClock, folder: Path) -> None:
    (folder / "journal").mkdir()
    (folder / "journal" / "x.unreadable").touch()


@pytest.mark.parametrize(
    ("harm", "name", "words"),
    [
        (dead_owner, "owners", "which does not live"), (silent, "nodes", "silent for 30 s"),
        (no_node, "nodes", "no scheduler is running"), (due, "due", "was not admitted"),
        (other_time, "schedules", "by its schedule it is 2026-06-01 12:01:00"),
        (no_live_row, "live_rows", "missing"), (stuck, "waiting", "nothing of its task is active"),
        (function_missing, "functions", "noop"), (overfull, "pools", "2 of 1 seats"),
        (too_many, "concurrency", "2 are active, 1 are allowed"), (late, "deadlines", "should have ended"),
        (circle, "dependencies", "runs after itself"), (journal, "journals", "could not be read"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_what_is_broken_is_found(
    well: Task, clock: SettableClock, tmp_path: Path, harm: Callable[..., None], name: str, words: str
) -> None:
    harm(well, clock, tmp_path)
    found = bad()
    assert list(found) == [name]
    assert words in " ".join(found[name])


def test_a_missing_constraint_is_found(well: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.introspection, "get_constraints", lambda cursor, table: {})
    assert list(bad()) == ["occurrences", "indexes"]


def test_an_answer_names_its_rows_and_its_statements(well: Task, clock: SettableClock) -> None:
    late(well, clock, Path())
    [finding] = [each for each in doctor.look(clock.at) if each.name == "deadlines"]
    assert (finding.state, finding.more) == ("broken", 0)
    assert (finding.found[0].kind, finding.found[0].id) == ("execution", Execution.objects.get().pk)
    [statement] = finding.statements
    assert "FROM" in statement.sql
    assert "scheduling_execution" in statement.sql
    assert str(clock.at.year) in statement.sql, "with its values, as the database got it"


def test_what_takes_too_long_is_ended_and_not_known(well: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(now: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(SLOW[connection.vendor])
        yield Broken("it came to its end")

    monkeypatch.setattr(doctor, "MOST_SECONDS", 1)
    monkeypatch.setitem(examinations.KINDS, "due", Kind("P3", "something slow", slow))
    begun = time.monotonic()
    made = doctor.examine(actor=TESTER)
    assert time.monotonic() - begun < 30
    [finding] = [each for each in doctor.findings(made) if each.name == "due"]
    assert finding.state == "unknown"
    assert "longer than 1 s" in finding.found[0].text
    states = [each.state for each in doctor.findings(made)]  # a busy machine may cut off another one as well
    assert (made.broken, made.unknown, made.is_healthy) == (0, states.count("unknown"), False)
    monkeypatch.setattr(doctor, "MOST_SECONDS_TOGETHER", 0)
    assert {finding.state for finding in doctor.look(made.at)} == {"unknown"}


SLOW = {
    "postgresql": "SELECT pg_sleep(60)",
    "mysql": "SELECT COUNT(*) FROM information_schema.columns WHERE SLEEP(0.1) = 0",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e9) SELECT max(i) FROM n",
}


def test_the_bound_ends_with_the_block(db: None) -> None:
    with sql.at_most(0.05):
        pass
    with connection.cursor() as cursor:
        cursor.execute(
            {"postgresql": "SELECT pg_sleep(0.2)", "mysql": "SELECT SLEEP(0.2)", "sqlite": "SELECT 1"}[
                connection.vendor
            ]
        )


def test_the_last_twenty_are_kept(well: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "KEPT", 2)
    made = [doctor.examine(actor=TESTER).pk for _ in range(4)]
    assert list(Examination.objects.order_by("pk").values_list("pk", flat=True)) == made[-2:]


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    well: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: Any, **_options: Any) -> None:
        raise OperationalError("disk full")

    monkeypatch.setattr(Examination, "save", full)
    made = doctor.examine(actor=TESTER)
    assert (made.pk, made.broken, made.kept) == (None, 0, len(examinations.KINDS))


def test_by_command(
    well: Task, clock: SettableClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("doctor")
    assert "BAD" not in capsys.readouterr().out
    late(well, clock, tmp_path)
    with pytest.raises(SystemExit) as caught:
        call_command("doctor", "--json")
    assert caught.value.code == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == len(examinations.KINDS)
    assert [line["name"] for line in lines if not line["healthy"]] == ["deadlines"]
