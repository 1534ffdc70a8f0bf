"""Which database hosts a run visits: what the forecast counts by (SCHEDULER["hosts"])."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from instances.models import Instance
from scheduling import registry
from scheduling.exceptions import UnknownFunction

#: Functions of this category visit all instances where their parameters name none.
VISITING = "sync"


def visited() -> Callable[[str, Mapping[str, Any]], Iterable[str]]:
    """What answers that for a function and its parameters, from the instances as they are now. One query.

    An instance without a host (a file) stands for itself, and so does a name that no instance has.
    """
    rows = Instance.objects.present().values_list("name", "dialect", "host", "active")
    active = [(name, dialect) for name, dialect, _host, active in rows if active]
    host_of = {name: host or name for name, _dialect, host, _active in rows}

    def hosts(function: str, parameters: Mapping[str, Any]) -> Iterable[str]:
        named = parameters.get("instances") or [parameters.get("instance")]
        names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
        if not names and _visits_all(function):
            wanted = parameters.get("db_type")
            names = [name for name, dialect in active if wanted in (None, dialect)]
        return dict.fromkeys(host_of.get(name, name) for name in names)

    return hosts


def _visits_all(function: str) -> bool:
    try:
        return registry.get(function).category == VISITING
    except UnknownFunction:
        return False
