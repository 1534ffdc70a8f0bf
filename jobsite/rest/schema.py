"""What the OpenAPI document says beyond what the views declare: who may call, and every way to be refused."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.permissions import AllowAny

from jobsite.rest.idempotency import HEADER, MOST_CHARACTERS


class OneError(serializers.Serializer):
    code = serializers.CharField(help_text=_("Stable, for programs."))
    detail = serializers.CharField(help_text=_("For people, in their language."))
    attr = serializers.CharField(allow_null=True, help_text=_("The field that it is about."))

    class Meta:
        ref_name = "OneError"


class ErrorBody(serializers.Serializer):
    type = serializers.ChoiceField(choices=["validation_error", "client_error", "server_error"])
    errors = OneError(many=True)

    class Meta:
        ref_name = "Error"


IDEMPOTENT = OpenApiParameter(
    HEADER,
    {"type": "string", "maxLength": MOST_CHARACTERS, "pattern": "^[ -~]*$"},
    OpenApiParameter.HEADER,
    description=_(
        "The same request with the same key within 24 hours gets the same answer, and does nothing."
    ),
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=_("The ETag that was read: refused with 412 when somebody has changed the task since."),
)


class HouseSchema(AutoSchema):
    """Adds each refusal that the house rules can give; a view declares the rest (409, 412, 422)."""

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix("/api/v1/").split("/")[0]]

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction=direction)
        if direction != "response":
            return bodies
        for code in self._refusals():
            if code not in bodies:
                bodies[code] = self._get_response_for_code(ErrorBody, code)  # type: ignore[no-untyped-call]
        return dict(sorted(bodies.items()))

    def _refusals(self) -> list[str]:
        is_open = all(isinstance(each, AllowAny) for each in self.view.get_permissions())
        writes = self.method in ("POST", "PUT", "PATCH", "DELETE")
        codes = ["400", "405", "406", "429", "500", "503"]
        codes += [] if is_open else ["401", "403"]
        codes += ["404"] if "{" in self.path else []
        codes += ["409"] if writes else []
        codes += ["413", "415"] if self.method in ("POST", "PUT", "PATCH") else []
        parameters = {parameter["name"] for parameter in self._get_parameters()}
        codes += ["422"] if HEADER in parameters else []
        codes += ["412"] if "If-Match" in parameters else []
        return codes


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "jobsite.rest.authentication.TokenHeader"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "Token, a space, and the token.",
        }
