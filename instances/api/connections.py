"""What comes of a test of connections, as callers see it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from instances.dialects.readings import ServerReading
from instances.services import visits
from jobsite.rest import fields
from jobsite.rest.serializers import StrictSerializer

#: Instances of one request, at most: the caller waits for them.
MOST_TESTED = 50


class MissingRightSerializer(serializers.Serializer):
    purpose = serializers.CharField()
    statement = serializers.CharField(help_text=_("What would give it."))


class RightsSerializer(serializers.Serializer):
    """What the user of the credential may do here."""

    found = serializers.ListField(child=serializers.CharField())
    missing = MissingRightSerializer(many=True)


class TestAnswerSerializer(serializers.Serializer):
    ok = serializers.BooleanField()
    product = serializers.CharField()
    version = serializers.CharField()
    latency_ms = serializers.FloatField(allow_null=True)
    rights = RightsSerializer(allow_null=True, help_text=_("null: the server has not told."))
    code = serializers.CharField(help_text=_("Stable, for programs; empty when it went well."))
    error = serializers.CharField()


class NamedTestAnswerSerializer(TestAnswerSerializer):
    instance = serializers.CharField()


class TestsAskedSerializer(StrictSerializer):
    instances = serializers.ListField(
        child=fields.Text(max_length=100), min_length=1, max_length=MOST_TESTED, help_text=_("Names.")
    )


def answer_of(outcome: ServerReading | BaseException) -> dict[str, Any]:
    if isinstance(outcome, BaseException):
        return {
            "ok": False, "product": "", "version": "", "latency_ms": None, "rights": None,
            "code": visits.code(outcome), "error": visits.sentence(outcome),
        }  # fmt: skip
    return {
        "ok": True, "product": outcome.product, "version": outcome.version, "latency_ms": outcome.latency_ms,
        "rights": outcome.rights, "code": "", "error": "",
    }  # fmt: skip
