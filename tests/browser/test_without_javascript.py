"""What is essential works without JavaScript: run, pause, and a task from a raw expression."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from scheduling.models import Execution, Task
from tests.browser.conftest import Person


def test_a_task_is_made_run_and_paused(person: Callable[..., Person]) -> None:
    page = person(java_script_enabled=False).visit("/admin/scheduling/task/add/")
    page.fill("#id_name", "Plain")
    page.fill("#id_key", "plain")
    page.select_option("#id_function", "echo")
    page.fill("#id_parameters", '{"values": [1, 2]}')
    page.fill("#id_trigger_params", "*/5 3 * * 1")
    page.click("[name=_save]")
    page.wait_for_url("**/task/")
    task = Task.objects.get()
    assert (task.trigger_params, task.parameters) == ({"expression": "*/5 3 * * 1"}, {"values": [1, 2]})

    run = f'[formaction$="/tasks/{task.pk}/run/"]'
    pause = f'[formaction$="/tasks/{task.pk}/pause/"]'
    page.click(run)
    expect(page.locator(f'a[href*="/execution/{Execution.objects.get().pk}/"]').first).to_be_visible()
    page.goto(page.url.split("/admin/")[0] + "/scheduler/")
    page.click(pause)
    page.wait_for_url("**/scheduler/")
    task.refresh_from_db()
    assert task.paused
    page.click(f'[formaction$="/tasks/{task.pk}/resume/"]')
    task.refresh_from_db()
    assert not task.paused
