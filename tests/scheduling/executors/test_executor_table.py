"""Which executors there are: the table, and the setting for third parties."""

from __future__ import annotations

from typing import Any

import pytest

from scheduling import executors
from scheduling.exceptions import UnknownExecutor
from scheduling.executors.thread import ThreadExecutor


class Mine(ThreadExecutor):
    """A third party's."""


def test_the_thread_executor_ships() -> None:
    assert executors.executor_class("thread") is ThreadExecutor
    assert ("thread", "thread") in executors.choices()


def test_an_unknown_executor_names_what_there_is() -> None:
    with pytest.raises(UnknownExecutor, match=r"'treads'.*Did you mean 'thread'"):
        executors.executor_class("treads")
    with pytest.raises(UnknownExecutor, match=r"Allowed: .*thread"):
        executors.executor_class("qqq")


def test_a_setting_adds_executors(settings: Any) -> None:
    settings.SCHEDULER = {"executors": {"mine": f"{__name__}.Mine"}}
    assert executors.executor_class("mine").__name__ == "Mine"
    assert [name for name, _ in executors.choices()] == ["thread", "process", "command", "asyncio", "mine"]


def test_celery_is_offered_where_a_broker_is_set_up(settings: Any) -> None:
    settings.JOBSITE_CELERY_BROKER = ""
    assert "celery" not in executors.paths()
    settings.JOBSITE_CELERY_BROKER = "redis://127.0.0.1/0"
    assert executors.executor_class("celery").is_remote


@pytest.mark.parametrize(
    "path", ["nowhere.Mine", "json.dumps", "builtins.int", "scheduling.executors.None_", "x"]
)
def test_a_setting_that_leads_nowhere_is_named(settings: Any, path: str) -> None:
    settings.SCHEDULER = {"executors": {"mine": path}}
    with pytest.raises(UnknownExecutor, match=f"'mine'.*{path}"):
        executors.executor_class("mine")
