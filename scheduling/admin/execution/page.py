"""The page of one execution."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from jobsite import live
from jobsite.admin_base import ServiceAdmin
from scheduling import clock, registry
from scheduling.admin.execution import log, state
from scheduling.admin.execution.access import context_for, execution_for
from scheduling.exceptions import UnknownFunction
from scheduling.masking import masked_text, masked_values
from scheduling.models import ACTIVE, Execution, Node, Task, TaskVersion
from scheduling.sentences import in_words

STATE = "scheduling/execution/state.html"


def show(page: ServiceAdmin[Execution], request: HttpRequest, execution_id: int) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        raise PermissionDenied
    execution = execution_for(request, execution_id)
    part, cursor = live.part(request, STATE, state.context(request, execution, clock.refresh()))
    lines, earlier = log.begin(execution)
    context = {
        **context_for(page, request, execution, _("Execution #%(id)d") % {"id": execution.pk}),
        "part": part,
        "part_cursor": cursor,
        "lines": lines,
        "earlier": earlier,
        "log_cursor": log.cursor_of(lines),
        "ended": execution.state not in ACTIVE,
        "request_key": uuid.uuid4().hex,
        "may_run": request.user.has_perm("scheduling.run_task"),
        **outcome(execution),
        **_around(execution),
    }
    return TemplateResponse(request, "scheduling/execution/page.html", context)


def follow(request: HttpRequest, execution_id: int) -> HttpResponse:
    """The part that lives; ``X-Ended`` once nothing changes any more."""
    execution = execution_for(request, execution_id)
    part = live.part(request, STATE, state.context(request, execution, clock.refresh()))
    response = live.respond(request, *part)
    if execution.state not in ACTIVE:
        response["X-Ended"] = "1"
    return response


def outcome(execution: Execution) -> dict[str, Any]:
    """Parameters, result and error as they may be shown."""
    try:
        schema = registry.get(execution.function).schema
    except UnknownFunction:
        schema = None
    return {
        "parameters": pretty(masked_values(execution.parameters, schema)) if execution.parameters else "",
        "result": pretty(execution.result) if execution.result is not None else "",
        "message": in_words(masked_text(execution.message)),
        "traceback": masked_text(execution.traceback),
    }


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _around(execution: Execution) -> dict[str, Any]:
    """What the execution has to do with: its task, the version it was born with, its node, who asked for it."""
    task = Task.objects.filter(pk=execution.task_id).first()
    version = TaskVersion.objects.filter(task_id=execution.task_id, version=execution.task_version).first()
    node = Node.objects.filter(pk=execution.node_id).first() if execution.node_id else None
    asked = {execution.requested_by_id, execution.cancel_requested_by_id} - {None}
    users = get_user_model()._default_manager.in_bulk(list(asked)) if asked else {}
    names = {pk: user.get_username() for pk, user in users.items()}
    return {
        "task": task if task is not None and task.deleted_at is None else None,
        "task_address": reverse("admin:scheduling_task_change", args=[execution.task_id]),
        "version": version,
        "node": node,
        "asked_by": names.get(execution.requested_by_id, ""),
        "cancelled_by": names.get(execution.cancel_requested_by_id, ""),
    }
