"""What is done to one execution: by POST, with the permission of the verb; what the service refuses is told."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from jobsite.admin_base import actor_of, sentences
from jobsite.templatetags.jobsite import state_label
from scheduling.admin.execution.access import execution_for, to_page
from scheduling.exceptions import Refused
from scheduling.models import Execution, State
from scheduling.services import executions


def cancel(request: HttpRequest, execution_id: int) -> HttpResponse:
    execution_for(request, execution_id, "scheduling.cancel_execution")

    def work() -> Execution:
        done = executions.cancel(execution_id, actor=actor_of(request))
        text = _("Asked to end.") if done.state == State.RUNNING else _("Cancelled.")
        messages.success(request, text)
        return done

    return _told(request, execution_id, work)


def again(request: HttpRequest, execution_id: int) -> HttpResponse:
    """Once more with the same parameters. Sent twice with the same ``key`` it runs once."""
    execution_for(request, execution_id, "scheduling.run_task")

    def work() -> Execution:
        key = request.POST.get("key", "")[:64]
        made = executions.retry(execution_id, actor=actor_of(request), idempotency_key=key)
        tell(request, made)
        return made

    return _told(request, execution_id, work)


def tell(request: HttpRequest, made: Execution) -> None:
    text = _("Asked to run: #%(id)d is %(state)s.") % {"id": made.pk, "state": state_label(made.state)}
    messages.success(request, format_html("{}", text))


def _told(request: HttpRequest, execution_id: int, work: Callable[[], Execution]) -> HttpResponse:
    try:
        return to_page(work().pk)
    except (Refused, ValidationError) as error:
        messages.error(request, sentences(error))
        return to_page(execution_id)
