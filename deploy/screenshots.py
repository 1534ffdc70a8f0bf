#!/usr/bin/env python3
"""Takes the pictures of docs/pictures/ from a fresh installation with made-up data: ``python deploy/screenshots.py``.

Starts web and scheduler on a database of their own in a temporary folder, and removes it all at the end.
``--languages en`` takes those of one language alone. Needs Chromium, and fonts-noto-cjk for Chinese.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
NAME, PASSWORD = "anna", "correct horse battery"  # of a database that lives for two minutes
LOCALES = {"en": "en-GB", "zh": "zh-CN"}
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]
#: Of one picture, in bytes: a repository is not for large ones.
MOST_BYTES = 200_000


class Site:
    """A running installation, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.environment = os.environ | {
            "JOBSITE_VAR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'jobsite.sqlite3'}",
            "JOBSITE_TASK_TIME_ZONE": "Europe/Berlin",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
            "PYTHONUNBUFFERED": "1",
        }
        self.address = ""

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.manage(*arguments, "--json").splitlines()]

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [sys.executable, "manage.py", "start", "--port", "0"]
        program = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True)
        try:
            for line in program.stdout or ():
                if "http://" in line:
                    self.address = line.split("http://")[1].split("/")[0]
                    break
            else:
                raise SystemExit("manage.py start ended.")
            yield
        finally:
            program.send_signal(signal.SIGINT)
            program.wait(60)


def log_in(browser: Browser, site: Site, language: str, scheme: Any, viewport: Any) -> Page:
    window = browser.new_context(
        locale=LOCALES[language], color_scheme=scheme, viewport=viewport, timezone_id="Europe/Berlin"
    )
    page = window.new_page()
    page.goto(f"http://{site.address}/admin/login/?next=/admin/")
    page.fill("#id_username", NAME)
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url("**/admin/")
    return page


def start_long_run(page: Page, site: Site, key: str, steps: str) -> str:
    """By the page for running with parameters; returns the address of the execution's page."""
    page.goto(f"http://{site.address}/admin/scheduling/task/?q={key}")
    page.locator("#result_list tbody a[href$='/run/']").first.click()
    page.fill("#parameter-steps", steps)
    page.click(".panel button[type=submit]")
    page.wait_for_url("**/execution/*/change/**")
    page.locator("#log .line").nth(8).wait_for(timeout=60_000)
    return page.url


def addresses_of(page: Page, site: Site) -> dict[str, str]:
    """What is to be seen, by the names of the pictures."""
    admin = f"http://{site.address}/admin"
    running = start_long_run(page, site, "demo.backup-orders", "400")
    start_long_run(page, site, "demo.refresh-reports", "300")
    failed = site.rows("list_executions", "--state", "failed", "--task", "demo.export-ledger", "--limit", "1")
    page.goto(f"{admin}/scheduling/task/?q=demo.refresh-reports")
    task = page.locator("#result_list tbody th a").first.get_attribute("href")
    page.goto(f"{admin}/instances/instance/?q=demo.reports")
    instance = page.locator("#result_list tbody th a").first.get_attribute("href")
    return {
        "home": f"{admin}/",
        "board": f"http://{site.address}/scheduler/",
        "tasks": f"{admin}/scheduling/task/",
        "task-form": f"http://{site.address}{task}",
        "execution-running": running,
        "execution-failed": f"{admin}/scheduling/execution/{failed[0]['id']}/change/",
        "executions": f"{admin}/scheduling/execution/",
        "nodes": f"{admin}/scheduling/node/",
        "instance": f"http://{site.address}{instance}",
        "fleet": f"{admin}/instances/instance/fleet/",
    }


def take(page: Page, address: str, name: str) -> None:
    page.goto(address)
    if "task-form" in name:
        page.locator("[data-preview] .runs li").nth(9).wait_for()
        page.locator("[data-preview]").scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    file = PICTURES / f"{name}.png"
    page.screenshot(path=file)
    if file.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{file.name} is larger than {MOST_BYTES} bytes.")


def take_all(browser: Browser, site: Site, languages: list[str]) -> None:
    addresses = addresses_of(log_in(browser, site, "en", "light", DESKTOP), site)
    for language in languages:
        for scheme in ("light", "dark"):
            page = log_in(browser, site, language, scheme, DESKTOP)
            for name, address in addresses.items():
                take(page, address, f"{name}-{language}-{scheme}")
            page.set_viewport_size(PHONE)
            for name in ("home", "execution-running"):
                take(page, addresses[name], f"{name}-phone-{language}-{scheme}")
            page.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--languages", nargs="+", choices=sorted(LOCALES), default=sorted(LOCALES))
    languages = parser.parse_args().languages
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is not installed (apt-get install chromium fonts-noto-cjk).")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        with site.running():
            site.manage("createsuperuser", "--noinput", "--username", NAME, "--email", "")
            site.manage("demo")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                take_all(browser, site, languages)
                browser.close()


if __name__ == "__main__":
    main()
