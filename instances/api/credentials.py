"""Credentials: the password goes in and never comes out."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from instances.models import Credential
from instances.models.credential import MOST_PASSWORD_CHARACTERS, checked_password
from instances.services import credentials
from jobsite.rest import fields
from jobsite.rest.permissions import of_model
from jobsite.rest.serializers import CleanModelSerializer
from jobsite.rest.views import Creates, Edits, HouseViewSet, Lists, Removes, Shows


def password_field(**options: Any) -> fields.Text:
    return fields.Text(
        required=False,
        write_only=True,
        allow_blank=True,
        trim_whitespace=False,
        max_length=MOST_PASSWORD_CHARACTERS,
        style={"input_type": "password"},
        **options,
    )


class CredentialSerializer(CleanModelSerializer):
    new_password = password_field(help_text=_("Left out: stays as it is."))
    password = password_field(
        help_text=_("The present one: needed to allow further hosts without giving a new one.")
    )
    has_password = serializers.BooleanField(read_only=True)

    BESIDE: ClassVar[tuple[str, ...]] = ("new_password", "password")

    class Meta:
        model = Credential
        fields = (
            "id", *credentials.EDITABLE, "has_password", "created_at", "updated_at", "new_password", "password",
        )  # fmt: skip
        read_only_fields = ("id", "created_at", "updated_at")

    def validate_new_password(self, text: str) -> str:
        try:
            return checked_password(text)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages) from None


class CredentialViewSet(Lists, Shows, Creates, Edits, Removes, HouseViewSet):
    queryset = Credential.objects.all()
    serializer_class = CredentialSerializer
    lookup_value_regex = r"\d{1,18}"
    filterset_fields = ("name", "active")
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"name": ("name",), "-name": ("-name",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("instances.credential")

    def store_new(self, serializer: CredentialSerializer) -> Credential:
        password = serializer.validated_data.get("new_password", "")
        return credentials.create(serializer.build(), password=password, actor=self.actor())

    def store(self, serializer: CredentialSerializer) -> Credential:
        values = serializer.validated_data
        return credentials.edit(
            serializer.build(),
            actor=self.actor(),
            new_password=values.get("new_password"),
            password=values.get("password", ""),
        )

    def remove(self, credential: Credential) -> None:
        credentials.delete(credential, actor=self.actor())
