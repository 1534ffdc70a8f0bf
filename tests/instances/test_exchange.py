"""Instances as CSV and YAML: out and in again, and the fate of each row."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from instances.exceptions import FileNotUnderstood
from instances.models import Instance, Tag
from instances.services import exchange, instances
from scheduling.services.actor import Actor
from tests.instances.servers import PASSWORD, TRUSTED

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet(make_instance: Any, make_credential: Any) -> list[Instance]:
    """Two instances that are hard to write down."""
    for name in ("team-a", "pii"):
        Tag.objects.create(name=name)
    first = make_instance(
        '=cmd|"x", 销售', host="a.example.com", port=5433, database="Sales; 1", environment="production",
        options={"tls": "require"}, description="two\nlines 😀",
    )  # fmt: skip
    instances.set_tags(first, ["team-a", "pii"], actor=TRUSTED)
    return [first, make_instance("-plain", dialect="mysql", active=False)]


def values() -> list[Any]:
    fields = ("name", "dialect", "host", "port", "database", "credential__name", "environment", "options")
    rows = Instance.objects.present().order_by("name")
    tags = [sorted(row.tags.values_list("name", flat=True)) for row in rows]
    return [*rows.values_list(*fields, "description", "active"), tags]


def load(text: str, format_: str = "csv", **options: Any) -> list[tuple[str, str]]:
    fates = exchange.load(text, format_, actor=options.pop("actor", TRUSTED), **options)
    return [(fate.fate, " ".join(fate.problems)) for fate in fates]


@pytest.mark.parametrize("format_", exchange.FORMATS)
def test_out_and_in_again(format_: str, fleet: list[Instance]) -> None:
    before = values()
    text = exchange.export(Instance.objects.order_by("name"), format_)
    assert PASSWORD not in text
    assert load(text, format_, update=True) == [("unchanged", ""), ("unchanged", "")]
    Instance.objects.all().delete()
    assert load(text, format_) == [("created", ""), ("created", "")]
    assert values() == before


def test_no_cell_is_a_formula(fleet: list[Instance]) -> None:
    text = exchange.export(fleet, "csv")
    assert "\"'=cmd" in text
    assert "\n'-plain" in text


def test_a_dry_run_says_the_same_and_keeps_nothing(make_credential: Any) -> None:
    make_credential("ops")
    text = "name,dialect,host,credential\na,mysql,h1,ops\nb,mysql,h1,ops\nc,oracel,h2,ops\n"
    said = load(text, dry_run=True)
    assert [fate for fate, _problems in said] == ["created", "refused", "refused"]
    assert not Instance.objects.exists()
    assert load(text) == said
    assert set(Instance.objects.values_list("name", flat=True)) == {"a"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"name": "one"}, "already"),
        ({"host": "DB.example.com"}, "“one” is the same server"),
        ({"host": "db.example.com", "port": "5432"}, "“one” is the same server"),
        ({"name": ""}, "name:"),
        ({"credential": "opps"}, "Did you mean"),
        ({"port": "5e3"}, "no port"),
        ({"port": "99999"}, "port:"),
        ({"options": "{"}, "JSON"),
        ({"options": '{"tsl": "require"}'}, "tls"),
        ({"active": "perhaps"}, "neither yes nor no"),
        ({"environment": "prod"}, "environment:"),
        ({"tags": "team-b"}, "no tag"),
        ({"host": "a,b"}, "list"),
        ({"hots": "x"}, "Did you mean 'host'"),
    ],
)
def test_a_bad_value_is_named(row: dict[str, str], words: str, make_instance: Any) -> None:
    make_instance("one")
    Tag.objects.create(name="team-a")
    whole = {"name": "new", "dialect": "postgresql", "host": "h9", "credential": "ops"} | row
    cells = [f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in whole.values()]
    ((fate, problems),) = load(",".join(whole) + "\n" + ",".join(cells))
    assert fate == "refused"
    assert words in problems
    assert Instance.objects.count() == 1


def test_a_name_twice_in_the_file_and_one_in_the_bin(make_instance: Any) -> None:
    instances.delete(make_instance("binned", host="h1"), actor=TRUSTED)
    text = "name,dialect,host,credential\na,mysql,h2,ops\na,mysql,h3,ops\nbinned,mysql,h4,ops\n"
    said = load(text)
    assert [fate for fate, _problems in said] == ["created", "refused", "refused"]
    assert "row 2" in said[1][1]
    assert "recycle bin" in said[2][1]


def test_an_update_changes_what_the_row_names(make_instance: Any) -> None:
    make_instance("one", port=5433, environment="test")
    text = "name,environment\none,production\n"
    assert load(text, update=True) == [("updated", "")]
    assert load(text, update=True) == [("unchanged", "")]
    row = Instance.objects.get()
    assert (row.environment, row.port) == ("production", 5433)


def test_whoever_is_not_trusted_needs_the_password(make_credential: Any, django_user_model: Any) -> None:
    make_credential("ops")
    alice = django_user_model.objects.create_user("alice")
    ((fate, problems),) = load(
        "name,dialect,host,credential\na,mysql,evil.example.com,ops\n",
        actor=Actor(user=alice, source="admin"),
    )
    assert fate == "refused"
    assert "permission" in problems


@pytest.mark.parametrize(
    ("text", "format_", "words"),
    [
        ("", "csv", "first line"),
        ("dialect,host\nmysql,h\n", "csv", "first line"),
        ('name\n"open\n', "csv", "Line"),
        ("instances: 3", "yaml", "instances:"),
        ("instances: [", "yaml", "expected"),
        ("instances:\n- &a {name: x}\n- *a\n", "yaml", "Aliases"),
        ("name\n" + "x\n" * 1_100_000, "csv", "bytes"),
        ("[" * 2_000, "yaml", "nested"),
        ("instances: " + "{a: " * 3_000, "yaml", "nested"),
        ("name\n\ud800", "csv", "no text"),
        ("instances:\n- name: '\ud800'", "yaml", "no text"),
        ("name,name\na,b\n", "csv", "twice"),
        ("name\n" + "x" * 200_000, "csv", "limit"),
        ("instances: [!!python/object/apply:os.system [reboot]]", "yaml", "constructor"),
    ],
    ids=lambda value: value[:20],  # some are a megabyte long
)
def test_what_is_no_list_of_instances(text: str, format_: str, words: str) -> None:
    with pytest.raises(FileNotUnderstood, match=words):
        exchange.load(text, format_, actor=TRUSTED)


def test_the_commands(fleet: list[Instance], tmp_path: Path) -> None:
    path = tmp_path / "fleet.yml"
    call_command("export_instances", str(path))
    output = StringIO()
    with pytest.raises(CommandError, match="2 rows were refused"):
        call_command("import_instances", str(path), stdout=output)
    Instance.objects.all().delete()
    call_command("import_instances", str(path), "--dry-run", stdout=output)
    assert "2 created" in output.getvalue()
    assert not Instance.objects.exists()
    call_command("import_instances", str(path), stdout=output)
    assert Instance.objects.count() == 2


def test_every_bad_value_of_a_row_is_named_at_once(make_credential: Any) -> None:
    make_credential("ops")
    head = "name,dialect,host,port,credential,environment"
    ((fate, problems),) = load(f"{head}\nbad,oracel,h,x,nobody,moon")
    assert fate == "refused"
    for column in ("dialect", "port", "credential", "environment"):
        assert f"{column}: " in problems, column
    assert "host: " not in problems
