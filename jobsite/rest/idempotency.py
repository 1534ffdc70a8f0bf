"""The header ``Idempotency-Key``: the same request again within a day gets the same answer, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from jobsite.rest.errors import KeyReused
from scheduling.services import answers

HEADER = "Idempotency-Key"
MOST_CHARACTERS = 64
REPLAYED = "Idempotent-Replay"


def key_of(request: Any) -> str:
    """The key, or '' when none is given. Raises ValidationError."""
    key = str(request.headers.get(HEADER, ""))
    if len(key) > MOST_CHARACTERS or not (key.isascii() and key.isprintable()):
        text = _("1 to %(most)d printable ASCII characters are allowed.") % {"most": MOST_CHARACTERS}
        raise ValidationError({HEADER: [text]})
    return key


def once(request: Any, work: Callable[[], tuple[int, Any]]) -> Response:
    """The answer to the request: of ``work`` (status and data), or of the same request before.

    With a key, work and key are stored in one transaction, which may be repeated.
    """
    return _answered(request, work, lambda name, digest: answers.once(name, digest, _rendered(work)))


def once_each(request: Any, work: Callable[[], tuple[int, Any]]) -> Response:
    """The same for work of many transactions, each of which knows by the key that it was done.

    Interrupted, it is done anew by the next request with the key, and its answer is kept when all is done.
    """

    def answer(name: str, digest: str) -> answers.Answer:
        earlier = answers.known(name, digest)
        if earlier is not None:
            return earlier
        status, body = _rendered(work)()
        return answers.once(name, digest, lambda: (status, body))

    return _answered(request, work, answer)


def _answered(
    request: Any, work: Callable[[], tuple[int, Any]], answer_of: Callable[[str, str], answers.Answer]
) -> Response:
    key = key_of(request)
    if not key:
        status, data = work()
        return Response(data, status=status)
    place = f"{request.user.pk}\0{request.method} {request.path}\0{key}"
    # Keyed with the installation's secret: a request may hold a password that could be guessed from a plain digest.
    digest = salted_hmac("jobsite.rest.idempotency", _canonical(request.data), algorithm="sha256").hexdigest()
    try:
        answer = answer_of(sha256(place.encode()).hexdigest(), digest)
    except answers.OtherRequest:
        raise KeyReused(
            _("The idempotency key has been used within a day for another request: choose a new one.")
        ) from None
    headers = {REPLAYED: "true"} if answer.is_replay else {}
    return Response(json.loads(answer.body), status=answer.status, headers=headers)


def _rendered(work: Callable[[], tuple[int, Any]]) -> Callable[[], tuple[int, str]]:
    def rendered() -> tuple[int, str]:
        status, data = work()
        return status, JSONRenderer().render(data).decode()

    return rendered


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True, default=str)
