"""The forecast as a page, by the API and by the command: the same numbers, down to the tasks, and nobody waits."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from instances.models import Instance
from scheduling import clock as clocks
from scheduling.models import Pool, Task
from scheduling.services import forecast, pools, tasks
from scheduling.services.forecast import memory
from tests.api.conftest import Api, errors
from tests.conftest import TESTER, await_, new_task
from tests.scheduling.views.conftest import login

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
PAGE, PART = "/scheduler/forecast/", "/scheduler/forecast/part/"


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    forecast.forget()
    yield
    forecast.forget()


@pytest.fixture
def api(admin_user: Any) -> Api:
    return Api(admin_user)


@pytest.fixture
def world(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    """Twelve reports at three on Tuesday, of which a pool seats ten; something every ten minutes on two hosts."""
    pool = pools.save(Pool(key="narrow", capacity=10), actor=TESTER)
    for number in range(12):
        make_task(
            f"report-{number:02}", name=f"Report {number} <b>", queue="reports", pool=pool,
            trigger_params={"expression": "0 3 * * *"},
        )  # fmt: skip
    for name, host in (("one", "db1.example"), ("two", "db1.example"), ("three", "db2.example")):
        Instance.objects.create(
            name=name,
            dialect="postgresql",
            host=host,
            database=name,
            active=True,
            created_at=clock.at,
            updated_at=clock.at,
        )
    make_task(
        "sizes", function="collect_database_sizes", parameters={"instances": ["one", "two"]},
        trigger_params={"expression": "*/10 * * * *"},
    )  # fmt: skip
    make_task("all-sizes", function="collect_database_sizes", trigger_params={"expression": "30 3 * * *"})


def words(answer: Any) -> str:
    assert answer.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def cells(answer: Any) -> list[str]:
    """What the picture's cells say to somebody who does not see it."""
    return [
        unescape(text)
        for text in re.findall(r'<a class="plain" [^>]*title="([^"]*)"', answer.content.decode())
    ]


def test_the_picture_its_collisions_and_the_tasks_of_a_cell(world: None) -> None:
    client = login(superuser=True)
    page = client.get(PAGE)
    text = words(page)
    assert "14 tasks with a schedule" in text
    assert f"{12 + 144 + 1} runs expected" in text
    said = cells(page)
    assert len(said) == 24 * 12
    assert "03:00 to 03:05: 13 runs begin, 0.2 seats busy, at times 0.2" in said
    assert "Each row is an hour in UTC, each cell five minutes." in text
    assert "2 Jun 2026" in text or "2026-06-02 03:00:00 UTC" in text  # the collision
    assert "report-00 , report-01" in text
    assert re.search(r"Database host db1\.example 145 .* Database host db2\.example 1 ", text)
    (link,) = {
        unescape(found)
        for found in re.findall(r'href="([^"]*)" title="03:00 to 03:05', page.content.decode())
    }
    below = client.get(link)
    listed = words(below).split("Tasks with runs from")[1]
    assert all(f"report-{number:02} reports narrow 1" in listed for number in range(12))
    assert "sizes default – 1" in listed
    assert "all-sizes" not in listed
    assert "Report 3 <b>" in listed
    assert "&lt;b&gt;" in below.content.decode()
    # The same for one queue, and for one host.
    (only,) = cells_with_runs(client.get(PAGE, {"of": "queue", "name": "reports"}))
    assert only.startswith("03:00 to 03:05: 12 runs begin")
    assert len(cells_with_runs(client.get(PAGE, {"of": "host", "name": "db2.example"}))) == 1
    week = client.get(PAGE, {"hours": "168", "shown": "busy"})
    assert "Each row is a day in UTC, each cell an hour." in words(week)
    assert len(cells(week)) == 168


def cells_with_runs(answer: Any) -> list[str]:
    return [text for text in cells(answer) if ": 0 runs begin" not in text]


def test_a_pool_that_is_too_narrow_is_marked_by_more_than_colour(
    world: None, clock: clocks.SettableClock
) -> None:
    Pool.objects.filter(key="narrow").update(capacity=1)  # as a long run would make it
    Task.objects.filter(queue="reports").update(weight=120)
    page = login(superuser=True).get(PAGE, {"of": "pool", "name": "narrow", "shown": "busy"})
    assert "More than the 1 seats of the pool." in cells(page)[180]
    assert re.search(r'class="heat-5 over">.*?!</span>', page.content.decode())
    assert re.search(r"Pool narrow 12 \d+ 1 1 ", words(page))


def test_hours_of_a_clock_that_changes(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    """In Berlin's night of 25 hours two o'clock comes twice and is one place; in that of 23 there is none."""
    make_task("often", trigger_params={"expression": "0 * * * *"})
    client = login(superuser=True)
    client.cookies["jobsite_zone_chosen"] = "Europe/Berlin"
    clock.at = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    forecast.forget()
    doubled = [text for text in cells(client.get(PAGE, {"hours": "168"})) if ": 2 runs" in text]
    assert doubled == ["02:00 to 03:00: 2 runs begin, 0.1 seats busy, at times 0.1"]
    clock.at = datetime(2027, 3, 27, 23, 0, tzinfo=UTC)
    forecast.forget()
    page = client.get(PAGE, {"hours": "168"})
    assert page.content.decode().count('class="outside"') >= 1
    assert len(cells_with_runs(page)) == 168


@pytest.mark.parametrize(
    "query",
    [
        {"hours": "9" * 50, "shown": "x", "of": "nothing", "name": "<b>"},
        {"of": "queue", "name": "unknown"},
        {"from": "yesterday", "to": "2026-06-01T12:00Z"},
        {"from": "0001-01-01T00:00Z", "to": "9999-01-01T00:00Z"},
        {"from": "2027-06-02T03:00Z", "to": "2028-06-02T03:00Z"},
    ],
)
def test_what_the_address_cannot_mean_is_the_usual(world: None, query: dict[str, str]) -> None:
    text = words(login(superuser=True).get(PAGE, query))
    assert "14 tasks with a schedule" in text
    assert "Pool narrow 12" in text


def test_api_and_command_say_the_same(world: None, api: Api) -> None:
    found = api.get("forecast/", step=60).data
    assert (found["tasks"], found["total"]["runs"], found["minutes"], found["step"]) == (14, 157, 1440, 60)
    assert found["as_of"] == "2026-06-01T12:00:00Z"
    assert found["total"]["starts"][15] == 12 + 6 + 1
    assert [series["name"] for series in found["queues"]] == ["default", "reports"]
    assert [(series["name"], series["runs"]) for series in found["hosts"]] == [
        ("db1.example", 145),
        ("db2.example", 1),
    ]
    (pool,) = found["pools"]
    assert (pool["capacity"], pool["minutes_over"]) == (10, 0)
    (collision,) = found["collisions"]
    assert (collision["at"], collision["runs"], collision["others"]) == ("2026-06-02T03:00:00Z", 13, 3)
    at = {"at": "2026-06-02T03:00:00Z", "minutes": 60}
    rows = api.get("forecast/tasks/", **at).data["tasks"]
    assert {row["key"]: row["runs"] for row in rows} == {
        **{f"report-{number:02}": 1 for number in range(12)}, "sizes": 6, "all-sizes": 1,
    }  # fmt: skip
    rows = api.get("forecast/tasks/", **at, of="host", name="db2.example").data["tasks"]
    assert [(row["key"], row["hosts"]) for row in rows] == [("all-sizes", ["db1.example", "db2.example"])]
    assert len(api.get("forecast/", hours=168).data["total"]["starts"]) == 168 * 60
    for query, field in (({"hours": 5}, "hours"), ({"step": 0}, "step"), ({"stp": 1}, "stp")):
        assert field in errors(api.get("forecast/", **query))
    said = command("--json", "--step", "60")
    assert json.loads(said)["total"]["starts"] == found["total"]["starts"]
    lines = command("--timezone", "UTC").splitlines()
    assert any(re.match(r"2026-06-02 03:00 +19 .*#", line) for line in lines)
    assert any(line.startswith("! 2026-06-02 03:00     13  ") for line in lines)
    assert "10 seats, too few in 0 minutes" in "\n".join(lines)
    one = command("--at", "2026-06-02T03:30:00Z", "--of", "queue", "--name", "default", "--json").splitlines()
    assert [json.loads(line)["key"] for line in one] == ["all-sizes", "sizes"]
    for arguments, part in (
        (("--step", "0"), "--step"),
        (("--at", "soon"), "--at"),
        (("--timezone", "Mars"), "--timezone"),
        (("--of", "queue", "--name", "nobody"), "--name"),
    ):
        with pytest.raises(CommandError, match=part):
            command(*arguments)


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("forecast", *arguments, stdout=out)
    return out.getvalue()


def test_warm_it_costs_a_few_questions(world: None) -> None:
    client = login(superuser=True)
    client.get(PAGE)
    with CaptureQueriesContext(connection) as queries:
        client.get(PAGE, {"from": "2026-06-02T03:00Z", "to": "2026-06-02T03:05Z"})
    assert len(queries) <= 16
    assert not [
        query
        for query in queries
        if "scheduling_execution" in query["sql"].lower() and "max(" in query["sql"].lower()
    ]


@pytest.mark.django_db(transaction=True)
def test_with_many_tasks_it_is_computed_in_the_background(
    clock: clocks.SettableClock, make_task: MakeTask, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says how far it is and shows it when it is there; an older one is shown while a newer is computed."""
    make_task("one")
    monkeypatch.setattr(memory, "AT_ONCE", 0)
    client = login(superuser=True)
    page = client.get(PAGE)
    assert "The forecast is being computed" in words(page)
    assert f'data-live="{PART}?"' in page.content.decode()
    answer = api.get("forecast/", hours=168)
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "1")
    assert set(answer.data) == {"done", "total"}
    await_(
        lambda: "1 tasks with a schedule" in client.get(PART).content.decode() or ended(client),
        30,
        "the forecast",
    )
    done = client.get(PART)
    assert done.headers["X-Ended"] == "1"
    assert "1440 runs expected" in words(done)
    assert "data-live" not in client.get(PAGE).content.decode().split('id="forecast"')[1].split(">")[0]
    await_(lambda: api.get("forecast/", hours=168).status_code == 200, 30, "the week")
    clock.move(minutes=10)  # it is old by now, and still shown
    assert "1440 runs expected" in words(client.get(PAGE))
    await_(lambda: memory.progress(24) is None, 30, "the new one")
    assert forecast.of_hours().as_of == clock.at


def ended(client: Client) -> bool:
    return "X-Ended" in client.get(PART).headers


def test_many_tasks_of_a_week(clock: clocks.SettableClock) -> None:
    """The page of a week over two thousand tasks, with the tasks of one hour."""
    rows = [
        new_task(
            f"task-{number}", queue=f"queue-{number % 7}",
            trigger_params={"expression": f"{number % 60} {number // 60 % 24} * * *"},
        )
        for number in range(2_000)
    ]  # fmt: skip
    for row in rows:
        tasks.prepare_new(row, clock.now())
    Task.objects.bulk_create(rows)
    forecast.of_hours(168)
    client = login(superuser=True)
    page = client.get(PAGE, {"hours": "168", "from": "2026-06-02T03:00Z", "to": "2026-06-02T04:00Z"})
    assert "14000 runs expected" in words(page)
    assert timedelta(hours=168) == forecast.of_hours(168).end - forecast.of_hours(168).begin
