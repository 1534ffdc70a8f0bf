"""What the tests share: a clock that stands still until it is moved, tasks, and scheduler processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.db.models import Count
from django.test import TransactionTestCase
from django.utils import translation

from jobsite import belief
from scheduling import clock as clocks
from scheduling.models import Execution, Task
from scheduling.services import health, tasks
from scheduling.services.actor import Actor
from scheduling.services.plans import plans
from tests.emptying import Emptying

ROOT = Path(__file__).resolve().parent.parent
TESTER = Actor(source="command", reason="a test")


@pytest.fixture(autouse=True)
def _forget_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process believes for a while is not to be believed by the next test, nor by its pages."""
    plans.forget()
    health.unserved.forget()
    monkeypatch.setattr(belief, "TIMES", 0.0)


ONCE = "touches no database: it runs with SQLite's tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is not let into the database cannot depend on which one it is: once is enough."""
    if connection.vendor == "sqlite":
        return
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("django_db") is None and not fixtures & {"db", "transactional_db"}:
            item.add_marker(pytest.mark.skip(reason=ONCE))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[Emptying]:
    """Gives what empties the database, for those who leave something in it for longer than a test.

    On PostgreSQL no commit of the tests waits for the disk: that outlives any death but the server's own.

    Nor does it remove a database that a thread or a process which is just ending is still connected to.
    """
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                name = connection.ops.quote_name(connection.settings_dict["NAME"])
                cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
            connection.close()
        emptying = Emptying()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _test: emptying.empty())
        yield emptying
    if connection.vendor == "postgresql":
        connection.close()  # a test may have had it ended by the server
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """A million rounds are half a second for each account; one of few rounds is read by any process all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1)
        yield


@pytest.fixture(autouse=True)
def _in_english() -> None:
    """A page that was asked for in another language leaves its thread in it."""
    translation.activate("en")


@pytest.fixture
def clock() -> Iterator[clocks.SettableClock]:
    """A Monday, 12:00 UTC; ``clock.move(seconds=…)``."""
    with clocks.use(clocks.SettableClock(datetime(2026, 6, 1, 12, 0, tzinfo=UTC))) as settable:
        yield settable


def new_task(key: str = "task", **values: Any) -> Task:
    """An unsaved task: every minute in UTC, doing nothing, unless said otherwise."""
    every_minute = {"trigger": "cron", "trigger_params": {"expression": "* * * * *"}}
    return Task(**{"key": key, "name": key, "function": "noop", "time_zone": "UTC"} | every_minute | values)


@pytest.fixture
def make_task(db: None) -> Callable[..., Task]:
    """``make_task("key", **fields)`` stores a task through the service."""

    def make(key: str = "task", **values: Any) -> Task:
        return tasks.create(new_task(key, **values), actor=TESTER)

    return make


def await_(condition: Callable[[], Any], seconds: float = 30, what: str = "") -> Any:
    """Waits until the condition gives something true, and returns that; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            pytest.fail(f"still not true after {seconds} s: {what or condition}")
        time.sleep(0.05)
    return found


def database_url() -> str:
    """The tests' own database, for processes that join them."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    scheme = {"postgresql": "postgres", "mysql": "mysql"}[connection.vendor]
    login = quote(values["USER"], safe="") + (
        f":{quote(values['PASSWORD'], safe='')}" if values["PASSWORD"] else ""
    )
    port = f":{values['PORT']}" if values["PORT"] else ""
    return f"{scheme}://{login}@{values['HOST']}{port}/{quote(values['NAME'], safe='')}"


@dataclass
class NodeProcess:
    """A ``runapscheduler`` process on the tests' database."""

    process: subprocess.Popen[bytes]
    log: Path
    asked: bool = False

    def ask_to_stop(self) -> None:
        """Once: a second signal would end it at once."""
        if not self.asked and self.process.poll() is None:
            self.asked = True
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def stop(self, seconds: float = 60) -> int:
        """Asks it to stop; returns its exit code."""
        self.ask_to_stop()
        return self.process.wait(seconds)

    def said(self) -> str:
        return self.log.read_text()


@dataclass
class Nodes:
    """Starts scheduler processes; all are ended after the test, whatever happens."""

    folder: Path
    started: list[NodeProcess] = field(default_factory=list)

    @property
    def scratch(self) -> Path:
        """Where ``append_line`` may write in these processes."""
        path = self.folder / "scratch"
        path.mkdir(exist_ok=True)
        return path

    def environment(self, **more: str) -> dict[str, str]:
        return (
            os.environ
            | {
                "DATABASE_URL": database_url(),
                "JOBSITE_VAR": str(self.folder / "var"),
                "JOBSITE_SCRATCH": str(self.scratch),
                "SECRET_KEY": settings.SECRET_KEY,
                "PYTHONUNBUFFERED": "1",
            }
            | more
        )

    def start(self, *arguments: str, **environment: str) -> NodeProcess:
        log = self.folder / f"node{len(self.started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "runapscheduler", *arguments],
                cwd=ROOT,
                env=self.environment(**environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        node = NodeProcess(process, log)
        self.started.append(node)
        return node

    def start_ready(self, *arguments: str, **environment: str) -> NodeProcess:
        """Starts one and waits until it works."""
        node = self.start(*arguments, **environment)
        await_(
            lambda: "scheduler started" in node.said() or node.process.poll() is not None, what="node starts"
        )
        assert node.process.poll() is None, node.said()
        return node

    def tell(self) -> None:
        """Prints how the executions stand, and what each process has said and does."""
        states = Execution.objects.order_by().values_list("state", "reason", "attempt")
        print("executions:", *states.annotate(number=Count("id")))
        for number, node in enumerate(self.started):
            if node.process.poll() is None:
                node.process.send_signal(signal.SIGUSR1)
                end = time.monotonic() + 5
                while "Current thread" not in node.said() and time.monotonic() < end:
                    time.sleep(0.05)
            print(f"--- node {number}, exit code {node.process.poll()}:\n{node.said()}")


@pytest.fixture
def nodes(transactional_db: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    running = Nodes(tmp_path)
    failed = request.session.testsfailed
    yield running
    if request.session.testsfailed > failed:
        running.tell()
    for node in running.started:
        if node.process.poll() is None:
            node.kill()


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.fixture
def no_database() -> None:
    """For tests that are let into the database and have no use for it: they run beside SQLite's only."""
    if connection.vendor != "sqlite":
        pytest.skip(ONCE)
