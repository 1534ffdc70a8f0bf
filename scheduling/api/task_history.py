"""When a task runs next, and what it was before."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from jobsite.rest.idempotency import once
from jobsite.rest.schema import IDEMPOTENT
from scheduling import clock
from scheduling.api.task_serializers import (
    CloneSerializer,
    DependenciesAnswerSerializer,
    DependenciesSerializer,
    ExplainSerializer,
    ExplanationSerializer,
    ImpactAnswerSerializer,
    ImpactSerializer,
    RollbackSerializer,
    TaskSerializer,
    VersionSerializer,
)
from scheduling.api.triggers import AfterSerializer, PreviewAnswerSerializer, preview_answer
from scheduling.models import Task, TaskVersion
from scheduling.services import dependencies as after_service
from scheduling.services import explain as explain_service
from scheduling.services import impact as impact_service
from scheduling.services import tasks, versions

NEEDS: dict[str, tuple[str, ...]] = {
    "explain": ("scheduling.view_task", "scheduling.view_execution"),
    "impact": ("scheduling.view_task",),
    "next_runs": ("scheduling.view_task",),
    "versions": ("scheduling.view_task", "scheduling.view_taskversion"),
    "dependencies": ("scheduling.view_task",),
    "set_dependencies": ("scheduling.view_task", "scheduling.change_task"),
    "rollback": ("scheduling.change_task", "scheduling.view_taskversion"),
    "clone": ("scheduling.add_task", "scheduling.view_task"),
}


class TaskHistory:
    """A part of the tasks' views."""

    @extend_schema(parameters=[AfterSerializer], responses=PreviewAnswerSerializer, filters=False)
    @action(detail=True, methods=["get"], url_path="next-runs", pagination_class=None)
    def next_runs(self: Any, request: Any, key: str) -> Response:
        """The coming times of its schedule, as the scheduler computes them; also of a task that is at rest."""
        asked = AfterSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        return Response(
            preview_answer(self.get_object(), after=values.get("after", clock.now()), count=values["count"])
        )

    @extend_schema(parameters=[ExplainSerializer], responses=ExplanationSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def explain(self: Any, request: Any, key: str) -> Response:
        """Why it did, or did not, run at a moment: the answer first, then what it is drawn from."""
        asked = ExplainSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        found = explain_service.explain(self.get_object(), asked.validated_data.get("at"))
        return Response(ExplanationSerializer(found).data)

    @extend_schema(request=ImpactSerializer, responses=ImpactAnswerSerializer, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def impact(self: Any, request: Any, key: str) -> Response:
        """What a change would do to the occurrences of the next days. Takes what PATCH takes; changes nothing."""
        task = self.get_object()
        context = self.get_serializer_context()
        asked = ImpactSerializer(task, data=request.data, partial=True, context=context)
        asked.is_valid(raise_exception=True)
        now = clock.now()
        after = impact_service.as_edited(task, asked.build(), now)
        days = asked.validated_data.get("days", impact_service.LEAST_DAYS)
        return Response(
            ImpactAnswerSerializer(impact_service.of_change(task, after, days=days, now=now)).data
        )

    @extend_schema(responses=VersionSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], orderings={"-version": ("-version",), "version": ("version",)})
    def versions(self: Any, request: Any, key: str) -> Response:
        """What it was after each change, who changed it, when and why; newest first."""
        rows = TaskVersion.objects.filter(task_id=self.get_object().pk).select_related("by")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(VersionSerializer(page, many=True).data)

    @extend_schema(request=RollbackSerializer, responses=TaskSerializer, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def rollback(self: Any, request: Any, key: str) -> Response:
        """Gives it the definition that it had, as a new version; key, enabled and paused stay as they are."""
        asked = self.read(RollbackSerializer)
        actor = self.actor(asked.get("reason", ""))
        seen = asked.get("seen_version")
        task = versions.rollback(self.get_object().pk, asked["version"], actor=actor, seen_version=seen)
        return self.answer(task)

    @extend_schema(
        request=CloneSerializer, responses={201: TaskSerializer}, parameters=[IDEMPOTENT], filters=False
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def clone(self: Any, request: Any, key: str) -> Response:
        """Makes a copy under another key, disabled, so that nothing runs twice unasked."""
        task = self.get_object()

        def work() -> tuple[int, Any]:
            asked = self.read(CloneSerializer)
            actor = self.actor(asked.get("reason", ""))
            copied = tasks.clone(task.pk, asked["key"], actor=actor, name=asked.get("name", ""))
            return status.HTTP_201_CREATED, self.shown(copied)

        return self.tagged(once(request, work))

    @extend_schema(responses=DependenciesAnswerSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def dependencies(self: Any, request: Any, key: str) -> Response:
        """What it runs after."""
        return Response(_after(self.get_object()))

    @extend_schema(request=DependenciesSerializer, responses=DependenciesAnswerSerializer, filters=False)
    @dependencies.mapping.put
    def set_dependencies(self: Any, request: Any, key: str) -> Response:
        """Sets all of what it runs after; none takes all away."""
        task, asked = self.get_object(), self.read(DependenciesSerializer)
        wanted = {each["task"]: each["on"] for each in asked["dependencies"]}
        known = dict(Task.objects.present().filter(key__in=wanted).values_list("key", "pk"))
        missing = [name for name in wanted if name not in known]
        if missing:
            text = gettext("There is no task %(key)r.") % {"key": missing[0]}
            raise ValidationError({"dependencies": [text]})
        after = {known[name]: on for name, on in wanted.items()}
        actor = self.actor(asked.get("reason", ""))
        after_service.save(task.pk, after, actor=actor, mode=asked.get("mode"))
        return Response(_after(self.get_object()))


def _after(task: Task) -> Any:
    rows = [{"task": each.upstream.key, "on": each.on} for each in after_service.of(task.pk)]
    return DependenciesAnswerSerializer({"mode": task.dependency_mode, "dependencies": rows}).data
