"""Tasks that ask instances for the sizes of their databases, or tell how that stands."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_lazy
from pydantic import Field

from instances.models import Instance, SyncSession
from instances.services import collection, session_retention, sessions, status, validation
from instances.services import instances as fleet
from instances.tasks.words import DialectName, InstanceName, InstanceNames, chosen_for, collect, origin_of_run
from scheduling import clock
from scheduling.registry import task


@task(gettext_lazy("Collect database sizes"), category="sync")
def collect_database_sizes(
    instances: InstanceNames | None = None,
    retry_of: UUID | None = None,
) -> dict[str, Any]:
    """Asks active instances for the size of every database and keeps one row a day for each.

    Args:
        instances: Names of instances; none: all active ones.
        retry_of: A session whose failed instances are visited again, and no others.
    """
    chosen, session = chosen_for(instances, retry_of, SyncSession.Category.SIZE)
    return collect(collection.SIZES, chosen, origin=origin_of_run(single=False), retry_of=session)


@task(gettext_lazy("Collect the database sizes of one instance"), category="sync")
def collect_specific_instance_database_sizes(instance: InstanceName) -> dict[str, Any]:
    """Asks one active instance for the size of every database.

    Args:
        instance: The instance's name.
    """
    return collect(collection.SIZES, fleet.named([instance]), origin=origin_of_run(single=True))


@task(gettext_lazy("Collect the database sizes of one kind"), category="sync")
def collect_database_sizes_by_type(db_type: DialectName) -> dict[str, Any]:
    """Asks all active instances of one kind for the size of every database.

    Args:
        db_type: The kind of database.
    """
    chosen = Instance.objects.collectable().filter(dialect=db_type)
    return collect(collection.SIZES, list(chosen), origin=origin_of_run(single=False))


@task(gettext_lazy("Close lost sessions"), category="maintenance")
def close_lost_sessions() -> dict[str, Any]:
    """Closes sessions that are said to be running while whoever worked on them is gone."""
    closed = sessions.close_lost(now=clock.now())
    return {"closed": [str(session.pk) for session in closed]}


@task(gettext_lazy("Remove old sessions"), category="maintenance")
def cleanup_old_sessions(keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None) -> dict[str, Any]:
    """Removes ended sessions with their records, and who ran which statement, when they are old.

    Args:
        keep_days: Days that they stay; none: as JOBSITE_KEEP_SESSIONS_DAYS says.
    """
    keep = keep_days or settings.JOBSITE_KEEP_SESSIONS_DAYS
    return session_retention.cleanup(now=clock.now(), keep_days=keep).as_result()


@task(gettext_lazy("Status of the collections"), category="monitoring")
def get_collection_status() -> dict[str, Any]:
    """Tells which instances have been collected today, which have not, and how the last sessions ended."""
    return status.collection(now=clock.now())


@task(gettext_lazy("Check the configuration of the collections"), category="monitoring")
def validate_collection_config() -> dict[str, Any]:
    """Looks at the settings and at every active instance without connecting; fails with a sentence for each fault."""
    return validation.passed(validation.collection())
