"""Which executors there are. A new one is a class and a line here, or an entry in SCHEDULER["executors"]."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.utils.module_loading import import_string

from scheduling.exceptions import UnknownExecutor
from scheduling.executors.base import Executor, Outcome, RunOrder
from scheduling.words import did_you_mean

__all__ = ["EXECUTORS", "Executor", "Outcome", "RunOrder", "choices", "executor_class", "paths"]

#: Name → dotted path of an Executor, imported when it is first needed.
EXECUTORS: dict[str, str] = {
    "thread": "scheduling.executors.thread.ThreadExecutor",
    "process": "scheduling.executors.process.ProcessExecutor",
    "command": "scheduling.executors.command.CommandExecutor",
    "asyncio": "scheduling.executors.coroutine.AsyncioExecutor",
    # Only where a broker is set up (JOBSITE_CELERY_BROKER).
    "celery": "scheduling.executors.celery.CeleryExecutor",
}


def paths() -> Mapping[str, str]:
    """All executors by name: the table above, and those a project adds or replaces by setting."""
    added: Mapping[str, str] = getattr(settings, "SCHEDULER", {}).get("executors", {})
    known = {name: path for name, path in EXECUTORS.items() if name != "celery" or _has_broker()}
    return {**known, **added}


def _has_broker() -> bool:
    return bool(getattr(settings, "JOBSITE_CELERY_BROKER", ""))


def choices() -> list[tuple[str, str]]:
    """For a model field: callable, so that a new executor needs no migration."""
    return [(name, name) for name in paths()]


def executor_class(name: str) -> type[Executor]:
    """Raises UnknownExecutor, naming what there is, also when the dotted path leads to no Executor."""
    known = paths()
    if name not in known:
        raise UnknownExecutor(f"There is no executor {name!r}.{did_you_mean(name, known)}")
    try:
        found = import_string(known[name])
    except (ImportError, AttributeError, TypeError) as error:
        raise UnknownExecutor(
            f"The executor {name!r} cannot be imported from {known[name]!r}: {error}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Executor)):
        raise UnknownExecutor(
            f"The executor {name!r} ({known[name]!r}) is no subclass of {Executor.__module__}.Executor."
        )
    return found
