"""What a file may not say: each fault has its line, key and field, and the other entries load all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from scheduling.models import Group, Task
from scheduling.services.definitions.reading import MOST_BYTES
from tests.scheduling.definitions.files import Loading, entry, tasks_file

#: What is changed in the entry "bad" (lines 7 to 11, added ones from 12 on); how its problem begins, and a part of it.
FAULTS = [
    ({"functoin": "noop"}, "12: bad: functoin: ", "Did you mean 'function'?"),
    ({"function": "nop"}, "8: bad: function: ", "'noop'"),
    ({"function": ""}, "7: bad: function: ", "needed"),
    ({"function": "7"}, "8: bad: function: ", "text"),
    ({"trigger": "crn"}, "9: bad: trigger: ", "cron"),
    ({"trigger_params": "{huor: 3}"}, "10: bad: trigger_params: ", "“hour”"),
    ({"trigger_params": "{hour: 25}"}, "10: bad: trigger_params: ", "25"),
    ({"trigger_params": "[3]"}, "10: bad: trigger_params: ", "mapping"),
    ({"time_zone": "Mars/Olympus"}, "11: bad: time_zone: ", "Mars/Olympus"),
    ({"parameters": "{a: 1}"}, "12: bad: parameters: ", "a: "),
    ({"function": "sleep", "parameters": "{seconds: soon}"}, "12: bad: parameters: ", "seconds: "),
    ({"function": "sleep"}, "7: bad: parameters: ", "seconds: "),
    ({"enabled": "perhaps"}, "12: bad: enabled: ", "true or false"),
    ({"retries": "many"}, "12: bad: retries: ", "a whole number"),
    ({"retries": "true"}, "12: bad: retries: ", "a whole number"),
    ({"retries": "-1"}, "12: bad: retries: ", "0"),
    ({"priority": "12"}, "12: bad: priority: ", "9"),
    ({"weight": "99999999999999999999"}, "12: bad: weight: ", "1000"),
    ({"retry_jitter": ".nan"}, "12: bad: ", "nan"),
    ({"misfire_policy": "run_last"}, "12: bad: misfire_policy: ", "'run_latest'"),
    ({"executor": "fiber"}, "12: bad: executor: ", "thread"),
    ({"no_retry_on": "ValueError"}, "12: bad: no_retry_on: ", "a list"),
    ({"no_retry_on": "[no-name]"}, "12: bad: no_retry_on: ", "class names"),
    ({"coalesce": "3"}, "12: bad: coalesce: ", "true or false"),
    ({"group": "nightly"}, "12: bad: group: ", "'nights'"),
    ({"pool": "db"}, "12: bad: pool: ", "There are none."),
    ({"owner": "anne"}, "12: bad: owner: ", "'anna'"),
    ({"queue": "'Two Words'"}, "12: bad: queue: ", "a-z"),
    ({"start_at": "soon"}, "12: bad: start_at: ", "soon"),
    ({"start_at": "2030-01-02", "end_at": "2030-01-01"}, "13: bad: end_at: ", "later"),
    ({"id": "other"}, "12: bad: id: ", "above"),
    ({"name": '"a\\0b"'}, "12: bad: ", "cannot be stored"),
    ({"name": "!!python/object/apply:os.getcwd []"}, "12: bad: ", ""),
    ({"name": "!!binary aGk="}, "12: bad: ", "text"),
    ({"remark": "2027-02-30"}, "12: bad: ", "understood"),
]


@pytest.mark.parametrize(("values", "place", "part"), FAULTS, ids=lambda value: str(value)[:40])
def test_a_fault_is_told_where_it_stands(
    load: Loading, values: dict[str, str], place: str, part: str
) -> None:
    Group.objects.create(key="nights", name="Nights")
    get_user_model().objects.create_user("anna")
    loaded = load(tasks_file(entry("good"), entry("bad", **values)))
    assert loaded.failed
    assert loaded.counts == "1 added, 0 updated, 0 unchanged, 0 kept, 1 refused"
    [problem] = loaded.problems
    assert problem.startswith(place), problem
    assert part in problem.removeprefix(place), problem
    assert list(Task.objects.values_list("key", flat=True)) == ["good"]


def test_all_faults_of_an_entry_are_told_and_count_once(load: Loading) -> None:
    loaded = load(tasks_file(entry("bad", function="nop", trigger_params="{hour: 99}", priority="12")))
    assert [problem.split(": ")[2] for problem in loaded.problems] == [
        "function",
        "trigger_params",
        "priority",
    ]
    assert "1 refused" in loaded.counts


UNREADABLE = [
    ("", "1: ", "empty"),
    ("tasks: []\n", "1: ", "no tasks"),
    ("- key: one\n", "1: ", "mapping"),
    ("tsks:\n- key: one\n", "1: ", "'tasks'"),
    ("tasks: 3\n", "1: tasks: ", "list"),
    ("tasks:\n- one\n", "2: ", "mapping"),
    ("tasks:\n- key: one\n  key: two\n", "3: one: ", "twice"),
    ("tasks:\n- key: one\n  trigger_params: {hour: 1, hour: 2}\n", "3: one: ", "twice"),
    ("tasks:\n- &a {key: one}\n- *a\n", "2: ", "Anchors"),
    ("tasks:\n- key: [\n", "3: ", "YAML"),
    ("tasks: " + "[" * 60 + "]" * 60, "1: ", "deeply"),
    ("tasks:\n- key: one\n---\ntasks: []\n", "3: ", "YAML"),
    ('tasks:\n- key: "\\uD800"\n', "2: ", "YAML"),
    ("x" * (MOST_BYTES + 1), "1: ", "bytes"),
    ("tasks:\n" + "- {}\n" * 20_001, "1: ", "20000"),
]


@pytest.mark.parametrize(("text", "place", "part"), UNREADABLE, ids=lambda value: str(value)[:25])
def test_unreadable(load: Loading, text: str, place: str, part: str) -> None:
    loaded = load(text)
    assert loaded.failed
    assert loaded.problems[0].startswith(place), loaded.problems[0]
    assert part in loaded.problems[0]
    assert not Task.objects.exists()


def test_a_key_that_stands_twice_loads_once(load: Loading) -> None:
    loaded = load(tasks_file(entry("one"), entry("one", name="Second")))
    assert loaded.problems == ["7: one: key: This key stands in line 2 already."]
    assert Task.objects.get().name == "one"


def test_a_file_that_cannot_be_read_is_named(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"none\.yaml: No such file"):
        call_command("load_tasks", str(tmp_path / "none.yaml"))
    (tmp_path / "latin.yaml").write_bytes(b"tasks: \xe4")
    with pytest.raises(CommandError, match="byte 7 is not UTF-8"):
        call_command("load_tasks", str(tmp_path / "latin.yaml"))
