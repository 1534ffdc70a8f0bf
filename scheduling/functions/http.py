"""HTTP requests as tasks."""

from __future__ import annotations

from typing import Annotated, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field, JsonValue

from scheduling import outbound
from scheduling.context import current_run
from scheduling.exceptions import HttpFailed
from scheduling.registry import task

Text = Annotated[str, Field(max_length=8_192)]


@task(_("Send an HTTP request"), category="http", timeout_seconds=120)
def http_request(
    url: Annotated[str, Field(max_length=2_048)],
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET",
    headers: dict[Annotated[str, Field(max_length=200)], Text] | None = None,
    body: JsonValue = None,
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 30,
    success_statuses: Annotated[list[Annotated[int, Field(ge=100, le=599)]], Field(max_length=50)]
    | None = None,
) -> dict[str, object]:
    """Sends one request, follows no redirect, and fails unless the answer's status means success.

    Addresses inside the own network are refused unless JOBSITE_HTTP_ALLOW names them.

    Args:
        url: Where to; http or https.
        method: The method.
        headers: Headers to send.
        body: What to send: a text as it is, anything else as JSON.
        timeout_seconds: For everything together.
        success_statuses: Statuses that mean success; 200 to 299 if not given.
    """
    run = current_run()
    sent = {"Idempotency-Key": run.idempotency_key} | (headers or {})
    try:
        answer = outbound.request(
            method,
            url,
            headers=sent,
            body=body,
            timeout_seconds=timeout_seconds,
            cut_short=run.told_of_cancel,
        )
    finally:
        run.check_cancelled()  # when that has cut it short, it is not the server's failure
    run.log(f"{method} {answer.url} from {answer.address}: {answer.status} in {answer.seconds:.3f} s")
    allowed = success_statuses or range(200, 300)
    if answer.status not in allowed:
        hint = " (redirects are not followed)" if 300 <= answer.status < 400 else ""
        raise HttpFailed(f"The server answered {answer.status}{hint}: {answer.text[:500]}")
    return {"status": answer.status, "headers": answer.headers, "body": answer.text, "cut": answer.is_cut}
