"""Tasks: CRUD by key and the verbs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from jobsite.rest.errors import PreconditionFailed
from jobsite.rest.idempotency import key_of, once
from jobsite.rest.permissions import of_model
from jobsite.rest.schema import IDEMPOTENT, IF_MATCH
from jobsite.rest.views import Creates, Edits, Exports, HouseViewSet, Lists, Removes, Shows
from scheduling.api import task_bulk, task_filters, task_history
from scheduling.api.execution_serializers import ExecutionSerializer
from scheduling.api.task_serializers import ReasonSerializer, RunSerializer, TaskSerializer
from scheduling.exceptions import EditedMeanwhile
from scheduling.models import Task
from scheduling.services import listing, sheets, tasks

BREAK = OpenApiParameter(
    "break_dependents", bool, description="Also when others run after it: they then run after it no more."
)
KEY = "[a-z0-9][a-z0-9_.-]{0,99}"


class TaskViewSet(
    Lists, Exports, Shows, Creates, Edits, Removes, task_history.TaskHistory, task_bulk.TaskBulk, HouseViewSet
):
    queryset = Task.objects.present().select_related("group", "pool", "owner", "calendar")
    serializer_class = TaskSerializer
    filterset_class = task_filters.TaskFilters
    sheet = sheets.TASKS
    lookup_field = "key"
    lookup_value_regex = KEY
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"key": ("key",), "-key": ("-key",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("scheduling.task"),
        "run": ("scheduling.run_task",),
        "pause": ("scheduling.pause_task",),
        "resume": ("scheduling.pause_task",),
        "enable": ("scheduling.enable_task",),
        "disable": ("scheduling.enable_task",),
        **task_history.NEEDS,
        **task_bulk.NEEDS,
    }

    def prepared(self, page: list[Any]) -> list[Any]:
        return listing.with_live_values(page)

    def shown(self, row: Task) -> Any:
        return super().shown(listing.with_live_values([row])[0])

    def answer(self, row: Any, code: int = status.HTTP_200_OK) -> Response:
        return self.tagged(super().answer(row, code))

    def tagged(self, response: Response) -> Response:
        response["ETag"] = f'"{response.data["version"]}"'
        return response

    # --- what is written

    def store_new(self, serializer: TaskSerializer) -> Task:
        reason = serializer.validated_data.get("reason", "")
        return tasks.create(serializer.build(), actor=self.actor(reason))

    def store(self, serializer: TaskSerializer) -> Task:
        values, task = serializer.validated_data, serializer.build()
        seen = self._seen()
        task.version = seen or values.get("version", task.version)
        try:
            return tasks.edit(task, actor=self.actor(values.get("reason", "")))
        except EditedMeanwhile as error:
            if seen is None:
                raise
            raise PreconditionFailed(str(error)) from error

    def _seen(self) -> int | None:
        """The version in If-Match; one that is none of ours matches nothing."""
        tag = self.request.headers.get("If-Match", "").strip()
        if tag in ("", "*"):
            return None
        number = tag.strip('"')
        return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else -1

    @extend_schema(parameters=[IF_MATCH])
    def update(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """What is left out stays as it is, unless it is required."""
        return super().update(request, *args, **kwargs)

    @extend_schema(parameters=[IF_MATCH])
    def partial_update(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Only what is given changes."""
        return super().partial_update(request, *args, **kwargs)

    @extend_schema(parameters=[BREAK])
    def destroy(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Its history stays. Refused, naming them, while other tasks run after it."""
        return super().destroy(request, *args, **kwargs)

    def remove(self, task: Task) -> None:
        said = self.request.query_params.get(BREAK.name, "false")
        if said not in ("true", "false"):
            raise ValidationError({BREAK.name: [_("true or false is needed.")]})
        tasks.delete(task.pk, actor=self.actor(), break_dependents=said == "true")

    # --- the verbs

    @extend_schema(request=RunSerializer, responses={202: ExecutionSerializer}, parameters=[IDEMPOTENT])
    @action(detail=True, methods=["post"])
    def run(self, request: Any, key: str) -> Response:
        """Asks for one run; the schedule is untouched. A running scheduler does it: see the execution's state."""
        task, values = self.get_object(), self.read(RunSerializer)
        if values["force"]:
            self.require("scheduling.force_task")

        def work() -> tuple[int, Any]:
            execution = tasks.run_now(
                task.pk,
                actor=self.actor(),
                parameters=values.get("parameters"),
                idempotency_key=key_of(request),
                force=values["force"],
                run_at=values.get("run_at"),
            )
            return status.HTTP_202_ACCEPTED, ExecutionSerializer(execution).data

        return once(request, work)

    @extend_schema(request=ReasonSerializer, responses=TaskSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Any, key: str) -> Response:
        """Lets the schedule go on from now; nothing is made up for."""
        return self._change(tasks.enable)

    @extend_schema(request=ReasonSerializer, responses=TaskSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Any, key: str) -> Response:
        """Stops the schedule and cancels what has not started; what runs goes on."""
        return self._change(tasks.disable)

    @extend_schema(request=ReasonSerializer, responses=TaskSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Any, key: str) -> Response:
        """Stops the schedule; queued scheduled runs wait until the task is resumed."""
        return self._change(tasks.pause)

    @extend_schema(request=ReasonSerializer, responses=TaskSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Any, key: str) -> Response:
        """Lets the schedule and the held runs go on from now; nothing is made up for."""
        return self._change(tasks.resume)

    def _change(self, verb: Any) -> Response:
        reason = self.read(ReasonSerializer).get("reason", "")
        return self.answer(verb(self.get_object().pk, actor=self.actor(reason)))
