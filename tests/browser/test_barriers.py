"""axe finds no fault of WCAG A or AA on any page, light or dark, and on a phone nothing is wider than the screen."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, TimeoutError
from pytest_django.live_server_helper import LiveServer

from scheduling import clock
from scheduling.models import Execution, State
from scheduling.services import tasks
from tests.browser.conftest import Person
from tests.conftest import TESTER
from tests.faces.conftest import World, addresses, world  # noqa: F401  (a fixture: pytest finds it by its name)

#: What a person looks at: no parts of pages, no files, nothing that takes a POST alone or only passes on. Django's own
#: history and bare index pages are led to from nowhere.
PAGES = re.compile(
    r"^/admin/(password_change/|time-zone/)?$|^/scheduler/((doctor|forecast|queues|reload)/)?$|^/api/v1/docs/$"
    r"|^/admin/\w+/\w+/((add|fleet|import|partitions|run|templates|templates/[^/]+|who-can)/)?$"
    r"|^/admin/\w+/\w+/[^/]+/(change|clone|dependencies|edit|explain|password|run)/$"
    r"|^/admin/scheduling/task/\d+/history/$"
    # One question for all kinds of rows, and one that also says what breaks.
    r"|^/admin/(instances/tag|scheduling/task)/\d+/delete/$"
)
#: Those that are looked at in Chinese too: texts differ there, not how pages are made.
CHINESE = re.compile(
    r"^/admin/$|^/scheduler/((doctor|forecast)/)?$|^/admin/instances/instance/(fleet/)?$"
    r"|^/admin/scheduling/(task|execution|node)/$"
    r"|^/admin/(scheduling/(task|execution|calendar)|instances/(instance|instanceaccount))/[^/]+/change/$"
)
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
#: In dark mode colours alone differ.
COLOURS = ["color-contrast", "link-in-text-block"]

TOO_WIDE = """() => {
    const width = document.documentElement.clientWidth;
    const page = document.scrollingElement;
    const edge = (e) => Math.round(e.getBoundingClientRect().right);
    const wide = [...document.querySelectorAll("body *")].filter((e) => edge(e) > width + 1);
    const names = wide.slice(0, 5).map((e) => `${e.tagName}.${e.className} ${edge(e)}`);
    return page.scrollWidth > width ? `${page.scrollWidth} px wide on a screen of ${width} px: ${names}` : "";
}"""


def look_at(somebody: Person, page: Page, *, dark: bool = True) -> list[str]:
    """Light, dark, and on a phone, without loading the page anew."""
    found = somebody.barriers()
    if dark:
        page.emulate_media(color_scheme="dark")
        page.evaluate("window.Alpine && document.documentElement.classList.add('dark')")  # as its switch does
        found += [f"dark: {fault}" for fault in somebody.barriers(COLOURS)]
    page.set_viewport_size(PHONE)
    try:
        page.wait_for_function(f"!({TOO_WIDE})()", timeout=3_000)  # charts follow a moment later
    except TimeoutError:
        found.append(f"phone: {page.url}: {page.evaluate(TOO_WIDE)}")
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="light")
    return found


def everything_to_see(world: World) -> list[str]:  # noqa: F811
    """The pages of the world's rows; of its execution, also as one that has failed, and one that runs."""
    task = world.rows["scheduling_task"]
    task.description = "edited"
    tasks.edit(task, actor=TESTER)
    now = clock.now()
    failed, runs = (tasks.run_now(task.pk, actor=TESTER, force=True) for _ in range(2))
    common = {"started_at": now, "attempt": 1, "node": world.rows["scheduling_node"]}
    Execution.objects.filter(pk=failed.pk).update(
        state=State.FAILED, reason="exception", error_class="ValueError", message="no", finished_at=now,
        traceback="Traceback (most recent call last):\n  ...", run_ms=5, **common,
    )  # fmt: skip
    Execution.objects.filter(pk=runs.pk).update(
        state=State.RUNNING, progress_done=1, progress_total=3, progress_text="one", **common
    )
    return [
        *(page for page in addresses(world) if PAGES.search(page)),
        *(f"/admin/scheduling/execution/{execution.pk}/change/" for execution in (failed, runs)),
        f"/admin/scheduling/task/{task.pk}/history/?from=1&to=2",
    ]


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_no_page_has_a_barrier(
    locale: str,
    world: World,  # noqa: F811
    person: Callable[..., Person],
) -> None:
    somebody = person(locale=locale)
    found, seen = [], set()
    pages = [path for path in everything_to_see(world) if locale == "en-GB" or CHINESE.search(path)]
    for path in pages:
        page = somebody.page
        answer = page.goto(somebody.site + path)
        if answer is None or answer.status in (403, 404, 405):
            somebody.faults.clear()  # the browser itself complains about those
            continue
        assert answer.status == 200, (path, answer.status)
        if page.url in seen:  # it led to another page
            continue
        seen.add(page.url)
        if "/docs/" in path:  # written by its script
            page.wait_for_selector(".opblock-tag")
        # Colours are the same in every language.
        found += look_at(somebody, page, dark=locale == "en-GB")
    assert len(seen) > (60 if locale == "en-GB" else 12)
    assert not found, "\n".join(found)


def test_nor_have_those_of_strangers_and_of_faults(
    live_server: LiveServer, look: Callable[..., BrowserContext]
) -> None:
    somebody = Person(look().new_page(), live_server.url)
    found = []
    for path, status in (("/admin/login/", 200), ("/nowhere/", 404)):
        answer = somebody.page.goto(live_server.url + path)
        assert answer is not None
        assert answer.status == status
        found += look_at(somebody, somebody.page)
    assert not found, "\n".join(found)
