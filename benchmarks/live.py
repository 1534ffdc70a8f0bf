"""What open live pages cost the others: 100 of them, polled as static/js/poll.js does, on one web process of 8 threads.

Rounds with and without the open pages take turns; the figure is the median of ordinary pages, asked one after the
other. Works on the database that benchmarks/history.py has filled; a scheduler runs beside, so that there is news.
"""

from __future__ import annotations

import argparse
import html
import http.client
import multiprocessing
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import contest

LEAST, MOST = 2.0, 10.0
THREADS = 8
MORE_MS = 20
#: Pages that people keep open, and what else they look at meanwhile.
OPEN = ("/admin/", "/scheduler/", "/admin/")
OTHERS = (
    "/admin/scheduling/execution/",
    "/admin/scheduling/node/",
    "/admin/scheduling/group/",
    "/admin/password_change/",
)


@dataclass
class Browser:
    """One connection that is logged in."""

    port: int
    session: str
    connection: http.client.HTTPConnection | None = field(default=None)

    def get(self, address: str) -> tuple[int, str, str]:
        """Status, text, and the cursor of a live part."""
        headers = {"Host": "localhost", "Cookie": f"sessionid={self.session}", "X-Requested-With": "fetch"}
        for attempt in (1, 2):
            self.connection = self.connection or http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=60
            )
            try:
                self.connection.request("GET", address, headers=headers)
                answer = self.connection.getresponse()
                text = answer.read().decode(errors="replace")
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    raise
            else:
                break  # the server lets go of a connection that says nothing for a while: then once more
        return answer.status, text, answer.headers.get("X-Cursor", "")


def live_parts(text: str) -> list[tuple[str, str]]:
    """The address and the cursor of each live part of a page."""
    found = []
    for tag in re.findall(r"<[^>]*\bdata-live=[^>]*>", text):
        address = re.search(r'data-live="([^"]*)"', tag)
        cursor = re.search(r'data-cursor="([^"]*)"', tag)
        if address and "data-ended" not in tag:
            found.append((html.unescape(address[1]), html.unescape(cursor[1]) if cursor else ""))
    return found


def keep_open(port: int, session: str, address: str, end: float, told: list[int]) -> None:
    """One open page: asks for each of its live parts, as the script in the page would."""
    browser = Browser(port, session)
    time.sleep(random.random() * LEAST)
    status, text, _cursor = browser.get(address)
    parts = [[target, cursor, LEAST, time.monotonic() + LEAST] for target, cursor in live_parts(text)]
    if status != 200 or not parts:
        raise SystemExit(f"{address}: {status}, {len(parts)} live parts")
    while (now := time.monotonic()) < end:
        for part in parts:
            if part[3] <= now:
                target, cursor, wait = str(part[0]), str(part[1]), float(part[2])
                glue = "&" if "?" in target else "?"
                status, _text, cursor_now = browser.get(f"{target}{glue}{urlencode({'cursor': cursor})}")
                told[0 if status == 200 else 1 if status == 204 else 2] += 1
                part[1] = cursor_now or cursor
                part[2] = LEAST if status == 200 else min(wait * 1.5, MOST)
                part[3] = time.monotonic() + float(part[2])
        time.sleep(
            max(
                0.0,
                min(min(float(part[3]) for part in parts) - time.monotonic(), end - time.monotonic(), 0.5),
            )
        )


def open_pages(
    port: int, session: str, number: int, seconds: float, answers: multiprocessing.Queue[list[int]]
) -> None:
    """In a process of its own: so many open pages for so long."""
    told, end = [0, 0, 0], time.monotonic() + seconds
    pages = [
        threading.Thread(target=keep_open, args=(port, session, OPEN[at % len(OPEN)], end, told))
        for at in range(number)
    ]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    answers.put(told)


def measure(port: int, session: str, seconds: float) -> list[float]:
    """Milliseconds of ordinary pages, one after the other, with a breath between them."""
    browser, taken, end = Browser(port, session), [], time.monotonic() + seconds
    while time.monotonic() < end:
        for address in OTHERS:
            began = time.perf_counter()
            status, _text, _cursor = browser.get(address)
            taken.append((time.perf_counter() - began) * 1000)
            if status != 200:
                raise SystemExit(f"{address}: {status}")
            time.sleep(0.05)
    return taken


def log_in() -> str:
    """A session of a superuser."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    users = get_user_model()._default_manager
    user = users.filter(username="benchmark").first() or users.create_superuser("benchmark", password=None)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return str(client.cookies["sessionid"].value)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=contest.ROOT, stdout=log.open("wb"), stderr=subprocess.STDOUT, env=os.environ
    )


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the web process did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30, help="of each half of a round")
    parser.add_argument("--no-scheduler", action="store_true")
    options = parser.parse_args()
    contest.set_up(wipes=False)
    from django.db import connection, connections

    session, port = log_in(), free_port()
    vendor = connection.vendor
    connections.close_all()
    with tempfile.TemporaryDirectory() as folder:
        web = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", str(THREADS)]
        running = [start([*web, "--no-control-socket", "jobsite.wsgi:application"], Path(folder) / "web.log")]
        if not options.no_scheduler:
            running.append(
                start([sys.executable, "manage.py", "runapscheduler"], Path(folder) / "scheduler.log")
            )
        try:
            await_port(port, running[0])
            measure(port, session, 3)  # warms up
            alone: list[float] = []
            beside: list[float] = []
            told = [0, 0, 0]
            for _ in range(options.rounds):
                alone += measure(port, session, options.seconds)
                answers: multiprocessing.Queue[list[int]] = multiprocessing.Queue()
                arguments = (port, session, options.pages, options.seconds + 5, answers)
                process = multiprocessing.Process(target=open_pages, args=arguments)
                process.start()
                time.sleep(4)  # until all are open
                beside += measure(port, session, options.seconds)
                told = [sum(pair) for pair in zip(told, answers.get(timeout=120), strict=True)]
                process.join(60)
        finally:
            for each in running:
                each.terminate()
            for each in running:
                each.wait(60)
    report(vendor, options.pages, alone, beside, told)


def report(vendor: str, pages: int, alone: list[float], beside: list[float], told: list[int]) -> None:
    new, same, faults = told
    print(
        f"{vendor}, {pages} open pages, {THREADS} threads: {new} new parts, {same} times nothing, {faults} faults"
    )
    for name, taken in (("without", alone), ("with", beside)):
        p95 = statistics.quantiles(taken, n=20)[-1]
        print(
            f"  {name:<8} {len(taken):>5} pages  median {statistics.median(taken):>6.1f} ms  p95 {p95:>6.1f} ms"
        )
    more = statistics.median(beside) - statistics.median(alone)
    print(f"  median with, less without: {more:+.1f} ms (at most {MORE_MS} ms more)")
    sys.exit(more > MORE_MS or bool(told[2]))


if __name__ == "__main__":
    main()
