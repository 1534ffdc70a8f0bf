"""The board: its buttons ask where it matters, act without leaving the page, and say what came of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from scheduling.models import Execution, Task
from scheduling.services import tasks
from tests.browser.conftest import Person
from tests.conftest import TESTER, new_task


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_a_task_is_run_paused_resumed_and_deleted(locale: str, person: Callable[..., Person]) -> None:
    task = tasks.create(new_task("nightly", trigger_params={"expression": "0 3 1 1 *"}), actor=TESTER)
    page = person(locale=locale).visit("/scheduler/")
    card = page.locator(f'[aria-labelledby="task-{task.pk}"]')
    dialog, toast = page.locator("dialog#confirm"), page.locator("#toasts .toast")

    page.click(f"#run-{task.pk}")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("nightly")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.click(f"#run-{task.pk}")
    page.click("dialog#confirm [value='']")
    assert not Execution.objects.exists(), "who turns back has done nothing"
    page.click(f"#run-{task.pk}")
    page.click("dialog#confirm [value=yes]")
    expect(toast.last).to_be_visible()
    execution = Execution.objects.get()
    expect(toast.last.locator("a")).to_have_attribute(
        "href", f"/admin/scheduling/execution/{execution.pk}/change/"
    )

    page.click(f"#pause-{task.pk}[data-verb=pause]")
    expect(card.locator(".state-paused").first).to_be_visible()
    page.click(f"#pause-{task.pk}[data-verb=resume]")
    expect(card.locator("header .state-enabled")).to_be_visible()
    expect(card.locator(".next")).to_be_visible()

    page.click(f"#delete-{task.pk}")
    page.click("dialog#confirm [value='']")
    expect(card).to_be_visible()
    assert Task.objects.present().exists()
    page.click(f"#delete-{task.pk}")
    page.click("dialog#confirm [value=yes]")
    expect(card).to_have_count(0)
    assert not Task.objects.present().exists()


def test_a_button_is_not_replaced_while_it_is_pressed(person: Callable[..., Person]) -> None:
    """The board is made anew every few seconds: a press in that moment would come to nothing."""
    task = tasks.create(new_task("nightly", trigger_params={"expression": "0 3 1 1 *"}), actor=TESTER)
    page = person().visit("/scheduler/")
    box = page.locator(f"#pause-{task.pk}").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    with page.expect_response(lambda answer: "fresh=1" in answer.url) as answered:
        page.evaluate("""document.getElementById("cards").dispatchEvent(new Event("jobsite:refresh"))""")
    answered.value.finished()
    page.evaluate("new Promise((soon) => setTimeout(soon, 50))")  # in which the page would show it
    page.mouse.up()
    expect(page.locator(f'[aria-labelledby="task-{task.pk}"] .state-paused').first).to_be_visible()


def test_loading_again_says_what_it_would_do_and_does_it(person: Callable[..., Person]) -> None:
    page = person().visit("/scheduler/")
    page.click('a[href$="/scheduler/reload/"]')
    added = int(page.locator(".table td.number").first.inner_text())
    assert added > 0
    assert not Task.objects.exists(), "looking loads nothing"
    page.click("main form button.main, .panel form button.main")
    page.wait_for_url("**/scheduler/**")
    assert Task.objects.present().filter(built_in=True).count() == added
    page.goto(page.url.split("/scheduler/")[0] + "/scheduler/")
    expect(page.locator(".card")).to_have_count(added)
