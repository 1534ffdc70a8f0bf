"""Answers to requests with an idempotency key, stored in the transaction of the work itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from scheduling import clock
from scheduling.models import StoredAnswer
from scheduling.sql.transactions import in_transaction

#: For how long a key stands for its request.
LIFE = timedelta(hours=24)


class OtherRequest(Exception):
    """The key stands for another request."""


class Answer:
    __slots__ = ("body", "is_replay", "status")

    def __init__(self, status: int, body: str, *, is_replay: bool) -> None:
        self.status, self.body, self.is_replay = status, body, is_replay


def once(name: str, digest: str, work: Callable[[], tuple[int, str]]) -> Answer:
    """The answer that ``name`` has got within a day, else that of ``work`` (status and body), which is kept.

    Of two that ask at the same moment, one works and the other waits for its answer. ``work`` changes nothing
    but rows: it is part of the transaction, and repeated with it. What it raises is not kept. Raises OtherRequest.
    """

    def attempt() -> Answer:
        now = clock.refresh()
        StoredAnswer.objects.filter(name=name, at__lt=now - LIFE).delete()
        try:
            with transaction.atomic():
                row = StoredAnswer.objects.create(name=name, digest=digest, at=now)
        except IntegrityError:
            earlier = StoredAnswer.objects.get(name=name)
            if earlier.digest != digest:
                raise OtherRequest from None
            return Answer(earlier.status, earlier.body, is_replay=True)
        row.status, row.body = work()
        row.save(update_fields=["status", "body"])
        return Answer(row.status, row.body, is_replay=False)

    return in_transaction(attempt)


def known(name: str, digest: str) -> Answer | None:
    """The answer that ``name`` has got within a day. Raises OtherRequest."""
    earlier = StoredAnswer.objects.filter(name=name, at__gte=clock.refresh() - LIFE).first()
    if earlier is None:
        return None
    if earlier.digest != digest:
        raise OtherRequest
    return Answer(earlier.status, earlier.body, is_replay=True)


def forget(now: datetime, *, most: int) -> int:
    """Removes at most so many answers that nobody can ask for any more; returns how many."""
    names = list(StoredAnswer.objects.filter(at__lt=now - LIFE).values_list("name", flat=True)[:most])
    if names:
        in_transaction(lambda: StoredAnswer.objects.filter(name__in=names).delete())
    return len(names)
