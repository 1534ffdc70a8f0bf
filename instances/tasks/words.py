"""What the tasks of this app share: kinds of parameters, and how a session becomes a result."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.db.models import Sum
from django.utils.translation import gettext as _
from pydantic import AfterValidator, Field, WithJsonSchema

from instances.dialects import DIALECTS
from instances.exceptions import CollectionFailed, OptionsInvalid
from instances.models import Instance, SyncSession
from instances.services import collection, sessions
from instances.services import instances as fleet
from scheduling.context import current_run
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
InstanceNames = Annotated[list[InstanceName], Field(min_length=1)]


def chosen_for(
    instances: list[str] | None, retry_of: UUID | None, category: str
) -> tuple[list[Instance], SyncSession | None]:
    """The instances to visit, and the session that is done again. Raises ``UnknownInstance``, ``OptionsInvalid``."""
    if retry_of is None:
        return fleet.named(instances), None
    session = SyncSession.objects.filter(pk=retry_of, category=category).first()
    if session is None or instances is not None:
        sentence = _("There is no such session, or instances are named as well.")
        raise OptionsInvalid([sentence])
    if session.status == SyncSession.Status.RUNNING:
        raise OptionsInvalid([_("The session is still running.")])
    return sessions.failed_instances(session), session


def collect(
    kind: collection.Kind[Any], chosen: list[Instance], *, origin: str, retry_of: SyncSession | None = None
) -> dict[str, Any]:
    """Collects; the result tells a partial failure, and nothing but failures raises
    ``CollectionFailed``.
    """
    run = current_run()
    if not chosen:
        return nothing_to_do(_("There is no active instance to collect from."))
    session = collection.collect(
        kind, chosen, origin=origin, execution_id=run.execution_id or None, retry_of=retry_of
    )
    return report(session)


def nothing_to_do(message: str) -> dict[str, Any]:
    """The result of a task that found nothing to work on, with the sentence that says so."""
    current_run().log(message)
    numbers = dict.fromkeys(("total", "succeeded", "failed", "skipped"), 0)
    return {"status": "completed", **numbers, "message": message}


#: What the rows of a session are, in its result.
NOUNS = {SyncSession.Category.ACCOUNT: "accounts", SyncSession.Category.SIZE: "databases"}


def report(session: SyncSession) -> dict[str, Any]:
    failed = session.records.filter(state="failed").select_related("instance").order_by("instance__name")
    errors = {record.instance.name: record.error for record in failed[:MOST_ERRORS]}
    if session.status == SyncSession.Status.FAILED:
        sentences = "; ".join(f"{name}: {error}" for name, error in errors.items())
        raise CollectionFailed(
            _("All %(count)d instances failed. %(errors)s") % {"count": session.failed, "errors": sentences}
        )
    words = ("created", "updated", "unchanged", "dropped")
    sums = session.records.aggregate(**{word: Sum(word, default=0) for word in words})
    return {
        "session": str(session.pk),
        "status": session.status,
        "total": session.total,
        "succeeded": session.succeeded,
        "failed": session.failed,
        "skipped": session.skipped,
        NOUNS.get(SyncSession.Category(session.category), "rows"): sums,
        "errors": errors,
    }


def origin_of_run(*, single: bool) -> str:
    Origin = SyncSession.Origin
    origins = {"schedule": Origin.SCHEDULE, "api": Origin.API}
    by_hand = Origin.MANUAL_SINGLE if single else Origin.MANUAL_BATCH
    run = current_run()
    return origins.get(run.origin, by_hand if run.origin == "manual" else Origin.SCHEDULE)
