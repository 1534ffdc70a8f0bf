"""Mails about runs that failed for good: noted in the transaction that ends the run, sent from rows, by any node.

The row of a notice is written together with the failure, so none is lost and none is made up. (A cursor over
executions would lose some: results are stored late after an outage, and commits have no order.) Sending is
claimed by compare-and-set under the task's lock; a task is told of at most once an hour, and that mail counts
what was held back. A mail server that refuses or hangs costs the thread that sends, and nobody else.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.models import Notice, Task
from scheduling.services import mails
from scheduling.sql.transactions import in_transaction

logger = logging.getLogger(__name__)

State = Notice.State

#: A task is told of at most this often.
PAUSE = timedelta(hours=1)
#: A claim is good for this long: longer than a mail can take (10 s an answer, one answer for each address).
CLAIM_LIFE = timedelta(minutes=5)
#: A failure that could not be told of for so long is not told of any more.
EXPIRY = timedelta(hours=24)
#: Pauses after a mail that the server did not take; the last one is repeated.
RETRY_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60))
MOST_ATTEMPTS = 12
#: Tasks looked at in one sweep.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one mail, until it is given back or has run out."""

    notice_id: int
    execution_id: int
    claim_id: uuid.UUID
    held_back: int
    addresses: list[str]


def note(failed: Iterable[tuple[int, int]], now: datetime) -> None:
    """Notes what is to be told of the runs, given as (execution, task), that just failed for good.

    In the caller's transaction, which writes the failures.
    """
    runs = list(failed)
    if not runs:
        return
    wanted = {
        id
        for id, addresses in Task.objects.filter(pk__in={task_id for _id, task_id in runs}).values_list(
            "pk", "notify_on_failure"
        )
        if addresses
    }
    Notice.objects.bulk_create(
        [
            Notice(execution_id=id, task_id=task_id, state=State.PENDING, created_at=now, due_at=now)
            for id, task_id in runs
            if task_id in wanted
        ]
    )


def anything_due(now: datetime) -> bool:
    """Whether a sweep has something to do; one step in an index each."""
    return (
        Notice.objects.filter(state=State.PENDING, due_at__lte=now).exists()
        or Notice.objects.filter(state=State.SENDING, claimed_until__lte=now).exists()
    )


def send_due(now: datetime) -> int:
    """Sends what is due, one mail after the other, and returns how many were sent. Holds no transaction meanwhile."""
    _give_back_expired_claims(now)
    due = Notice.objects.filter(state=State.PENDING, due_at__lte=now).order_by("due_at")
    task_ids = list(dict.fromkeys(due.values_list("task_id", flat=True)[:BATCH]))
    sent = 0
    for task_id in task_ids:
        claim = in_transaction(lambda task_id=task_id: _claim(task_id, clock.refresh()))  # type: ignore[misc]
        if claim is not None:
            sent += _send(claim)
    return sent


def _give_back_expired_claims(now: datetime) -> None:
    """The node that was sending has died: whether its mail arrived is not known, so it is sent again."""
    Notice.objects.filter(state=State.SENDING, claimed_until__lte=now).update(
        state=State.PENDING, due_at=now, claim_id=None, error="the node that was sending it died"
    )


def _claim(task_id: int, now: datetime) -> Claim | None:
    """Takes the task's notices for one mail, if it is time for one. Under the task's lock: one node at a time."""
    task = Task.objects.select_for_update().filter(pk=task_id).first()
    rows = Notice.objects.filter(task_id=task_id)
    pending = rows.filter(state=State.PENDING)
    if task is None or not task.notify_on_failure:
        pending.update(state=State.DROPPED)
        return None
    newest = pending.order_by("-id").first()
    if newest is None:
        return None
    if newest.created_at < now - EXPIRY:
        pending.update(state=State.EXPIRED)
        return None
    not_before = _not_before(rows, now)
    if not_before is not None:
        pending.filter(due_at__lt=not_before).update(due_at=not_before)
        return None
    others = pending.exclude(pk=newest.pk)
    told = others.aggregate(own=Sum("held_back"))["own"] or 0
    attempts = max([newest.attempts, *others.filter(attempts__gt=0).values_list("attempts", flat=True)])
    merged = others.update(state=State.MERGED, merged_into_id=newest.pk, held_back=0)
    claim = Claim(
        newest.pk,
        newest.execution_id,
        uuid.uuid4(),
        newest.held_back + merged + told,
        list(task.notify_on_failure),
    )
    taken = Notice.objects.filter(pk=newest.pk, state=State.PENDING).update(
        state=State.SENDING,
        claim_id=claim.claim_id,
        claimed_until=now + CLAIM_LIFE,
        held_back=claim.held_back,
        attempts=attempts + 1,
        addresses=claim.addresses,
    )
    return claim if taken else None


def _not_before(rows: QuerySet[Notice], now: datetime) -> datetime | None:
    """Until when the task must wait: for its hour, for another node's mail, or for the server; None: it need not."""
    sending = rows.filter(state=State.SENDING).first()
    if sending is not None:
        return sending.claimed_until
    last = rows.filter(state=State.SENT, sent_at__gt=now - PAUSE).order_by("-sent_at").first()
    if last is not None and last.sent_at is not None:
        return last.sent_at + PAUSE
    refused = rows.filter(state=State.PENDING, attempts__gt=0, due_at__gt=now).order_by("-due_at").first()
    return refused.due_at if refused is not None else None


def _send(claim: Claim) -> bool:
    """Sends the mail and writes down what became of it, if the claim still holds. Whether it was sent."""
    fault = _("No mail server is set up (JOBSITE_EMAIL_URL).")
    if settings.JOBSITE_MAIL:
        execution = mails.DESCRIBED.filter(pk=claim.execution_id).select_related("task").first()
        if execution is None:
            _finish(claim, state=State.DROPPED)
            return False
        try:
            mails.send_failure(execution, claim.notice_id, claim.addresses, claim.held_back)
        except Exception as error:  # noqa: BLE001  around each mail: whatever a server says, the others are sent
            fault = f"{type(error).__name__}: {error}"[:500]
        else:
            _finish(claim, state=State.SENT, sent_at=clock.refresh(), error="")
            return True
    logger.warning("notice not sent", extra={"execution": claim.execution_id, "cause": fault})
    _try_later(claim, fault)
    return False


def _try_later(claim: Claim, fault: str) -> None:
    attempts = Notice.objects.values_list("attempts", flat=True).get(pk=claim.notice_id)
    if attempts >= MOST_ATTEMPTS or not settings.JOBSITE_MAIL:
        _finish(claim, state=State.GIVEN_UP, error=fault)
        return
    pause = RETRY_PAUSES[min(attempts, len(RETRY_PAUSES)) - 1]
    _finish(claim, state=State.PENDING, due_at=clock.refresh() + pause, error=fault)


def _finish(claim: Claim, **fields: object) -> None:
    """Ends the claim, unless it has run out and somebody else has taken the notice."""
    Notice.objects.filter(pk=claim.notice_id, claim_id=claim.claim_id, state=State.SENDING).update(
        claim_id=None, claimed_until=None, **fields
    )
