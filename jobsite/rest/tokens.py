"""One's own tokens: made with a password or a session, listed, revoked. A token cannot make tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response

from jobsite import tokens
from jobsite.models import Token
from jobsite.rest.fields import WholeNumber
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseViewSet, Lists, Removes


class TokenSerializer(serializers.ModelSerializer):
    key = serializers.CharField(
        source="token_key", read_only=True, help_text=gettext_lazy("How the token begins.")
    )
    created_at = serializers.DateTimeField(source="created", read_only=True)
    expires_at = serializers.DateTimeField(source="expiry", read_only=True, allow_null=True)

    class Meta:
        model = Token
        fields = ("key", "created_at", "expires_at")


class NewTokenSerializer(StrictSerializer):
    days = WholeNumber(
        min_value=1,
        max_value=tokens.MOST_DAYS,
        required=False,
        help_text=gettext_lazy("For how long it is valid."),
    )


class MadeTokenSerializer(TokenSerializer):
    token = serializers.CharField(read_only=True, help_text=gettext_lazy("Shown only now."))

    class Meta:
        model = Token
        fields = (*TokenSerializer.Meta.fields, "token")


class TokenViewSet(Lists, Removes, HouseViewSet):
    queryset = Token.objects.all()
    serializer_class = TokenSerializer
    lookup_field = "token_key"
    lookup_url_kwarg = "key"
    lookup_value_regex = "[0-9A-Za-z_]{8,25}"
    # Everybody's own: what a token may do is what its person may do.
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"list": (), "create": (), "destroy": ()}
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"-created_at": ("-created", "digest")}

    def get_queryset(self) -> Any:
        return Token.objects.filter(user=self.request.user) if self.request.user.pk else Token.objects.none()

    @extend_schema(request=NewTokenSerializer, responses={201: MadeTokenSerializer})
    def create(self, request: Any) -> Response:
        if request.auth is not None:
            raise PermissionDenied(_("A token cannot make tokens: log in, or use manage.py create_token."))
        days = self.read(NewTokenSerializer).get("days", tokens.DAYS)
        row, secret = tokens.make(request.user, days=days)
        return Response(TokenSerializer(row).data | {"token": secret}, status=status.HTTP_201_CREATED)

    def remove(self, token: Token) -> None:
        tokens.revoke(token)
