"""What can be done to a task by a button: one address for the board, the task list and scripts of the pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from scheduling.exceptions import Refused
from scheduling.models import Execution, State, Task
from scheduling.sentences import in_words
from scheduling.services import tasks
from scheduling.services.actor import Actor
from scheduling.views import answers
from scheduling.views.access import forbid, staff_only


@dataclass(frozen=True, slots=True)
class Verb:
    """Who may, what is called with the task's id, the actor and the request, and what is said afterwards."""

    permission: str
    call: Callable[[int, Actor, HttpRequest], Task | Execution]
    said: Callable[[], str]


def _run(task_id: int, actor: Actor, request: HttpRequest) -> Execution:
    """``parameters``: a JSON object, replacing those of the task one by one; ``force``: beside what runs already."""
    text = request.POST.get("parameters", "").strip()
    try:
        parameters = json.loads(text) if text else None
    except ValueError as error:
        raise ValidationError({"parameters": _("This is not JSON.")}) from error
    if parameters is not None and not isinstance(parameters, dict):
        raise ValidationError({"parameters": _("This is not a JSON object.")})
    return tasks.run_now(
        task_id,
        actor=actor,
        parameters=parameters,
        force=bool(request.POST.get("force")),
        idempotency_key=request.POST.get("idempotency_key", ""),
    )


VERBS: dict[str, Verb] = {
    "run": Verb("run_task", _run, lambda: _("%(task)s: asked to run.")),
    "pause": Verb(
        "pause_task", lambda id, actor, _request: tasks.pause(id, actor=actor), lambda: _("%(task)s: paused.")
    ),
    "resume": Verb(
        "pause_task",
        lambda id, actor, _request: tasks.resume(id, actor=actor),
        lambda: _("%(task)s: resumed."),
    ),
    "enable": Verb(
        "enable_task",
        lambda id, actor, _request: tasks.enable(id, actor=actor),
        lambda: _("%(task)s: enabled."),
    ),
    "disable": Verb(
        "enable_task",
        lambda id, actor, _request: tasks.disable(id, actor=actor),
        lambda: _("%(task)s: disabled."),
    ),
    "delete": Verb(
        "delete_task",
        lambda id, actor, _request: tasks.delete(id, actor=actor),
        lambda: _("%(task)s: deleted."),
    ),
}


def allowed(user: Any) -> frozenset[str]:
    """The verbs that this person may use: others get no button."""
    return frozenset(name for name, verb in VERBS.items() if user.has_perm(f"scheduling.{verb.permission}"))


@require_POST
@staff_only("scheduling.view_task")
def act(request: HttpRequest, task_id: str, verb: str) -> HttpResponse:
    """Does it, then goes back to ``next`` with a message; a script that accepts JSON gets the message as JSON."""
    chosen = VERBS[verb]
    if not request.user.has_perm(f"scheduling.{chosen.permission}"):
        return forbid(request)
    if request.POST.get("force") and not request.user.has_perm("scheduling.force_task"):
        return forbid(request)
    number = int(task_id[:18])  # no longer number is one of ours
    name = Task.objects.present().filter(pk=number).values_list("name", flat=True).first()
    try:
        if name is None:
            raise Refused("task_deleted", _("The task has been deleted."))
        done = chosen.call(number, Actor(user=request.user, source="admin"), request)
    except Refused as error:
        return answers.refused(request, error.code, str(error), 404 if error.code == "task_deleted" else 409)
    except ValidationError as error:
        return answers.refused(request, "invalid", " ".join(error.messages), 400)
    return _answer(request, chosen.said() % {"task": name}, done)


def _answer(request: HttpRequest, text: str, done: Task | Execution) -> HttpResponse:
    if not isinstance(done, Execution):
        return answers.done(request, text)
    state = State(done.state).label
    text = f"{text} #{done.pk}: {state}" + (f" ({in_words(done.detail)})" if done.detail else "")
    address = reverse("admin:scheduling_execution_change", args=[done.pk])
    return answers.done(
        request, text, address, execution={"id": done.pk, "state": done.state, "url": address}
    )
