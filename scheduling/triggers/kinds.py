"""The table of kinds: ours, and those that a project adds by setting."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from django.conf import settings
from django.utils.module_loading import import_string

from scheduling.exceptions import InvalidTrigger, UnknownTrigger

from .base import Trigger
from .combined import AllOfTrigger, AnyOfTrigger, ExceptTrigger
from .cron import CronTrigger
from .date import DateTrigger
from .foreign import adapted
from .inputs import not_known
from .interval import IntervalTrigger
from .manual import ManualTrigger
from .rrule import RuleTrigger

TRIGGERS: dict[str, type[Trigger]] = {
    trigger.kind: trigger
    for trigger in (
        CronTrigger,
        IntervalTrigger,
        DateTrigger,
        RuleTrigger,
        AnyOfTrigger,
        AllOfTrigger,
        ExceptTrigger,
        ManualTrigger,
    )
}


def paths() -> Mapping[str, str]:
    """The kinds that a project adds or replaces: name → dotted path, from SCHEDULER["triggers"]."""
    added: Mapping[str, str] = getattr(settings, "SCHEDULER", {}).get("triggers", {})
    return added


def names() -> tuple[str, ...]:
    return tuple({**TRIGGERS, **paths()})


def kind_named(name: object) -> type[Trigger]:
    """The kind of this name. Raises InvalidTrigger (`trigger`), also when its class cannot be imported."""
    if isinstance(name, str) and name in (added := paths()):
        try:
            return added_kind(name, added[name])
        except UnknownTrigger as error:
            raise InvalidTrigger({"trigger": [str(error)]}) from error
    if isinstance(name, str) and name in TRIGGERS:
        return TRIGGERS[name]
    raise InvalidTrigger({"trigger": [not_known(name, names())]})


@lru_cache(maxsize=256)
def added_kind(name: str, path: str) -> type[Trigger]:
    """The class at a dotted path: a Trigger of ours, or APScheduler's, adapted. Raises UnknownTrigger."""
    try:
        found = import_string(path)
    except (ImportError, AttributeError, TypeError) as error:
        raise UnknownTrigger(f"The trigger {name!r} cannot be imported from {path!r}: {error}") from error
    if isinstance(found, type) and issubclass(found, Trigger):
        return found
    if isinstance(found, type) and issubclass(found, BaseTrigger):
        return adapted(name, found)
    raise UnknownTrigger(
        f"The trigger {name!r} ({path!r}) is no subclass of {Trigger.__module__}.Trigger"
        " or of APScheduler's BaseTrigger."
    )


def choices() -> list[tuple[str, Any]]:
    """The kinds for a model field: callable, so that a new kind needs no migration."""
    return [(name, TRIGGERS[name].label if name in TRIGGERS else name) for name in names()]
