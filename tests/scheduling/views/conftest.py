"""People who look at pages, and nodes and executions for them to see."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from scheduling import clock
from scheduling.models import Execution, Node, Task
from scheduling.services import nodes

JSON = {"HTTP_ACCEPT": "application/json"}
numbers = itertools.count()


def login(*permissions: str, superuser: bool = False, csrf: bool = False, name: str = "anna") -> Client:
    user = get_user_model().objects.create_user(name, is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client(enforce_csrf_checks=csrf)
    client.force_login(user)
    return client


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def new_node(
    *queues: str,
    functions: tuple[str, ...] = ("noop",),
    seats: Mapping[str, int] | None = None,
    kind: Node.Kind = Node.Kind.SCHEDULER,
) -> Node:
    """A node that beats at this moment."""
    now = clock.refresh()
    node = nodes.register(
        now,
        queues=list(queues or ("default",)),
        functions=functions,
        seats=seats or {"thread": 8},
        lease_seconds=15,
        kind=kind,
    )
    nodes.set_state(node.pk, Node.State.ACTIVE, now)
    return Node.objects.get(pk=node.pk)


def new_execution(task: Task, state: str, at: datetime, **values: Any) -> Execution:
    """An unsaved execution in that state since ``at``; ``run_ms`` long, if it has ended."""
    ended = state not in ("waiting", "queued", "running")
    run_ms = values.setdefault("run_ms", 2_000 if ended else None)
    times = {"started_at": at if ended or state == "running" else None} | (
        {"finished_at": at + timedelta(milliseconds=run_ms or 0)} if ended else {}
    )
    fixed = {
        "task": task, "task_key": task.key, "task_version": 1, "function": task.function, "scheduled_for": at,
        "slot": str(next(numbers)), "origin": "schedule", "queue": task.queue, "available_at": at, "queued_at": at,
        "state": state, "reason": "" if state in ("queued", "running", "succeeded") else "exception",
    }  # fmt: skip
    return Execution(**fixed | times | values)
