"""``after:`` in files: in whatever order, there and back again, and refused by name with nothing half done."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command

from scheduling.models import Dependency, Group, Pool, Task, TaskVersion
from scheduling.services import dependencies, tasks
from scheduling.services.actor import Actor
from tests.scheduling.definitions.files import Load, Loading, entry, tasks_file

PERSON = Actor(source="admin")


def stored() -> dict[str, Any]:
    """Of each task that runs after others: mode and ends."""
    rows = Dependency.objects.select_related("task", "upstream").order_by("upstream__key")
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(row.task.key, (row.task.dependency_mode, {}))[1][row.upstream.key] = row.on
    return found


CHAIN = (
    entry("report", after="[load, extract]"),
    entry("load", after="{tasks: [extract], on: end}"),
    entry("tidy", after="{tasks: {load: failure, report: end}, mode: any}"),
    entry("extract"),
)
MEANT = {
    "report": ("all", {"extract": "success", "load": "success"}),
    "load": ("all", {"extract": "end"}),
    "tidy": ("any", {"load": "failure", "report": "end"}),
}


def test_the_order_in_the_file_does_not_matter(load: Loading) -> None:
    assert load(tasks_file(*CHAIN)).counts == "4 added, 0 updated, 0 unchanged, 0 kept, 0 refused"
    assert stored() == MEANT
    assert load(tasks_file(*reversed(CHAIN))).counts == "0 added, 0 updated, 4 unchanged, 0 kept, 0 refused"
    assert {version.source for version in TaskVersion.objects.all()} == {"yaml"}


def test_there_and_back_again(load: Loading, capsys: pytest.CaptureFixture[str]) -> None:
    load(tasks_file(*CHAIN))
    call_command("export_tasks")
    text = capsys.readouterr().out
    assert "4 unchanged" in load(text).counts
    TaskVersion.objects.all().delete()
    Dependency.objects.all().delete()
    Task.objects.all().delete()
    assert "4 added" in load(text).counts
    assert stored() == MEANT


def test_what_the_file_no_longer_says_falls_away(load: Loading) -> None:
    load(tasks_file(*CHAIN))
    said = load(tasks_file(entry("load"), entry("report", after="[extract]")))
    assert said.counts == "0 added, 2 updated, 0 unchanged, 0 kept, 0 refused"
    assert stored() == {"report": ("all", {"extract": "success"}), "tidy": MEANT["tidy"]}


def test_a_direction_can_be_turned_round(load: Loading) -> None:
    load(tasks_file(entry("a"), entry("b", after="[a]"), entry("c", after="[b]")))
    said = load(tasks_file(entry("a", after="[b]"), entry("b", after="[c]"), entry("c")))
    assert (said.counts, said.problems) == ("0 added, 3 updated, 0 unchanged, 0 kept, 0 refused", [])
    assert stored() == {"a": ("all", {"b": "success"}), "b": ("all", {"c": "success"})}


def test_what_a_person_has_linked_stays(load: Loading) -> None:
    load(tasks_file(entry("a"), entry("b", after="[a]")))
    ids = dict(Task.objects.values_list("key", "pk"))
    dependencies.save(ids["b"], {}, actor=PERSON)
    assert "1 kept" in load(tasks_file(entry("a"), entry("b", after="[a]", retries="1"))).counts
    assert stored() == {}
    assert "1 updated" in load(tasks_file(entry("a"), entry("b", after="[a]")), "--force").counts
    assert stored() == {"b": ("all", {"a": "success"})}


def test_a_dry_run_says_it_all_and_writes_nothing(load: Loading) -> None:
    assert "4 added" in load(tasks_file(*CHAIN), "--dry-run").counts
    said = load(tasks_file(entry("a", after="[b]"), entry("b", after="[a]")), "--dry-run")
    assert "2 refused" in said.counts
    assert not Task.objects.exists()


def refused(said: Load) -> str:
    assert said.failed
    return "\n".join(said.problems)


def test_a_circle_is_refused_with_its_path_and_the_rest_is_loaded(load: Loading) -> None:
    said = load(
        tasks_file(
            entry("a", after="[c]"), entry("b", after="[a]"), entry("c", after="[b]"), entry("d"),
            entry("e", after="[d]"), entry("f", after="[a]"), entry("g", after="[f]"),
        )
    )  # fmt: skip
    words = refused(said)
    assert "a: after: It would go round in a circle: a → b → c → a." in words
    assert "f: after: There is no task 'a'." in words
    assert "g: after: There is no task 'f'." in words
    assert set(Task.objects.values_list("key", flat=True)) == {"d", "e"}
    assert stored() == {"e": ("all", {"d": "success"})}


def test_a_circle_through_what_is_stored_is_refused(load: Loading) -> None:
    load(tasks_file(entry("a"), entry("b", after="[a]"), entry("c", after="[b]")))
    said = load(tasks_file(entry("a", after="[c]", retries="5")))
    assert "a: after: It would go round in a circle: a → b → c → a." in refused(said)
    assert Task.objects.get(key="a").retries == 0
    assert "a → a" in refused(load(tasks_file(entry("a", after="[a]"))))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ("[elsewhere]", "There is no task 'elsewhere'. Did you mean 'elsewhat'?"),
        ("{task: [elsewhat]}", "is not known. Did you mean 'tasks'?"),
        ("{tasks: [elsewhat], on: sucess}", "Did you mean 'success'?"),
        ("{tasks: {elsewhat: done}}", "elsewhat: “done” is not known"),
        ("{tasks: [elsewhat], mode: some}", "mode: “some” is not known"),
        ("elsewhat", "A list of keys is needed"), ("7", "A list of keys is needed"), ("[]", "A list of keys is needed"),
        ("{}", "A list of keys is needed"), ("[[1]]", "There is no task"),
        ("{tasks: {1: end}}", "There is no task '1'"),
        ("{tasks: [elsewhat], on: [1]}", "is not known"), (f"[{', '.join(f't{n}' for n in range(51))}]", "At most 50"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_line(load: Loading, after: str, words: str) -> None:
    said = load(tasks_file(entry("elsewhat"), entry("one", after=after)))
    assert words in refused(said)
    assert said.problems[0].startswith("12: one: after:")
    assert set(Task.objects.values_list("key", flat=True)) == {"elsewhat"}


def test_a_pools_rate_travels_too(load: Loading, make_task: Any, capsys: pytest.CaptureFixture[str]) -> None:
    make_task("one", pool=Pool.objects.create(key="db", capacity=3, tokens_per_minute=30))
    call_command("export_tasks")
    text = capsys.readouterr().out
    TaskVersion.objects.all().delete()
    Task.objects.all().delete()
    Pool.objects.all().delete()
    load(text)
    assert Pool.objects.get().tokens_per_minute == 30
    assert not Group.objects.exists()


def test_an_upstream_deleted_meanwhile_is_told(
    load: Loading, make_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = make_task("up")
    write = tasks.edit_many
    load(tasks_file(entry("one")))

    def deletes_first(*args: Any, **options: Any) -> Any:
        tasks.delete(up.pk, actor=PERSON)
        return write(*args, **options)

    monkeypatch.setattr(tasks, "edit_many", deletes_first)
    assert "There is no task 'up'." in refused(load(tasks_file(entry("one", after="[up]", retries="1"))))
