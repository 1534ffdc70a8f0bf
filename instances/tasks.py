"""The functions that tasks may name, on managed instances and on log files. Each is a few lines over a
service.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import AfterValidator, Field, WithJsonSchema

from instances.dialects import DIALECTS
from instances.exceptions import CleanupIncomplete, CollectionFailed
from instances.models import Instance, SyncSession
from instances.services import collection, logfiles
from instances.services import instances as fleet
from scheduling import clock
from scheduling.context import current_run
from scheduling.registry import task
from scheduling.words import did_you_mean

#: Sentences about single instances that a result or an error repeats.
MOST_ERRORS = 20


def _known_dialect(name: str) -> str:
    if name not in DIALECTS:
        raise ValueError(_("There is no kind of database %r.") % name + did_you_mean(name, DIALECTS))
    return name


# The table decides, so that a new dialect needs no line here.
DialectName = Annotated[
    str, AfterValidator(_known_dialect), WithJsonSchema({"type": "string", "enum": list(DIALECTS)})
]
InstanceName = Annotated[str, Field(min_length=1, max_length=100)]


@task(gettext_lazy("Collect database sizes"), category="sync")
def collect_database_sizes(
    instances: Annotated[list[InstanceName], Field(min_length=1)] | None = None,
) -> dict[str, Any]:
    """Asks active instances for the size of every database and keeps one row a day for each.

    Args:
        instances: Names of instances; none: all active ones.
    """
    return _collect(collection.SIZES, fleet.named(instances), origin=_origin(single=False))


@task(gettext_lazy("Collect the database sizes of one instance"), category="sync")
def collect_specific_instance_database_sizes(instance: InstanceName) -> dict[str, Any]:
    """Asks one active instance for the size of every database.

    Args:
        instance: The instance's name.
    """
    return _collect(collection.SIZES, fleet.named([instance]), origin=_origin(single=True))


@task(gettext_lazy("Collect the database sizes of one kind"), category="sync")
def collect_database_sizes_by_type(db_type: DialectName) -> dict[str, Any]:
    """Asks all active instances of one kind for the size of every database.

    Args:
        db_type: The kind of database.
    """
    chosen = Instance.objects.collectable().filter(dialect=db_type)
    return _collect(collection.SIZES, list(chosen), origin=_origin(single=False))


@task(gettext_lazy("Synchronise accounts"), category="sync")
def sync_accounts(
    instances: Annotated[list[InstanceName], Field(min_length=1)] | None = None,
    leave_out: dict[DialectName, list[Annotated[str, Field(min_length=1, max_length=400)]]] | None = None,
) -> dict[str, Any]:
    """Asks active instances who has an account and which rights, and writes down what has changed.

    Args:
        instances: Names of instances; none: all active ones.
        leave_out: Kind of database to names and patterns (as of a shell) of accounts that are not looked at.
    """
    chosen = [instance for instance in fleet.named(instances) if instances or instance.kind.supports_accounts]
    return _collect(collection.accounts_kind(leave_out or {}), chosen, origin=_origin(single=False))


@task(gettext_lazy("Clean up old logs"), category="maintenance")
def cleanup_old_logs(
    keep_days: Annotated[int, Field(ge=1, le=36_500)] = 30,
    pattern: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/]+$")] = "*.log*",
    folders: Annotated[list[str], Field(min_length=1, max_length=100)] | None = None,
) -> dict[str, Any]:
    """Removes old log files in the folders that the installation permits (JOBSITE_LOG_ROOTS).

    Args:
        keep_days: Files written to within so many days stay.
        pattern: Shell pattern of the files' names.
        folders: Absolute paths under the permitted folders; none: all permitted ones.
    """
    report = logfiles.cleanup(folders, keep_days=keep_days, pattern=pattern, now=clock.now())
    run = current_run()
    for folder in report.missing_folders:
        run.log(_("There is no folder %s.") % folder, "WARNING")
    done = _("%(removed)d files removed, %(freed)d bytes freed.") % {
        "removed": report.removed,
        "freed": report.freed_bytes,
    }
    run.log(done)
    if report.errors:
        raise CleanupIncomplete(done + " " + _("Not removed: %s") % "; ".join(report.errors))
    return {
        "removed": report.removed,
        "freed_bytes": report.freed_bytes,
        "kept": report.kept,
        "folders": report.folders,
        "missing_folders": report.missing_folders,
        "message": done,
    }


def _collect(kind: collection.Kind[Any], chosen: list[Instance], *, origin: str) -> dict[str, Any]:
    """Collects; the result tells a partial failure, and nothing but failures raises
    ``CollectionFailed``.
    """
    run = current_run()
    if not chosen:
        message = _("There is no active instance to collect from.")
        run.log(message)
        return {
            "status": "completed",
            "total": 0,
            "succeeded": 0,
            "failed": 0,
            "skipped": 0,
            "message": message,
        }
    session = collection.collect(kind, chosen, origin=origin, execution_id=run.execution_id or None)
    return _report(session)


def _report(session: SyncSession) -> dict[str, Any]:
    failed = session.records.filter(state="failed").select_related("instance").order_by("instance__name")
    errors = {record.instance.name: record.error for record in failed[:MOST_ERRORS]}
    if session.status == SyncSession.Status.FAILED:
        sentences = "; ".join(f"{name}: {error}" for name, error in errors.items())
        raise CollectionFailed(
            _("All %(count)d instances failed. %(errors)s") % {"count": session.failed, "errors": sentences}
        )
    words = ("created", "updated", "unchanged", "dropped")
    sums = session.records.aggregate(**{word: Sum(word, default=0) for word in words})
    noun = "accounts" if session.category == SyncSession.Category.ACCOUNT else "databases"
    return {
        "session": str(session.pk),
        "status": session.status,
        "total": session.total,
        "succeeded": session.succeeded,
        "failed": session.failed,
        "skipped": session.skipped,
        noun: sums,
        "errors": errors,
    }


def _origin(*, single: bool) -> str:
    Origin = SyncSession.Origin
    origins = {"schedule": Origin.SCHEDULE, "api": Origin.API}
    by_hand = Origin.MANUAL_SINGLE if single else Origin.MANUAL_BATCH
    run = current_run()
    return origins.get(run.origin, by_hand if run.origin == "manual" else Origin.SCHEDULE)
