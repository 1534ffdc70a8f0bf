"""Parts of pages that live: what they say while they ask or nobody answers, and when they rest. Buttons at work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.signals import request_started
from playwright.sync_api import Page, Route, expect

from instances.models import Instance
from instances.services import sessions
from scheduling import clock
from scheduling.models import Execution, Task
from scheduling.services import tasks
from scheduling.services.actor import SYSTEM
from tests.browser.conftest import Person
from tests.conftest import TESTER, new_task
from tests.scheduling.views.conftest import new_node

CARDS = "**/scheduler/cards/**"
#: A page shows what has changed after 10 s at the latest; a loaded machine gets as long again.
REFRESHED = 20_000
#: What Playwright's clock knows nothing of: whether somebody looks at the tab.
LOOKED_AT = """looked => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => !looked });
    document.dispatchEvent(new Event("visibilitychange"));
}"""

#: While a form is on its way: says how its button is, and sends it once more.
PRESSED_AGAIN = """place => {
    const button = document.querySelector(place);
    button.form.addEventListener("submit", () => setTimeout(() => {
        const how = `${button.ariaBusy} ${button.disabled}`;
        button.form.requestSubmit();
        console.log(`pressed again: ${how}`);
    }, 50), { once: true });
}"""


@pytest.fixture
def task(transactional_db: None) -> Task:
    return tasks.create(new_task("nightly", trigger_params={"expression": "0 3 1 1 *"}), actor=TESTER)


def ask_now(page: Page) -> None:
    page.evaluate("document.getElementById('cards').dispatchEvent(new Event('jobsite:refresh'))")


class Line:
    """The way to the server: open, cut, or answering with a fault; or it keeps what is asked until told."""

    def __init__(self, page: Page, pattern: str, method: str = "GET") -> None:
        self.state = "open"
        self.method = method
        self.kept: list[Route] = []
        self.asked = 0
        page.route(pattern, self._passes)

    def _passes(self, route: Route) -> None:
        if route.request.method != self.method:
            route.continue_()
            return
        self.asked += 1
        if self.state == "cut":
            route.abort("internetdisconnected")
        elif self.state == "broken":
            route.fulfill(status=500, body="no")
        elif self.state == "slow":
            self.kept.append(route)
        else:
            route.continue_()

    def let_go(self) -> None:
        self.state = "open"
        for route in self.kept:
            route.continue_()
        self.kept.clear()


def test_the_board_says_that_it_asks_and_that_nobody_answers(
    task: Task, person: Callable[..., Person]
) -> None:
    """S3-59: what was there stays, with its age, and is made new when the server is back."""
    somebody = person()
    page = somebody.visit("/scheduler/")
    line = Line(page, CARDS)
    away, cards, age = page.locator("#away"), page.locator("#cards"), page.locator("[data-age-of=cards]")
    expect(away).to_be_hidden()

    line.state = "slow"
    ask_now(page)
    expect(cards).to_have_attribute("aria-busy", "true")
    expect(cards.locator(".card")).to_have_count(1)
    line.let_go()
    expect(cards).not_to_have_attribute("aria-busy", "true")

    for fault in ("broken", "cut"):
        line.state = fault
        ask_now(page)
        expect(away).to_be_visible()
        expect(cards).to_have_attribute("data-stale", "")
        expect(cards.locator(".card")).to_have_count(1)
        before = age.inner_text()
        expect(age).not_to_have_text(before)
        assert not somebody.barriers(["color-contrast"])
    tasks.pause(task.pk, actor=TESTER)
    line.state = "open"
    expect(away).to_be_hidden(timeout=REFRESHED)  # by itself
    expect(cards.locator(".state-paused").first).to_be_visible()
    expect(cards).not_to_have_attribute("data-stale", "")
    assert somebody.faults, "the browser itself has complained"
    assert all("Failed to load resource" in fault for fault in somebody.faults), somebody.faults
    somebody.faults.clear()


def test_what_lives_rests_while_nobody_looks_and_catches_up(
    task: Task, person: Callable[..., Person]
) -> None:
    """S3-68, S3-84: no question from a hidden tab; who looks again and again asks every 5 s at most."""
    somebody = person()
    somebody.page.clock.install()
    page = somebody.visit("/scheduler/")
    line = Line(page, CARDS)

    def passes(seconds: float) -> None:
        """In steps, so that each question is answered on the way."""
        for _step in range(round(seconds * 2)):
            page.clock.run_for(500)
            expect(page.locator("#cards")).not_to_have_attribute("aria-busy", "true")

    passes(12)
    assert line.asked > 1, "it lives"
    page.evaluate(LOOKED_AT, False)
    before = line.asked
    passes(120)
    assert line.asked == before, "it rests"
    tasks.pause(task.pk, actor=TESTER)
    page.evaluate(LOOKED_AT, True)
    passes(0.5)
    expect(page.locator("#cards .state-paused").first).to_be_visible()
    assert line.asked == before + 1, "it asks at once"
    for _glance in range(10):
        page.evaluate(LOOKED_AT, False)
        page.evaluate(LOOKED_AT, True)
    passes(3)
    assert line.asked == before + 1, "what is that fresh is not asked for again"
    passes(3)
    assert line.asked == before + 2


def test_many_acts_in_a_row_ask_once_and_once_more(task: Task, person: Callable[..., Person]) -> None:
    somebody = person()
    somebody.page.clock.install()
    page = somebody.visit("/scheduler/")
    line = Line(page, CARDS)
    line.state = "slow"
    for _act in range(10):
        ask_now(page)
        page.clock.run_for(1_100)
    page.wait_for_function("document.getElementById('cards').ariaBusy === 'true'")
    assert line.asked == 1, "one part never asks twice at the same time"
    with page.expect_request(CARDS):
        line.let_go()
        page.clock.run_for(1_000)
    expect(page.locator("#cards")).not_to_have_attribute("aria-busy", "true")
    assert line.asked == 2, "an answer that was on its way may be older than the last act"


def test_cards_follow_a_run_to_its_end(task: Task, person: Callable[..., Person]) -> None:
    """S3-69: on the page as it is, with the focus where it was."""
    page = person().visit("/scheduler/")
    page.evaluate("window.stillTheSamePage = true")
    card = page.locator(".card")
    execution = tasks.run_now(task.pk, actor=TESTER)
    row = Execution.objects.filter(pk=execution.pk)
    row.update(state="running", started_at=clock.now(), attempt=1, node=new_node())
    expect(card.locator(".state.state-running")).to_be_visible(timeout=REFRESHED)
    page.focus(f"#run-{task.pk}")
    row.update(state="failed", reason="exception", finished_at=clock.now(), run_ms=1_250)
    expect(card.locator("dd .state-failed")).to_be_visible(timeout=REFRESHED)
    expect(card.locator(".state.state-running")).to_have_count(0)
    expect(page.locator(".counter.bad b")).to_have_text("1")
    expect(page.locator(f"#run-{task.pk}")).to_be_focused()
    assert page.evaluate("window.stillTheSamePage")


def test_a_button_of_the_board_is_pressed_once(task: Task, person: Callable[..., Person]) -> None:
    """S4-31: it says that it works, and takes no second press."""
    page = person().visit("/scheduler/")
    line = Line(page, "**/tasks/*/pause/", "POST")
    line.state = "slow"
    button = page.locator(f"#pause-{task.pk}")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-busy", "true")
    expect(button).to_be_disabled()
    page.keyboard.press("Enter")
    button.dispatch_event("click")
    line.let_go()
    expect(page.locator(f"#pause-{task.pk}[data-verb=resume]")).to_be_enabled()
    expect(page.locator(f"#pause-{task.pk}")).to_be_focused()
    assert line.asked == 1
    task.refresh_from_db()
    assert (task.paused, task.versions.count()) == (True, 2)


def test_a_form_is_sent_once(task: Task, person: Callable[..., Person]) -> None:
    page = person().visit(f"/admin/scheduling/task/{task.pk}/run/")
    line = Line(page, "**/task/*/run/", "POST")
    line.state = "slow"
    page.evaluate(PRESSED_AGAIN, ".panel button[type=submit]")
    # Whatever else Playwright asks of a page that is being left waits for the next one.
    with page.expect_console_message(lambda message: "pressed again" in message.text) as told:
        page.locator(".panel button[type=submit]").click(no_wait_after=True)
    assert told.value.text == "pressed again: true true"
    line.let_go()
    page.wait_for_url("**/execution/**")
    assert line.asked == 1
    assert Execution.objects.count() == 1


def test_the_pressed_button_of_a_form_is_sent_with_it(task: Task, person: Callable[..., Person]) -> None:
    page = person().visit(f"/admin/scheduling/task/{task.pk}/change/")
    page.fill("#id_name", "Renamed")
    page.click("[name=_continue]")
    page.wait_for_url(f"**/task/{task.pk}/change/")
    task.refresh_from_db()
    assert task.name == "Renamed"
    expect(page.locator("[name=_continue]")).to_be_enabled()


@pytest.fixture
def asked_of_server() -> Iterator[list[str]]:
    """The addresses that reached the web process."""
    heard: list[str] = []

    def hear(environ: dict[str, Any], **_more: Any) -> None:
        heard.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")

    request_started.connect(hear)
    yield heard
    request_started.disconnect(hear)


def test_fields_of_functions_are_kept_for_five_minutes(
    person: Callable[..., Person], asked_of_server: list[str]
) -> None:
    """S3-86: who goes back and forth between two functions asks once for each."""
    page = person().visit("/admin/scheduling/task/add/")
    fields = page.locator("[data-fields]")
    for _turn in range(3):
        page.select_option("#id_function", "cleanup_old_logs")
        expect(fields.locator('[data-parameter="keep_days"]')).to_be_visible()
        page.select_option("#id_function", "sleep")
        expect(fields.locator('[data-parameter="seconds"]')).to_be_visible()
    asked = [address for address in asked_of_server if "function=" in address]
    assert len(asked) == 2, asked


def test_the_button_of_a_queue_stands_beside_its_reason(task: Task, person: Callable[..., Person]) -> None:
    page = person(locale="zh-CN").visit("/scheduler/queues/")
    reason, button = (
        page.locator("input[name=reason]").first,
        page.locator("input[name=reason] + button").first,
    )
    above, beside = reason.bounding_box(), button.bounding_box()
    assert above is not None
    assert beside is not None
    assert abs((above["y"] + above["height"] / 2) - (beside["y"] + beside["height"] / 2)) < 4


def test_a_collection_is_followed_and_its_page_made_new_at_the_end(person: Callable[..., Person]) -> None:
    """It says its age in whole words, and what can be done changes with its end."""
    now = clock.now()
    place = {"dialect": "sqlite", "database": "/nowhere.sqlite3"}
    instance = Instance.objects.create(name="files", created_at=now, updated_at=now, **place)
    session = sessions.create("size", "manual_batch", [instance], actor=SYSTEM)
    page = person().visit(f"/admin/instances/syncsession/{session.pk}/change/")
    age = page.locator("[data-age-of=session]")
    expect(age).to_have_text(re.compile(r"^(now|\d+ seconds? ago)$"))
    cancel = page.get_by_role("button", name="Cancel what has not begun")
    expect(cancel).to_be_visible()
    sessions.finish(session, cancelled=True)
    expect(cancel).to_have_count(0, timeout=REFRESHED)
    expect(age).to_have_count(0)


def test_each_part_of_the_first_page_says_how_old_it_is(task: Task, person: Callable[..., Person]) -> None:
    page = person().visit("/admin/")
    for part in ("now", "days"):
        expect(page.locator(f"[data-age-of={part}]")).to_have_text(re.compile(r"^(now|\d+ seconds? ago)$"))


def test_the_switch_of_a_task_asks_before_it_cancels(task: Task, person: Callable[..., Person]) -> None:
    somebody = person()
    page = somebody.visit("/admin/scheduling/task/")
    dialog, switch = page.locator("#confirm"), page.get_by_role("switch")
    switch.click()
    expect(dialog).to_contain_text("what is queued or waits of it is cancelled")
    assert not somebody.barriers()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    somebody.tab_to("[role=switch]")
    page.keyboard.press("Space")
    dialog.get_by_role("button", name="Disable").click()
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()  # which ends nothing: no question
    expect(switch).to_have_attribute("aria-checked", "true")
    task.refresh_from_db()
    assert (task.enabled, task.version) == (True, 3)


def test_who_asks_again_at_once_is_answered(task: Task, person: Callable[..., Person]) -> None:
    """The browser tells later that a dialog was closed: by then the same dialog may be asking again."""
    page = person().visit("/admin/scheduling/task/")
    switch = page.get_by_role("switch")
    switch.click()
    page.evaluate(
        """() => {
            document.getElementById("confirm").close();
            document.querySelector("[role=switch]").click();
        }"""
    )
    page.locator("#confirm").get_by_role("button", name="Disable").click()
    expect(switch).to_have_attribute("aria-checked", "false")
    task.refresh_from_db()
    assert (task.enabled, task.version) == (False, 2)


def test_after_no_answer_a_button_of_the_board_may_be_pressed_again(
    task: Task, person: Callable[..., Person]
) -> None:
    """What was done, and could not be told, is not done twice; once told, the same button does it anew."""
    somebody = person()
    page = somebody.visit("/scheduler/")
    lost: list[int] = []

    def lose(route: Route) -> None:
        """The request arrives; the first answer does not."""
        answer = route.fetch()
        lost.append(answer.status)
        if len(lost) == 1:
            route.abort("connectionreset")
        else:
            route.fulfill(response=answer)

    page.route("**/tasks/*/run/", lose)
    for end, told in (
        ("requestfailed", "The server does not answer"),
        ("requestfinished", "asked to run"),
        ("requestfinished", "asked to run"),
    ):
        page.click(f"#run-{task.pk}")
        with page.expect_event(end, lambda request: request.url.endswith("/run/")):
            page.locator("#confirm [value=yes]").click()
        expect(page.locator(".toast").last).to_contain_text(told)
        expect(page.locator(f"#run-{task.pk}")).to_be_enabled()
    assert lost == [200, 200, 200]
    assert Execution.objects.count() == 2
    somebody.faults.clear()
