"""What must hold of the installation before anything starts; each check has an id and says how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.db.utils import DatabaseError

#: The oldest versions on which every promise is tested (P10).
OLDEST = {"postgresql": (14, 0), "sqlite": (3, 38), "mysql": (8, 0, 11), "mariadb": (10, 6)}


@register(Tags.compatibility)
def time_zone_is_utc(**_: Any) -> list[CheckMessage]:
    if settings.USE_TZ and settings.TIME_ZONE == "UTC":
        return []
    return [Error("TIME_ZONE must be UTC and USE_TZ true: rows hold UTC.", id="jobsite.E001")]


@register(Tags.compatibility)
def lease_outlasts_the_beat(**_: Any) -> list[CheckMessage]:
    beat, lease = settings.SCHEDULER["beat_seconds"], settings.SCHEDULER["lease_seconds"]
    if lease > 2 * beat:
        return []
    return [
        Error(
            f"JOBSITE_LEASE_SECONDS={lease:g} is too short for JOBSITE_BEAT_SECONDS={beat:g}: "
            "a node that is late with one beat would be declared dead while it runs.",
            hint=f"Set a lease of more than {2 * beat:g} seconds, or beat more often.",
            id="jobsite.E004",
        )
    ]


@register(Tags.database)
def database_is_new_enough(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        try:
            version = tuple(connection.get_database_version())
        except DatabaseError as error:
            found.append(Error(f"The database cannot be reached: {error}".strip(), id="jobsite.E002"))
            continue
        vendor = "mariadb" if getattr(connection, "mysql_is_mariadb", False) else connection.vendor
        if version < OLDEST.get(vendor, (0,)):
            said, least = (".".join(map(str, numbers)) for numbers in (version, OLDEST[vendor]))
            found.append(Error(f"{vendor} {said} is too old: {least} or newer is needed.", id="jobsite.E003"))
    return found
