"""The board: cards, counters, filters, pages by key, reload; all of it without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobsite import belief
from scheduling.clock import SettableClock
from scheduling.models import Execution, Group, Task, TaskVersion
from scheduling.services import groups, tasks
from scheduling.views import cards
from tests.conftest import TESTER
from tests.scheduling.views.conftest import login, new_execution, new_node

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
BOARD = "/scheduler/"


def shown(client: Client, address: str = BOARD) -> list[str]:
    """The keys on the cards, in their order."""
    return re.findall(r'<code class="faint">([^<]+)</code>', client.get(address).content.decode())


def counters(client: Client) -> dict[str, int]:
    page = client.get(BOARD).content.decode()
    return {words: int(number) for number, words in re.findall(r"<b>(\d+)</b>([^<]+)</a>", page)}


@pytest.fixture
def some(make_task: MakeTask, clock: SettableClock) -> dict[str, Task]:
    node = new_node(functions=("noop", "echo"))
    nightly = Group.objects.create(key="nightly", name="Nightly")
    made = {
        "plain": make_task("plain", category="sync"),
        "off": make_task("off"),
        "held": make_task("held", group=nightly),
        "busy": make_task("busy", function="echo", parameters={"values": 1}, category="sync"),
        "bad": make_task("bad", name="Weekly <report>"),
        "broken": make_task("broken", function="sleep", parameters={"seconds": 1}, built_in=True),
    }
    tasks.disable(made["off"].pk, actor=TESTER)
    groups.pause(nightly.pk, actor=TESTER)
    Execution.objects.bulk_create(
        [
            new_execution(made["busy"], "running", clock.now(), node=node),
            new_execution(made["bad"], "succeeded", clock.now() - timedelta(hours=30)),
            new_execution(made["bad"], "failed", clock.now() - timedelta(hours=2)),
            new_execution(made["plain"], "failed", clock.now() - timedelta(hours=30)),
        ]
    )
    return made


def test_counters_lead_to_what_they_count(some: dict[str, Task]) -> None:
    client = login(superuser=True)
    assert counters(client) == {
        "tasks": 6, "running now": 1, "enabled": 4, "paused": 1, "disabled": 1, "failed in 24 h": 1,
    }  # fmt: skip
    assert shown(client) == ["bad", "broken", "busy", "held", "off", "plain"]
    assert shown(client, f"{BOARD}?state=running") == ["busy"]
    assert shown(client, f"{BOARD}?state=enabled") == ["bad", "broken", "busy", "plain"]
    assert shown(client, f"{BOARD}?state=paused") == ["held"]
    assert shown(client, f"{BOARD}?state=disabled") == ["off"]
    assert shown(client, f"{BOARD}?state=failed") == ["bad"]


def test_it_is_narrowed_by_text_category_and_group(some: dict[str, Task]) -> None:
    client = login(superuser=True)
    assert shown(client, f"{BOARD}?q=WEEKLY") == ["bad"]
    assert shown(client, f"{BOARD}?q=echo&category=sync") == ["busy"]
    assert shown(client, f"{BOARD}?group={some['held'].group_id}") == ["held"]
    assert len(shown(client, f"{BOARD}?group=x&state=nonsense&after=%00")) == 6
    assert "No task fits" in client.get(f"{BOARD}?q=%25_").content.decode()


def test_a_card_says_how_a_task_stands(some: dict[str, Task]) -> None:
    client = login(superuser=True)
    page = client.get(BOARD).content.decode()
    articles = re.split(r"<article", page)[1:]
    by_key = dict(zip(["bad", "broken", "busy", "held", "off", "plain"], articles, strict=True))
    assert "Weekly &lt;report&gt;" in by_key["bad"]
    assert "1 succeeded, 1 failed" in by_key["bad"]
    assert 'datetime="2026-06-01T12:01:00+00:00"' in by_key["bad"]
    assert "Every minute" in by_key["bad"]
    assert "state-broken" in by_key["broken"]
    assert "no node has the function" in by_key["broken"]
    assert "built-in" in by_key["broken"]
    assert "/delete/" not in by_key["broken"]
    assert "state-running" in by_key["busy"]
    assert "state-paused" in by_key["held"]
    assert f'formaction="/scheduler/tasks/{some["off"].pk}/enable/"' in by_key["off"]
    assert "/pause/" not in by_key["off"]


def test_pages_go_by_key_forth_and_back(
    make_task: MakeTask, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "MOST", 2)
    for key in "abcde":
        make_task(key, category="letters")
    client = login(superuser=True)
    seen, address = [], f"{BOARD}?category=letters"
    for _turn in range(3):
        page = client.get(address).content.decode()
        seen.append(shown(client, address))
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert (seen, address) == ([["a", "b"], ["c", "d"], ["e"]], "")
    previous = re.search(r'rel="prev" href="([^"]+)"', page)
    assert previous
    address = previous[1].replace("&amp;", "&")
    assert shown(client, address) == ["c", "d"]
    assert "category=letters" in address


def test_who_may_only_look_sees_cards_without_buttons(some: dict[str, Task]) -> None:
    client = login("view_task")
    page = client.get(BOARD).content.decode()
    assert len(shown(client)) == 6
    for word in ("formaction", "data-verb", "Reload from YAML", "Add task"):
        assert word not in page
    assert client.get("/scheduler/reload/").status_code == 403
    assert client.post("/scheduler/reload/").status_code == 403


def test_each_button_needs_its_permission(some: dict[str, Task]) -> None:
    page = login("view_task", "pause_task").get(BOARD).content.decode()
    assert set(re.findall(r'data-verb="(\w+)"', page)) == {"pause"}


def test_strangers_log_in_first_and_others_are_refused() -> None:
    assert Client().get(BOARD)["Location"] == "/admin/login/?next=/scheduler/"
    assert login().get(BOARD).status_code == 403


def test_nothing_new_is_204(some: dict[str, Task]) -> None:
    client = login(superuser=True)
    page = client.get(f"{BOARD}?category=sync").content.decode()
    live = re.search(r'data-live="([^"]+)" data-cursor="(\w+)"', page)
    assert live
    assert live[1] == "/scheduler/cards/?category=sync"
    assert client.get(live[1], {"category": "sync", "cursor": live[2]}).status_code == 204
    tasks.pause(some["plain"].pk, actor=TESTER)
    answer = client.get("/scheduler/cards/", {"category": "sync", "cursor": live[2]})
    assert answer.status_code == 200
    assert "state-paused" in answer.content.decode()


def test_a_hundred_open_boards_cost_as_much_as_one_but_who_pressed_a_button_sees_what_it_did(
    some: dict[str, Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(belief, "TIMES", 1_000_000.0)
    part, verbs = f"{BOARD}cards/", ("view_task", "pause_task")
    first, second, onlooker = login(*verbs), login(*verbs, name="bert"), login("view_task", name="cleo")
    pause = reverse("task-verb", args=[some["plain"].pk, "pause"])
    resume = pause.replace("pause", "resume")
    assert pause in first.get(part).content.decode()
    first.post(pause)
    assert pause in second.get(part).content.decode()  # as a moment ago
    assert resume in first.get(part, {"fresh": "1"}).content.decode()
    with CaptureQueriesContext(connection) as queries:
        assert resume in second.get(part).content.decode()
    assert not [query for query in queries if "scheduling_task" in query["sql"]]
    assert pause not in onlooker.get(part).content.decode()  # has no buttons, whatever the others have
    first.post(resume)
    assert pause in first.get(BOARD).content.decode()  # without JavaScript: the page itself


@pytest.mark.parametrize("superuser", [True, False])
def test_sixty_cards_cost_a_dozen_questions(
    make_task: MakeTask, clock: SettableClock, superuser: bool
) -> None:
    new_node()
    for number in range(62):
        make_task(f"task-{number:02}")
    task = Task.objects.first()
    assert task is not None
    Execution.objects.bulk_create([new_execution(task, "failed", clock.now()) for _ in range(30)])
    client = login("view_task", "run_task", "view_execution", superuser=superuser)
    with CaptureQueriesContext(connection) as queries:
        page = client.get(BOARD).content.decode()
    assert page.count("<article") == 60
    several = 1 if connection.vendor == "sqlite" else 0
    assert len(queries) <= 12 + several


def test_reload_says_what_it_would_do_and_then_does_it(clock: SettableClock) -> None:
    client = login(superuser=True)
    page = client.get("/scheduler/reload/").content.decode()
    assert "<code>prune_history</code>" in page
    assert not Task.objects.exists()  # nothing is written by GET
    answer = client.post("/scheduler/reload/", follow=True)
    assert answer.redirect_chain == [(BOARD, 302)]
    number = Task.objects.count()
    assert f"{number} added, 0 updated, 0 unchanged, 0 kept" in answer.content.decode()
    pruning = Task.objects.get(key="prune_history")
    pruning.description = "as we like it"
    tasks.edit(pruning, actor=TESTER)
    answer = client.post("/scheduler/reload/", follow=True)
    assert f"0 added, 0 updated, {number - 1} unchanged, 1 kept" in answer.content.decode()
    assert Task.objects.get(key="prune_history").description == "as we like it"
    assert TaskVersion.objects.filter(source="yaml", by__is_superuser=True).count() == number


def test_reload_needs_a_token() -> None:
    assert login(superuser=True, csrf=True).post("/scheduler/reload/").status_code == 403
    assert not Task.objects.exists()
