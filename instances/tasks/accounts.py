"""Tasks about the accounts of instances."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext_lazy
from pydantic import Field

from instances.models import SyncSession
from instances.services import account_retention, collection
from instances.tasks.words import DialectName, InstanceNames, chosen_for, collect, origin_of_run
from scheduling import clock
from scheduling.registry import task


@task(gettext_lazy("Synchronise accounts"), category="sync")
def sync_accounts(
    instances: InstanceNames | None = None,
    retry_of: UUID | None = None,
    leave_out: dict[DialectName, list[Annotated[str, Field(min_length=1, max_length=400)]]] | None = None,
) -> dict[str, Any]:
    """Asks active instances who has an account and which rights, and writes down what has changed.

    Args:
        instances: Names of instances; none: all active ones.
        retry_of: A session whose failed instances are visited again, and no others.
        leave_out: Kind of database to names and patterns (as of a shell) of accounts that are not looked at.
    """
    named, session = chosen_for(instances, retry_of, SyncSession.Category.ACCOUNT)
    chosen = [instance for instance in named if instances or instance.kind.supports_accounts]
    kind = collection.accounts_kind(leave_out or {})
    return collect(kind, chosen, origin=origin_of_run(single=False), retry_of=session)


@task(gettext_lazy("Remove old changes of accounts"), category="maintenance")
def cleanup_old_account_changes(
    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None,
) -> dict[str, Any]:
    """Removes changes of accounts, and accounts that were dropped, when they are old; in small steps.

    Args:
        keep_days: Days that changes stay; none: as JOBSITE_KEEP_ACCOUNT_CHANGES_DAYS says.
    """
    keep = keep_days or settings.JOBSITE_KEEP_ACCOUNT_CHANGES_DAYS
    return account_retention.cleanup(now=clock.now(), keep_days=keep).as_result()
