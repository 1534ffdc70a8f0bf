"""Who can read, write or administer a database, instance by instance."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from instances import dialects
from instances.dialects.access import ACTIONS
from instances.models import Instance
from instances.services import access
from jobsite.rest import fields
from jobsite.rest.pagination import link
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseView

#: Reasons told of one account, and names of instances of which nothing is known.
MOST_REASONS = 50
MOST_NAMES = 100
PATHS = (access.DIRECT, access.THROUGH_ROLE, access.EVERYBODY, access.SUPERUSER, access.PATTERN)


class QuestionSerializer(StrictSerializer):
    action = fields.Choice(choices=list(ACTIONS))
    database = fields.Text(max_length=255, trim_whitespace=False, help_text=_("As the server spells it."))
    instance = fields.Text(required=False, max_length=100, help_text=_("The instance's name."))
    dialect = fields.Choice(required=False, choices=sorted(dialects.DIALECTS))
    environment = fields.Choice(required=False, choices=Instance.Environment.values)
    tag = fields.Text(required=False, max_length=100)
    account = fields.Text(required=False, max_length=100, help_text=_("A part of the account's name."))
    cursor = fields.Text(
        required=False, max_length=100, help_text=_("Where the last page ended: take it from `next`.")
    )


class AccessReasonSerializer(serializers.Serializer):
    path = serializers.ChoiceField(choices=list(PATHS))
    rights = serializers.ListField(child=serializers.CharField())
    on = serializers.ListField(child=serializers.CharField(), help_text=_("Empty: the whole server."))
    via = serializers.ListField(child=serializers.CharField(), help_text=_("Roles, nearest first."))
    grantable = serializers.BooleanField()


class AccessAccountSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    reasons = AccessReasonSerializer(many=True)
    more_reasons = serializers.IntegerField(help_text=_("Reasons that are not told."))


class AccessAnswerSerializer(serializers.Serializer):
    instance = serializers.CharField()
    as_of = serializers.DateTimeField(
        allow_null=True, help_text=_("When its accounts were last collected; null: never.")
    )
    unread = serializers.IntegerField(help_text=_("Accounts whose rights the server has not told."))
    accounts = AccessAccountSerializer(many=True)


class WhoCanSerializer(serializers.Serializer):
    next = serializers.URLField(allow_null=True)
    results = AccessAnswerSerializer(many=True)
    not_collected = serializers.ListField(
        child=serializers.CharField(), help_text=_("Instances of which no database is known yet.")
    )
    not_collected_count = serializers.IntegerField()


class WhoCanView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        "get": ("instances.view_instanceaccount", "instances.view_instance")
    }

    @extend_schema(operation_id="who_can", parameters=[QuestionSerializer], responses=WhoCanSerializer)
    def get(self, request: Any) -> Response:
        """The accounts that can log in and may do it, by what the last collections stored, and by which rights."""
        asked = QuestionSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        after = values.pop("cursor", "")
        instance = values.pop("instance", "")
        names = (instance,) if instance else ()
        question = access.Question(**values, instances=names, viewer=request.user)
        page = access.page(question, after=after)
        unknown = access.not_collected(question)
        answer = {
            "next": link(request, page.after) if page.after else None,
            "results": [_row(one) for one in page.answers],
            "not_collected": list(unknown.values_list("name", flat=True)[:MOST_NAMES]),
            "not_collected_count": unknown.count(),
        }
        return Response(WhoCanSerializer(answer).data)


def _row(answer: access.Answer) -> dict[str, Any]:
    return {
        "instance": answer.instance.name,
        "as_of": answer.as_of,
        "unread": answer.unread,
        "accounts": [
            {
                "id": found.account.pk,
                "name": found.account.name,
                "reasons": found.reasons[:MOST_REASONS],
                "more_reasons": max(0, len(found.reasons) - MOST_REASONS),
            }
            for found in answer.found
        ],
    }
