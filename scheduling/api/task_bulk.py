"""Verbs on many tasks, a task from its function alone, and the reload of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError as Wrong
from rest_framework.response import Response

from jobsite.rest.idempotency import key_of, once, once_each
from jobsite.rest.schema import IDEMPOTENT
from scheduling import registry
from scheduling.api.task_serializers import (
    BULK_ACTIONS,
    OF_A_RUN,
    BulkAnswerSerializer,
    BulkSerializer,
    ByFunctionSerializer,
    ReloadAnswerSerializer,
    ReloadSerializer,
    TaskSerializer,
)
from scheduling.exceptions import Refused, UnknownFunction
from scheduling.models import Execution, Task
from scheduling.services import definitions, tasks

#: A file may make tasks, groups and pools, and switch tasks on and off.
RELOAD = ("scheduling.add_task", "scheduling.change_task", "scheduling.enable_task", "scheduling.add_group",
          "scheduling.add_pool")  # fmt: skip
NEEDS: dict[str, tuple[str, ...]] = {
    "bulk": ("scheduling.view_task",),  # and that of the action
    "by_func": ("scheduling.add_task",),
    "reload": RELOAD,
}
VERBS: dict[str, Callable[..., Task | Execution]] = {
    "run": tasks.run_now,
    "pause": tasks.pause,
    "resume": tasks.resume,
    "enable": tasks.enable,
    "disable": tasks.disable,
    "delete": tasks.delete,
}


class TaskBulk:
    """A part of the tasks' views."""

    pagination_class: ClassVar[Any]

    @extend_schema(
        request=BulkSerializer, responses=BulkAnswerSerializer, parameters=[IDEMPOTENT], filters=False
    )
    @action(detail=False, methods=["post"], pagination_class=None)
    def bulk(self: Any, request: Any) -> Response:
        """Does one thing to many tasks, one after another; one that is refused does not stop the others."""
        asked = self.read(BulkSerializer)
        self.require(BULK_ACTIONS[asked["action"]])
        keys = list(dict.fromkeys(asked["keys"]))
        found = dict(Task.objects.present().filter(key__in=keys).values_list("key", "pk"))
        verb, actor = VERBS[asked["action"]], self.actor(asked.get("reason", ""))
        given = {name: asked[name] for name in OF_A_RUN if name in asked}
        if given.get("force"):
            self.require("scheduling.force_task")
        if asked["action"] == "run":
            given["idempotency_key"] = key_of(request)

        def work() -> tuple[int, Any]:
            results = [
                _result(key, found.get(key), lambda pk: verb(pk, actor=actor, **given)) for key in keys
            ]
            done = sum(result["ok"] for result in results)
            counts = {"action": asked["action"], "done": done, "refused": len(results) - done}
            return status.HTTP_200_OK, counts | {"results": results}

        return once_each(request, work)

    @extend_schema(
        request=ByFunctionSerializer, responses={201: TaskSerializer}, parameters=[IDEMPOTENT], filters=False
    )
    @action(detail=False, methods=["post"], url_path="by-func", pagination_class=None)
    def by_func(self: Any, request: Any) -> Response:
        """Makes a task of a registered function, with what the function declares as defaults."""

        def work() -> tuple[int, Any]:
            asked = self.read(ByFunctionSerializer)
            try:
                function = registry.get(asked["function"])
            except UnknownFunction as error:
                raise Wrong({"function": [str(error)]}) from error
            values = {
                "key": function.name,
                "name": str(function.label),
                "category": function.category,
                "description": str(function.description)[:4_000],
                **definitions.function_defaults(function.name),
                **asked,
            }
            task = tasks.create(Task(**values), actor=self.actor())
            return status.HTTP_201_CREATED, self.shown(task)

        return self.tagged(once(request, work))

    @extend_schema(request=ReloadSerializer, responses=ReloadAnswerSerializer, filters=False)
    @action(detail=False, methods=["post"], pagination_class=None)
    def reload(self: Any, request: Any) -> Response:
        """Merges YAML: adds new tasks, updates those nobody has edited, keeps the others as they are."""
        asked = self.read(ReloadSerializer)
        options = {"force": asked["force"], "dry_run": asked["dry_run"], "actor": self.actor()}
        if "yaml" in asked:
            return Response(_merged(definitions.load(asked["yaml"], trusted=False, **options)))
        return Response(_merged(definitions.reload(**options)))


def _result(key: str, pk: int | None, verb: Callable[[int], Task | Execution]) -> dict[str, Any]:
    result: dict[str, Any] = {"key": key, "ok": False, "code": "", "detail": "", "execution": None}
    if pk is None:
        return result | {"code": "not_found", "detail": _("There is no task %(key)r.") % {"key": key}}
    try:
        done = verb(pk)
    except Refused as error:
        return result | {"code": error.code, "detail": str(error)}
    except ValidationError as error:
        return result | {"code": "invalid", "detail": _told(error)}
    return result | {"ok": True, "execution": done.pk if isinstance(done, Execution) else None}


def _told(error: ValidationError) -> str:
    """All that is wrong, each with its field."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())


LISTS = ("added", "updated", "unchanged", "kept", "left_deleted")


def _merged(summary: definitions.Summary) -> dict[str, Any]:
    answer: dict[str, Any] = {name: getattr(summary, name) for name in LISTS}
    for name in ("warnings", "problems"):
        answer[name] = [
            {"line": each.line, "key": each.key, "field": each.field, "message": each.message}
            for each in getattr(summary, name)
        ]
    answer["counts"] = {name: len(answer[name]) for name in LISTS} | {"refused": summary.refused}
    return answer
