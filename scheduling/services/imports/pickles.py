"""Job states of APScheduler, read without running anything of theirs: a fixed list of harmless classes, nothing else.

A pickle is a program. This reader knows the classes that triggers are made of and plain values; whatever else a
pickle asks for, by any way, ends the reading of that job.
"""

from __future__ import annotations

import io
import pickle
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger

MOST_BYTES = 1024 * 1024
#: Module → the names that may be asked for in it.
ALLOWED: dict[str, frozenset[str]] = {
    "apscheduler.triggers.cron": frozenset({"CronTrigger"}),
    "apscheduler.triggers.cron.fields": frozenset(
        {"BaseField", "WeekField", "DayOfMonthField", "DayOfWeekField", "MonthField"}
    ),
    "apscheduler.triggers.cron.expressions": frozenset(
        {
            "AllExpression",
            "RangeExpression",
            "MonthRangeExpression",
            "WeekdayRangeExpression",
            "WeekdayPositionExpression",
            "LastDayOfMonthExpression",
        }
    ),
    "apscheduler.triggers.interval": frozenset({"IntervalTrigger"}),
    "apscheduler.triggers.date": frozenset({"DateTrigger"}),
    "apscheduler.triggers.combining": frozenset({"AndTrigger", "OrTrigger"}),
    "datetime": frozenset({"datetime", "date", "time", "timedelta", "timezone"}),
}


class Forbidden(pickle.UnpicklingError):
    """The pickle asks for something that is not on the list."""


class _Zone:
    """Stands for ZoneInfo in a pickle, so that a name is looked up in our zones and no file is opened."""

    @staticmethod
    def _unpickle(key: str, _from_cache: bool = True) -> ZoneInfo:
        return triggers.zone(key)

    def __new__(cls, key: str) -> ZoneInfo:  # type: ignore[misc]  # that is the point
        return triggers.zone(key)


def _attribute(owner: object, name: str) -> Any:
    """`getattr` as zones' pickles need it, and for nothing else."""
    if owner is _Zone and name == "_unpickle":
        return _Zone._unpickle
    raise Forbidden(f"getattr({owner!r}, {name!r})")


def _utc() -> Any:
    return UTC


def _pytz(name: str, *_rest: object) -> ZoneInfo:
    return triggers.zone(name)


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in ALLOWED.get(module, ()):
            return super().find_class(module, name)
        stand_in = {
            ("builtins", "getattr"): _attribute,
            ("zoneinfo", "ZoneInfo"): _Zone,
            ("backports.zoneinfo", "ZoneInfo"): _Zone,
            ("pytz", "_UTC"): _utc,
            ("pytz", "_p"): _pytz,
        }.get((module, name))
        if stand_in is None:
            raise Forbidden(f"{module}.{name}")
        return stand_in

    def persistent_load(self, pid: Any) -> Any:
        raise Forbidden(f"persistent id {pid!r}")


def read(data: bytes) -> dict[str, Any]:
    """A job state as a dictionary. Raises InvalidTrigger (`source`) that says what is not allowed or not readable."""
    if len(data) > MOST_BYTES:
        raise _fault(_("%(size)d bytes are too many.") % {"size": len(data)})
    try:
        state = _Reader(io.BytesIO(data)).load()
    except Forbidden as error:
        text = _("It holds %(name)s, which is not read: nothing but triggers and plain values is.")
        raise _fault(text % {"name": error}) from error
    except Exception as error:  # a broken pickle can raise anything
        raise _fault(
            _("It cannot be read: %(cause)s") % {"cause": f"{type(error).__name__}: {error}"[:200]}
        ) from error
    if not isinstance(state, dict):
        raise _fault(_("It is no job."))
    return state


def _fault(text: str) -> InvalidTrigger:
    return InvalidTrigger({"source": [text]})
