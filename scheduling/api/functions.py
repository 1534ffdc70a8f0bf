"""The functions that tasks may name, with the JSON Schema of their parameters."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.response import Response

from jobsite.keeping import kept
from jobsite.rest.views import HouseView
from scheduling import registry
from scheduling.exceptions import UnknownFunction
from scheduling.registry import RegisteredFunction


class DefaultsSerializer(serializers.Serializer):
    timeout_seconds = serializers.FloatField(allow_null=True)
    executor = serializers.CharField()
    queue = serializers.CharField()
    retries = serializers.IntegerField()


class FunctionSerializer(serializers.Serializer):
    name = serializers.CharField()
    label = serializers.CharField()
    description = serializers.CharField()
    category = serializers.CharField()
    defaults = DefaultsSerializer()
    schema = serializers.DictField(help_text=_("JSON Schema (draft 2020-12) of its parameters."))


def _row(function: RegisteredFunction) -> dict[str, Any]:
    defaults = function.defaults
    return {
        "name": function.name,
        "label": str(function.label),
        "description": str(function.description),
        "category": function.category,
        "defaults": {
            "timeout_seconds": defaults.timeout_seconds,
            "executor": defaults.executor,
            "queue": defaults.queue,
            "retries": defaults.retries,
        },
        "schema": function.schema,
    }


def _kept(request: Any, data: Any) -> HttpResponse:
    """What functions there are changes with the program alone."""
    return kept(request, Response(data), json.dumps(data, sort_keys=True))


class FunctionsView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": ("scheduling.view_task",)}

    @extend_schema(responses=FunctionSerializer(many=True))
    def get(self, request: Any) -> HttpResponse:
        """All of them by name."""
        found = registry.functions()
        return _kept(request, [_row(found[name]) for name in sorted(found)])


class FunctionView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": ("scheduling.view_task",)}

    @extend_schema(
        operation_id="functions_retrieve",
        parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH)],
        responses=FunctionSerializer,
    )
    def get(self, request: Any, name: str) -> HttpResponse:
        """One of them."""
        try:
            return _kept(request, _row(registry.get(name)))
        except UnknownFunction as error:
            raise NotFound(str(error)) from error
