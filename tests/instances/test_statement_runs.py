"""Who ran which statement, where and how it ended: told by the page's list, by the API and as CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client

from instances.dialects.tables import Table
from instances.models import Instance, StatementRun, Tag
from instances.services import instances, statements
from scheduling.services.actor import Actor
from tests.api.conftest import Api, api, errors, make_api  # noqa: F401  (fixtures)
from tests.instances.servers import TRUSTED

pytestmark = pytest.mark.django_db
PAGE = "/admin/instances/statementrun/"


@pytest.fixture
def two(make_instance: Any, tmp_path: Any) -> list[Instance]:
    """Files: one that can be read, one that is not there."""
    (tmp_path / "files" / "good").write_bytes(b"")
    rows = []
    for name, environment in (("good", "test"), ("bad", "production")):
        path = str(tmp_path / "files" / name)
        rows.append(make_instance(name, dialect="sqlite", host="", database=path, environment=environment))
    return rows


@pytest.fixture
def ran(two: list[Instance]) -> dict[str, int]:
    """Done by alice, failed by bob on one of two, and one that nobody has seen end."""
    Tag.objects.create(name="red")
    instances.set_tags(two[1], ["red"], actor=TRUSTED)
    by = {name: Actor(User.objects.create_user(name), "api") for name in ("alice", "bob")}
    statements.run(two[:1], "SELECT 1", actor=by["alice"])
    statements.run(two, "SELECT " + "2" * 2_000, actor=by["bob"])
    statements.run(two[1:], "SELECT 3", actor=TRUSTED)
    open_ = StatementRun.objects.order_by("-pk").first()
    assert open_ is not None
    StatementRun.objects.filter(pk=open_.pk).update(errors=None, run_ms=None, at="2026-01-01T00:00:00Z")
    names = ("done", "failed", "open")
    return dict(zip(names, StatementRun.objects.order_by("pk").values_list("pk", flat=True), strict=True))


@pytest.mark.parametrize(
    ("asked", "page", "expected"),
    [
        ({}, "", ["open", "failed", "done"]),
        ({"outcome": "done"}, "outcome=done", ["done"]),
        ({"outcome": "failed"}, "outcome=failed", ["failed"]),
        ({"outcome": "not_ended"}, "outcome=not_ended", ["open"]),
        ({"by": "bob"}, "q=bob", ["failed"]),
        ({"by": "bo"}, "q=bo", []),
        ({"environment": "production"}, "environment=production", ["open", "failed"]),
        ({"tag": "red"}, "tag=red", ["open", "failed"]),
        ({"dialect": "mysql"}, "dialect=mysql", []),
        ({"instance_state": "unknown"}, "instance_state=unknown", ["open", "failed", "done"]),
        ({"source": "command"}, "source__exact=command", ["open"]),
        ({"writes": "true"}, "writes__exact=1", []),
        ({"since": "2026-01-02T00:00:00Z"}, "since=30", ["failed", "done"]),
        ({"until": "2026-01-02T00:00:00Z"}, None, ["open"]),
    ],
)
def test_filters_of_page_api_and_file(
    asked: dict[str, str],
    page: str | None,
    expected: list[str],
    ran: dict[str, int],
    api: Api,  # noqa: F811
    admin_client: Client,
) -> None:
    keys = [ran[name] for name in expected]
    answer = api.get("statements/", **asked)
    assert [row["id"] for row in answer.data["results"]] == keys
    assert [int(row["id"]) for row in csv_of(api.get("statements/export/", **asked))] == keys
    if page is not None:
        listed = admin_client.get(f"{PAGE}?{page}")
        assert [row.pk for row in listed.context["cl"].result_list] == keys
        assert [int(row["id"]) for row in csv_of(admin_client.get(f"{PAGE}export/?{page}"))] == keys


def csv_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.content
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))


def test_by_the_instance_and_misspelt(ran: dict[str, int], api: Api) -> None:  # noqa: F811
    good = Instance.objects.get(name="good").pk
    assert [row["id"] for row in api.get("statements/", instance=good).data["results"]] == [
        ran["failed"], ran["done"],
    ]  # fmt: skip
    assert list(errors(api.get("statements/", outcome="fine"))) == ["outcome"]
    assert list(errors(api.get("statements/", user="bob"))) == ["user"]


@pytest.mark.parametrize(
    "place", ["statements/?since=", "accounts/?changed_since=", "backups/?changed_since="]
)
def test_a_moment_of_any_offset_is_understood_or_refused(place: str, api: Api) -> None:  # noqa: F811
    assert api.call("get", place + "8140-07-19T16:55:53%2B23:04").status_code == 200
    assert api.call("get", place + "0001-01-01T00:00:00%2B23:04").status_code == 400
    assert api.call("get", place + "yesterday").status_code == 400


def test_what_is_told_of_one(ran: dict[str, int], api: Api) -> None:  # noqa: F811
    row = api.get(f"statements/{ran['failed']}/").data
    assert (row["by"], row["source"], row["outcome"], row["writes"]) == ("bob", "api", "failed", False)
    assert (row["instances"], list(row["errors"])) == (["good", "bad"], ["bad"])
    assert (row["statement"], row["rows"], row["execution"]) == ("SELECT " + "2" * 2_000, 1, None)
    assert row["duration_seconds"] >= 0
    listed = api.get("statements/", outcome="failed").data["results"][0]
    assert listed == row | {"statement": row["statement"][:1_000] + "…"}
    (line,) = csv_of(api.get("statements/export/", outcome="failed"))
    assert (line["statement"], json.loads(line["errors"])) == (listed["statement"], row["errors"])
    assert line["instances"] == '["good", "bad"]'
    untold = api.get(f"statements/{ran['open']}/").data
    assert (untold["by"], untold["errors"], untold["duration_seconds"]) == (None, None, None)


def test_it_needs_the_permission_of_its_page(ran: dict[str, int], make_api: Any) -> None:  # noqa: F811
    eve = make_api("instances.view_instance", "instances.run_sql")
    for place in ("statements/", "statements/export/", f"statements/{ran['done']}/"):
        assert eve.get(place).status_code == 403
    eve.user.user_permissions.add(Permission.objects.get(codename="view_statementrun"))
    assert Api(User.objects.get(pk=eve.user.pk)).get("statements/").status_code == 200


def test_who_may_not_see_one_of_its_instances_does_not_see_it(
    ran: dict[str, int],
    make_api: Any,  # noqa: F811
) -> None:
    Group.objects.create(name="red")
    bad = Instance.objects.get(name="bad")
    instances.restrict(bad, ["red"], actor=TRUSTED)
    eve = make_api("instances.view_statementrun")
    assert [row["id"] for row in eve.get("statements/").data["results"]] == [ran["done"]]
    assert [int(row["id"]) for row in csv_of(eve.get("statements/export/"))] == [ran["done"]]
    assert eve.get(f"statements/{ran['failed']}/").status_code == 404
    assert eve.get("statements/", instance=bad.pk).data["results"] == []


class TestRows:
    """What was answered, as CSV."""

    def test_the_api_gives_the_file_of_the_page(
        self,
        two: list[Instance],
        api: Api,  # noqa: F811
        admin_client: Client,
    ) -> None:
        body = {"instances": ["good"], "statement": "SELECT 1 AS a, '=x' AS b, NULL AS c, '喂' AS d"}
        answer = api.post("sql/", body | {"format": "csv"})
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="answers.csv"'
        assert answer.content.decode() == "\ufeffinstance,a,b,c,d\r\ngood,1,'=x,,喂\r\n"
        form = {
            "instances": [two[0].pk],
            "statement": body["statement"],
            "max_rows": 5,
            "seconds": 5,
            "csv": 1,
        }
        assert admin_client.post(f"{PAGE}run/", form).content == answer.content
        assert list(errors(api.post("sql/", body | {"format": "xml"}))) == ["format"]
        assert api.post("sql/", body).data[0]["rows"] == [[1, "=x", None, "喂"]]

    def test_a_cut_answer_says_so(self, two: list[Instance], api: Api) -> None:  # noqa: F811
        text = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT n FROM t"
        body = {"instances": ["good"], "statement": text, "max_rows": 2, "format": "csv"}
        lines = api.post("sql/", body).content.decode().splitlines()
        assert lines[1:] == ["good,1", "good,2", "good,# Cut after 2 rows: there are more."]

    def test_an_instances_name_is_no_formula(self) -> None:
        instance = Instance(name='=cmd|"x"')
        table = Table(("n", "+m"), (("-1", -2),))
        text = statements.as_spreadsheet(
            [statements.Answer(instance, table), statements.Answer(instance, None, "no")]
        )
        name = '"\'=cmd|""x"""'
        assert text.splitlines() == [
            "instance,n,'+m", f"{name},'-1,-2", f"{name},no",
        ]  # fmt: skip


# --- manage.py list_statements


def listed(*arguments: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command("list_statements", *arguments, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["open", "failed", "done"]),
        (["--limit", "1"], ["open"]),
        (["--outcome", "failed"], ["failed"]),
        (["--outcome", "not_ended"], ["open"]),
        (["--by", "bob"], ["failed"]),
        (["--instance", "good"], ["failed", "done"]),
        (["--environment", "production"], ["open", "failed"]),
        (["--tag", "red", "--instance", "good"], []),
        (["--source", "command"], ["open"]),
        (["--writes"], []),
        (["--since", "2026-01-02T00:00:00Z"], ["failed", "done"]),
        (["--until", "2026-01-02T08:00:00+08:00"], ["open"]),
    ],
)
def test_the_command_narrows_as_the_list_does(
    ran: dict[str, int], arguments: list[str], expected: list[str]
) -> None:
    assert [row["id"] for row in listed(*arguments)] == [ran[name] for name in expected]


def test_the_command_tells_all_of_it_as_json_and_a_line_in_words(ran: dict[str, int], api: Api) -> None:  # noqa: F811
    (row,) = listed("--by", "bob")
    assert row == api.get(f"statements/{ran['failed']}/").json() | {"at": row["at"]}
    out = io.StringIO()
    call_command("list_statements", "--by", "bob", stdout=out)
    (line,) = out.getvalue().splitlines()
    assert line.startswith(f"#{ran['failed']} ")
    assert line.endswith(f"bob (api) failed good,bad: SELECT {'2' * 73}…")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--instance", "goood"], "Did you mean 'good'"),
        (["--since", "2026-02-30"], "--since: '2026-02-30' is no time"),
        (["--until", "2026-02-01"], "--until: the time needs a zone"),
        (["--limit", "100001"], "--limit"),
        (["--outcome", "well"], "not_ended"),
    ],
)
def test_the_command_names_what_is_wrong(ran: dict[str, int], arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("list_statements", *arguments)
