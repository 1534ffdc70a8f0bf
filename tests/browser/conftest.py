"""A real browser on a real web server: Debian's Chromium, driven by Playwright, never for longer than a bound."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.conftest import await_

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)  # fmt: skip
#: One step of a person, in milliseconds; then the test fails and says which.
STEP = 15_000
#: One test, in seconds; then the program is killed, and the test fails with it.
BOUND = 180
PASSWORD = "correct horse battery"
#: The rules of WCAG 2 at the levels A and AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

if os.environ.get("CI") != "true" and CHROMIUM is None:
    pytest.skip(
        "Chromium is not installed (apt-get install chromium fonts-noto-cjk)", allow_module_level=True
    )


@pytest.fixture(autouse=True)
def _main_ways_on_every_database(request: pytest.FixtureRequest) -> None:
    """Pages look the same whatever database is behind them: only the main ways are gone on each."""
    if connection.vendor != "sqlite" and request.node.get_closest_marker("main_way") is None:
        pytest.skip("looks at pages, not at what the database does: it runs with SQLite's tests")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None and os.environ.get("CI") != "true":
        pytest.skip("Chromium is not installed (apt-get install chromium fonts-noto-cjk)")
    # Playwright keeps an event loop in this thread; Django would take it for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=STEP)
    with sync_playwright() as running:
        yield running
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Chromium:
    """The program, started by us and not by Playwright, so that it can be killed while a call waits for it."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM, "CI needs Chromium"
        self.port_file = folder / "DevToolsActivePort"
        self.process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def address(self) -> str:
        await_(lambda: self.port_file.exists() and self.port_file.read_text().strip(), 60, "Chromium starts")
        return f"http://127.0.0.1:{self.port_file.read_text().split()[0]}"

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
        self.process.wait(10)


@pytest.fixture(scope="module")
def browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = Chromium(tmp_path_factory.mktemp("chromium"))
    bound = threading.Timer(BOUND * 3, program.kill)
    bound.daemon = True
    bound.start()
    try:
        yield playwright.chromium.connect_over_cdp(program.address(), timeout=60_000)
    finally:
        bound.cancel()
        program.kill()


@pytest.fixture
def look(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """``look(locale=…, color_scheme=…, viewport=…)``: a fresh window; the browser's zone is Berlin's."""
    opened: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        defaults = {
            "viewport": {"width": 1440, "height": 900},
            "timezone_id": "Europe/Berlin",
            "locale": "en-GB",
        }
        context = browser.new_context(**{**defaults, **options})
        context.set_default_timeout(STEP)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def account(transactional_db: None) -> Any:
    return get_user_model().objects.create_superuser("anna", password=PASSWORD)


@pytest.fixture
def person(
    live_server: LiveServer, account: Any, look: Callable[..., BrowserContext]
) -> Iterator[Callable[..., Person]]:
    """``person(locale=…)``: somebody who has logged in, in a window of their own."""
    people: list[Person] = []

    def make(**options: Any) -> Person:
        session = Client()
        session.force_login(account, "django.contrib.auth.backends.ModelBackend")
        window = look(**options)
        window.add_cookies(
            [{"name": "sessionid", "value": session.cookies["sessionid"].value, "url": live_server.url}]
        )
        somebody = Person(window.new_page(), live_server.url)
        people.append(somebody)
        return somebody

    yield make
    for somebody in people:
        assert not somebody.faults, somebody.faults


class Person:
    """Somebody at a page. What the page's scripts complain about is a fault of the test that looked."""

    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self.site = site
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "favicon" not in message.text:
            self.faults.append(f"{self.page.url}: {message.text}")

    def visit(self, path: str) -> Page:
        answer = self.page.goto(self.site + path)
        assert answer is not None, path
        assert answer.status == 200, (path, answer.status)
        return self.page

    def tab_to(self, place: str, most: int = 150) -> None:
        """By keyboard alone: presses Tab until the place has the focus."""
        reached = "place => document.activeElement.matches(place)"
        for _press in range(most):
            if self.page.evaluate(reached, place):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{place} is not reached by {most} tabs on {self.page.url}")

    def type_at(self, place: str, text: str) -> None:
        """Goes there by Tab, and types; what stood there is replaced."""
        self.tab_to(place)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def choose_at(self, place: str, value: str, most: int = 60) -> None:
        """Goes to a list by Tab, and down in it until the value is chosen."""
        self.tab_to(place)
        self.page.keyboard.press("Home")
        for _press in range(most):
            if self.page.input_value(place) == value:
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{value} is not reached in {place}")

    def barriers(self, rules: list[str] | None = None) -> list[str]:
        """What axe finds against WCAG A and AA on the page (or these rules), each with the place and the rule."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(Axe().axe_script)
        wanted = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": RULES}
        options = {"runOnly": wanted, "resultTypes": ["violations"]}
        found = self.page.evaluate("options => axe.run(options)", options)
        return [
            f"{self.page.url}: {fault['id']} ({fault['impact']}): {node['target']} {node['failureSummary']}"
            for fault in found["violations"]
            for node in fault["nodes"]
        ]
