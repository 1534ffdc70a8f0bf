"""The main ways through the pages, on a real scheduler and in two languages: nothing depends on the words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from scheduling.models import Execution, Notice, Task
from scheduling.services import tasks
from tests.browser.conftest import PASSWORD, Person
from tests.conftest import TESTER, Nodes, await_, new_task

TASKS = "/admin/scheduling/task/"
BOXES = ("second", "minute", "hour", "day", "month", "day_of_week", "year")
LANGUAGES = {"en-GB": "en", "zh-CN": "zh-hans"}
#: A page shows what has changed after 10 s at the latest; a loaded machine gets as long again.
REFRESHED = 20_000

pytestmark = pytest.mark.processes


def boxes(page: Page) -> str:
    return " ".join(page.input_value(f'[data-box="{key}"]') for key in BOXES)


def params(page: Page) -> Any:
    return json.loads(page.input_value("#id_trigger_params"))


def described(page: Page, runs: int = 10) -> str:
    """What the schedule is said to mean, when its next runs have come."""
    expect(page.locator("[data-preview] .runs li")).to_have_count(runs)
    return page.inner_text("[data-preview] .words strong")


@pytest.mark.parametrize("locale", ["en-GB", pytest.param("zh-CN", marks=pytest.mark.main_way)])
def test_a_task_is_written_by_keyboard_run_watched_and_cancelled(
    locale: str,
    live_server: LiveServer,
    account: Any,
    look: Callable[..., BrowserContext],
    nodes: Nodes,
) -> None:
    window = look(locale=locale)
    somebody = Person(window.new_page(), live_server.url)
    page = somebody.page
    page.goto(live_server.url)
    expect(page.locator("html")).to_have_attribute("lang", LANGUAGES[locale])
    somebody.type_at("#id_username", "anna")
    somebody.type_at("#id_password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/")
    expect(page.locator(".alarm[role=alert]")).to_contain_text("manage.py runapscheduler")
    node = nodes.start()
    write_by_keyboard(somebody)
    task = Task.objects.get()
    assert (task.function, task.parameters) == ("count_up", {"steps": 200, "seconds": 0.1})
    assert task.trigger_params == {"dialect": "quartz", "expression": "0 30 2 ? * MON-FRI"}

    home = window.new_page()
    home.goto(f"{live_server.url}/admin/")
    await_(lambda: "scheduler started" in node.said() or node.process.poll() is not None, what="node starts")
    expect(home.locator(".alarm")).to_have_count(0, timeout=REFRESHED)  # it is gone by itself

    page.click(f'[formaction$="/tasks/{task.pk}/run/"]')
    execution = await_(lambda: Execution.objects.filter(state="running").first(), what="it runs")
    running = home.locator(f'[aria-labelledby="running-title"] a[href$="/execution/{execution.pk}/change/"]')
    expect(running).to_be_visible(timeout=REFRESHED)
    running.click()
    watch(home)
    home.click("#cancel-button")
    expect(home.locator("#state .now > .state-cancelled:first-child")).to_be_visible(timeout=REFRESHED)
    expect(home.locator("#cancel-button")).to_have_count(0)
    execution.refresh_from_db()
    assert (execution.state, execution.cancel_requested_by_id) == ("cancelled", account.pk)
    assert not somebody.faults, somebody.faults


def write_by_keyboard(somebody: Person) -> None:
    """A task with parameters and a schedule, from the first Tab to Enter; what stands beside keeps in step."""
    page = somebody.visit(f"{TASKS}add/")
    somebody.type_at("#id_name", "Count the night")
    somebody.type_at("#id_key", "count-night")
    somebody.choose_at("#id_function", "count_up")
    expect(page.locator("#parameter-steps")).to_be_visible()
    somebody.type_at("#parameter-steps", "200")
    somebody.type_at("#parameter-seconds", "0.1")
    assert json.loads(page.input_value("#id_parameters")) == {"steps": 200, "seconds": 0.1}

    somebody.tab_to('[data-preset="0 2 * * 0"]')
    page.keyboard.press("Enter")
    assert (page.input_value("[data-expression]"), boxes(page)) == ("0 2 * * 0", "0 0 2 * * 0 *")
    sundays = described(page)
    somebody.type_at('[data-box="minute"]', "*/20")
    assert page.input_value("[data-expression]") == "*/20 2 * * 0"
    expect(page.locator("[data-preview] .words strong")).not_to_have_text(sundays)
    somebody.type_at("[data-expression]", "30 2 * * 1-5")
    assert boxes(page) == "0 30 2 * * 1-5 *"
    assert params(page) == {"dialect": "unix", "expression": "30 2 * * 1-5"}
    somebody.choose_at("[data-dialect]", "quartz")  # numbers its weekdays otherwise, and wants a "?"
    assert page.input_value("[data-expression]") == "0 30 2 ? * MON-FRI"
    expect(page.locator("[data-preview] .words strong")).to_contain_text("02:30:00")
    assert described(page)
    somebody.tab_to("[name=_continue]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/change/**")


def watch(page: Page) -> None:
    """Its progress moves and its log grows, without a reload."""
    page.wait_for_selector("#state progress.bar")
    expect(page.locator("#log .line").first).to_be_visible(timeout=REFRESHED)
    lines, share = page.locator("#log .line").count(), page.locator("#state progress").get_attribute("value")
    page.evaluate("window.stillTheSamePage = true")
    page.wait_for_function(
        """([lines, share]) => document.querySelectorAll("#log .line").length > lines
            && document.querySelector("#state progress").getAttribute("value") !== share""",
        arg=[lines, share],
        timeout=REFRESHED,
    )
    assert page.evaluate("window.stillTheSamePage"), "parts of the page live; the page itself stays"


@pytest.mark.parametrize("locale", [pytest.param("en-GB", marks=pytest.mark.main_way), "zh-CN"])
def test_a_failure_is_read_mended_and_the_task_rolled_back(
    locale: str, person: Callable[..., Person], nodes: Nodes
) -> None:
    nodes.start()
    task = tasks.create(
        new_task("append", function="append_line", parameters={"path": "../away.txt"},
                 trigger_params={"expression": "0 3 1 1 *"}, notify_on_failure=["anna@example.com"]),
        actor=TESTER,
    )  # fmt: skip
    page = person(locale=locale).visit(f"{TASKS}{task.pk}/run/")
    assert page.input_value("#parameter-path") == "../away.txt"
    page.click(".panel button[type=submit]")
    page.wait_for_url("**/execution/*/change/")
    expect(page.locator("#state .state-failed")).to_be_visible(timeout=3 * REFRESHED)
    expect(page.locator(".error .said")).to_contain_text("../away.txt")
    expect(page.locator(".error pre")).to_contain_text("Traceback (most recent call last)")
    expect(page.locator(".error header code")).to_contain_text("ScratchRefused")
    failed = Execution.objects.get()
    await_(
        lambda: Notice.objects.exclude(state__in=("pending", "sending")).exists(), what="the notice is tried"
    )
    page.goto(page.url.split("/execution/")[0] + "/notice/")
    notice = page.locator("#result_list tbody tr", has=page.locator(f'a[href*="/execution/{failed.pk}/"]'))
    expect(notice).to_contain_text("JOBSITE_EMAIL_URL")  # what hinders it, in so many words

    page.goto(page.url.split("/notice/")[0] + f"/task/{task.pk}/change/")
    page.fill("#parameter-path", "kept.txt")
    page.click("[name=_continue]")
    page.wait_for_load_state()
    page.click(f'[formaction$="/tasks/{task.pk}/run/"]')
    second = await_(lambda: Execution.objects.filter(state="succeeded").first(), what="it succeeds")
    assert (second.parameters, second.task_version) == ({"path": "kept.txt"}, 2)
    assert (nodes.scratch / "kept.txt").read_text() == f"{second.pk} 1\n"

    page.click(f'a[href$="/task/{task.pk}/history/"]')
    page.click(".versions a[href*='from=1']")
    difference = page.locator(".compared .changes")
    expect(difference).to_contain_text("../away.txt")
    expect(difference).to_contain_text("kept.txt")
    page.click(".rollback button")
    page.wait_for_load_state()
    task.refresh_from_db()
    assert (task.version, task.parameters) == (3, {"path": "../away.txt"})
