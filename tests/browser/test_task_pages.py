"""A task in a real browser: its form, whose parts keep in step, and its pages without barriers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from scheduling import clock
from scheduling.models import Execution, Task
from scheduling.services import tasks
from tests.browser.conftest import Person
from tests.conftest import TESTER, new_task
from tests.scheduling.views.conftest import new_execution

TASKS = "/admin/scheduling/task/"
BOXES = ("second", "minute", "hour", "day", "month", "day_of_week", "year")


def boxes(page: Page) -> str:
    return " ".join(page.input_value(f'[data-box="{key}"]') for key in BOXES)


def params(page: Page) -> Any:
    return json.loads(page.input_value("#id_trigger_params"))


def type_(page: Page, place: str, text: str) -> None:
    """By keyboard alone: into the place, everything replaced."""
    page.focus(place)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def test_boxes_expression_and_json_keep_in_step(person: Callable[..., Person]) -> None:
    page = person().visit(f"{TASKS}add/")
    preview = page.locator("[data-preview]")
    page.focus("text=Weekly, Sunday 02:00")
    page.keyboard.press("Enter")
    assert (page.input_value("[data-expression]"), boxes(page)) == ("0 2 * * 0", "0 0 2 * * 0 *")
    assert params(page) == {"dialect": "unix", "expression": "0 2 * * 0"}
    expect(preview).to_contain_text("At 02:00:00, on Sunday")
    expect(preview.locator("li")).to_have_count(10)
    type_(page, '[data-box="minute"]', "*/20")
    assert page.input_value("[data-expression]") == "*/20 2 * * 0"
    type_(page, '[data-box="year"]', "2090")  # unix expressions have no such place
    assert params(page)["year"] == "2090"
    assert "expression" not in params(page)
    type_(page, "[data-expression]", "@daily")
    assert boxes(page) == "0 0 0 * * * *"
    assert params(page)["expression"] == "@daily"
    type_(page, "[data-expression]", "0 2 * * 1-5")
    page.select_option("[data-dialect]", "quartz")  # numbers its weekdays otherwise, and wants a "?"
    assert params(page) == {"dialect": "quartz", "expression": "0 0 2 ? * MON-FRI"}
    type_(page, '[data-box="day"]', "15W")
    assert (boxes(page), page.input_value("[data-expression]")) == (
        "0 0 2 15W * MON-FRI *",
        "0 0 2 15W * MON-FRI",
    )
    type_(page, '[data-box="day_of_week"]', "?")
    expect(preview).to_contain_text("15")
    page.select_option("[data-dialect]", "unix")
    type_(page, "[data-expression]", "61 * * * *")
    expect(preview).to_contain_text("0–59")
    page.click(".schedule summary")
    type_(page, "#id_trigger_params", '{"hour": 3}')
    assert page.input_value("[data-expression]") == "0 3 * * *"
    page.select_option("#id_trigger", "interval")
    type_(page, '[data-key="minutes"]', "90")
    assert params(page) == {"minutes": 90}
    expect(preview).to_contain_text("Every 90 minutes")
    page.select_option("#id_trigger", "date")
    page.fill('[data-key="run_date"]', "2090-03-26T02:30")
    assert params(page) == {"run_date": "2090-03-26T02:30"}
    page.select_option("#id_trigger", "cron")  # what was there before is there again
    assert params(page) == {"hour": 3}


def test_a_task_is_made_corrected_and_run(person: Callable[..., Person]) -> None:
    page = person().visit(f"{TASKS}add/")
    page.fill("#id_name", "Clean up")
    page.fill("#id_key", "clean-up")
    page.select_option("#id_function", "cleanup_old_logs")
    page.fill("#parameter-keep_days", "soon")
    page.fill("#parameter-folders", "/var/log\n/srv/log")
    assert json.loads(page.input_value("#id_parameters")) == {
        "keep_days": "soon",
        "folders": ["/var/log", "/srv/log"],
    }
    page.click("text=Daily at 02:00")
    page.click("[name=_continue]")
    expect(page.locator('[data-parameter="keep_days"]')).to_contain_text("must be an integer")
    page.fill("#parameter-keep_days", "7")
    page.click("[name=_continue]")
    page.wait_for_url("**/change/")
    task = Task.objects.get()
    assert task.parameters == {"keep_days": 7, "folders": ["/var/log", "/srv/log"]}
    page.click("text=Run with parameters")
    assert page.input_value("#parameter-keep_days") == "7"
    page.fill("#parameter-keep_days", "")
    page.click(".panel button:has-text('Run')")
    page.wait_for_url("**/execution/**")
    assert task.executions.get().parameters == {"folders": ["/var/log", "/srv/log"]}


def test_what_a_function_declares_stands_where_nobody_has_typed(person: Callable[..., Person]) -> None:
    """As in YAML and in the API, where what is not said is the function's word."""
    page = person().visit(f"{TASKS}add/")
    timeout, retries = page.locator("#id_timeout_seconds"), page.locator("#id_retries")
    page.select_option("#id_function", "http_request")
    expect(page.locator("[data-declared]")).to_have_text("The function declares: timeout (seconds): 120.")
    expect(timeout).to_have_value("120")
    page.select_option("#id_function", "sleep")
    expect(page.locator('[data-parameter="seconds"]')).to_be_visible()
    expect(timeout).to_have_value("")
    page.evaluate("document.getElementById('id_timeout_seconds').value = '7'")
    page.select_option("#id_function", "http_request")
    expect(page.locator('[data-parameter="url"]')).to_be_visible()
    expect(timeout).to_have_value("7")
    expect(retries).to_have_value("0")


def test_filters_open_by_keyboard(person: Callable[..., Person]) -> None:
    tasks.create(new_task("nightly"), actor=TESTER)
    somebody = person()
    page = somebody.visit(TASKS)
    page.focus("a:has-text('Filters')")
    page.keyboard.press("Enter")
    expect(page.locator("#changelist-filter")).to_contain_text("broken")
    expect(page.locator("#changelist-filter a:has-text('broken')")).to_be_visible()
    assert not somebody.barriers()


def test_all_buttons_of_a_row_are_in_view_on_a_small_laptop(person: Callable[..., Person]) -> None:
    somebody = person(viewport={"width": 1280, "height": 800})
    task = tasks.create(
        new_task(
            "calculate_database_size_aggregations",
            name="Compute sizes by period",
            function="echo",
            parameters={"values": 1},
            trigger_params={"expression": "0 6 * * mon-fri"},
        ),
        actor=TESTER,
    )
    now = clock.now()
    Execution.objects.bulk_create([new_execution(task, "succeeded", now) for _each in range(20)])
    page = somebody.visit(TASKS)
    edge = page.locator("#result_list").evaluate("e => e.parentElement.getBoundingClientRect().right")
    for button in page.locator(".row-verbs > *").all():
        box = button.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] < min(edge, 1_264), "one has to scroll for it"
