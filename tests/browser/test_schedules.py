"""Schedules that are made of parts, calendar rules, and the offers of a crowded minute, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext as _
from playwright.sync_api import Page, expect

from scheduling.models import Task
from scheduling.services import forecast, tasks
from tests.browser.conftest import Person
from tests.browser.test_barriers import look_at
from tests.conftest import TESTER, new_task

ADD = "/admin/scheduling/task/add/"
LANGUAGES = [("en-GB", "en"), ("zh-CN", "zh-hans")]


def params(page: Page) -> Any:
    return json.loads(page.input_value("#id_trigger_params"))


def type_(page: Page, place: str, text: str) -> None:
    """By keyboard alone: into the place, everything replaced."""
    page.locator(place).focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


@pytest.mark.parametrize(("locale", "language"), LANGUAGES)
def test_a_combination_is_made_of_parts_by_keyboard(
    locale: str, language: str, person: Callable[..., Person]
) -> None:
    page = person(locale=locale).visit(ADD)
    page.select_option("#id_trigger", "except")
    base, other = '[data-key="base"] > .parts > .part', '[data-key="except"] > .parts > .part'
    type_(page, f"{base} [data-expression]", "0 9 * * *")
    type_(page, f'{other} [data-box="day_of_week"]', "SUN")
    type_(page, f'{other} [data-box="hour"]', "9")
    assert params(page) == {
        "base": {"trigger": "cron", "params": {"dialect": "unix", "expression": "0 9 * * *"}},
        "except": [{"trigger": "cron", "params": {"dialect": "unix", "expression": "0 9 * * SUN"}}],
    }
    preview = page.locator("[data-preview]")
    with translation.override(language):
        base_words, other_words = (
            task.build_trigger().describe()
            for task in (
                new_task(anchor_at=None, trigger_params={"expression": text})
                for text in ("0 9 * * *", "0 9 * * SUN")
            )
        )
        add, remove = _("Add a schedule"), _("Remove")
    expect(preview).to_contain_text(base_words)
    expect(preview).to_contain_text(other_words)
    expect(preview.locator("ol li")).to_have_count(10)
    # Another exception: an interval, which goes again. The focus stays where the work is.
    page.locator('[data-key="except"] > [data-add-part]').focus()
    assert page.evaluate("document.activeElement.textContent.trim()") == add
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.matches('[data-part-kind]')")
    page.locator(f"{other}:nth-child(2) [data-part-kind]").select_option("interval")
    type_(page, f'{other}:nth-child(2) [data-key="hours"]', "18")
    assert params(page)["except"][1] == {"trigger": "interval", "params": {"hours": 18}}
    drop = page.locator(f"{other}:nth-child(2) [data-drop-part]")
    assert (drop.text_content() or "").strip() == remove
    drop.focus()
    page.keyboard.press("Enter")
    assert len(params(page)["except"]) == 1
    assert page.evaluate("document.activeElement.matches('[data-part-kind]')")
    expect(page.locator(f"{other} [data-drop-part]")).to_be_hidden()  # one there has to be
    # A part may be a combination itself.
    page.locator(f"{base} > .part-head [data-part-kind]").select_option("any_of")
    inner = f'{base} [data-key="triggers"] > .parts > .part'
    expect(page.locator(inner)).to_have_count(2)
    type_(page, f"{inner}:nth-child(1) [data-expression]", "0 9 * * *")
    type_(page, f"{inner}:nth-child(2) [data-expression]", "30 18 * * MON-FRI")
    assert [each["params"]["expression"] for each in params(page)["base"]["params"]["triggers"]] == [
        "0 9 * * *",
        "30 18 * * MON-FRI",
    ]
    expect(preview.locator(".fault")).to_have_count(0)
    # What was said for the kind before is there again.
    page.locator(f"{base} > .part-head [data-part-kind]").select_option("cron")
    assert params(page)["base"]["params"]["expression"] == "0 9 * * *"
    page.fill("#id_name", "Not on Sundays")
    page.fill("#id_key", "weekly")
    page.select_option("#id_function", "noop")
    page.click("[name=_save]")
    page.wait_for_url("**/admin/scheduling/task/")
    task = Task.objects.get(key="weekly")
    assert task.trigger_params["except"][0]["params"]["expression"] == "0 9 * * SUN"
    # Stored, it is shown in its parts; and JSON typed by hand is, too.
    page.goto(page.url + f"{task.pk}/change/")
    assert page.locator(f"{other} [data-expression]").input_value() == "0 9 * * SUN"
    page.click(".schedule summary")
    typed = {
        "base": {"trigger": "interval", "params": {"days": 2}},
        "except": [{"trigger": "date", "params": {}}],
    }
    page.fill("#id_trigger_params", json.dumps(typed))
    assert page.locator(f'{base} [data-key="days"]').input_value() == "2"
    assert page.locator(f"{other} [data-part-kind]").input_value() == "date"


@pytest.mark.parametrize(("locale", "language"), LANGUAGES)
def test_a_calendar_rule_by_preset(locale: str, language: str, person: Callable[..., Person]) -> None:
    page = person(locale=locale).visit(ADD)
    page.select_option("#id_trigger", "rrule")
    with translation.override(language):
        words = _("Last Friday of the month at 18:00")
    page.get_by_role("button", name=words).focus()
    page.keyboard.press("Enter")
    assert params(page)["rule"].startswith("FREQ=MONTHLY;BYDAY=-1FR")
    expect(page.locator("[data-preview] ol li")).to_have_count(10)
    expect(page.locator("[data-preview] .words")).to_contain_text("18:00:00")
    page.select_option("#id_trigger", "interval")
    type_(page, '[data-editor="interval"] [data-key="minutes"]', "5")
    page.check('[data-editor="interval"] [data-key="after_end"]')
    assert params(page) == {"minutes": 5, "after_end": True}


def test_a_crowded_minute_is_left_by_one_click(person: Callable[..., Person], transactional_db: None) -> None:
    for number in range(25):
        tasks.create(new_task(f"at-three-{number}", trigger_params={"expression": "0 3 * * *"}), actor=TESTER)
    forecast.forget()
    page = person().visit(ADD)
    page.fill("#id_key", "one-more")
    page.fill("#id_time_zone", "UTC")
    type_(page, '[data-editor="cron"] [data-expression]', "0 3 * * *")
    preview = page.locator("[data-preview]")
    expect(preview).to_contain_text("is in the same minute as 25 other runs.")
    page.get_by_role("button", name="A minute of its own (H)").click()
    assert params(page)["expression"] == "H 3 * * *"
    expect(preview).not_to_contain_text("in the same minute")
    type_(page, '[data-editor="cron"] [data-expression]', "0 3 * * *")
    free = page.get_by_role("button", name="Minute 1, with 0 others")
    free.focus()
    page.keyboard.press("Enter")
    assert params(page)["expression"] == "1 3 * * *"
    type_(page, '[data-editor="cron"] [data-expression]', "0 3 * * *")
    page.get_by_role("button", name="Spread over 15 minutes").click()
    assert page.input_value("#id_spread_seconds") == "900"
    expect(preview).to_contain_text("later")


@pytest.mark.parametrize(("locale", "language"), LANGUAGES)
def test_the_forecast_by_keyboard(
    locale: str, language: str, person: Callable[..., Person], transactional_db: None
) -> None:
    """One stop of the tab key; arrows go from cell to cell, Enter shows its tasks; no barriers, light or dark."""
    for number in range(12):
        tasks.create(new_task(f"often-{number}", trigger_params={"expression": "*/5 * * * *"}), actor=TESTER)
    forecast.forget()
    somebody = person(locale=locale)
    page = somebody.visit("/scheduler/forecast/")
    assert page.locator('[data-heat] a[tabindex="0"]').count() == 1
    page.locator('[data-heat] a[tabindex="0"]').focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    assert page.locator('[data-heat] a[tabindex="0"]').count() == 1
    cell = page.evaluate("document.activeElement.title")
    assert "12" in cell
    page.keyboard.press("Enter")
    page.wait_for_url("**from=**")
    expect(page.locator("#tasks tbody tr")).to_have_count(12)
    with translation.override(language):
        expect(page.locator("#tasks")).to_contain_text(_("Runs"))
    assert not look_at(somebody, page)
    page.locator("#tasks tbody a").first.click()
    page.wait_for_url("**/admin/scheduling/task/*/change/")
