"""Credentials: the password goes in and never comes out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from instances.models import Credential
from instances.models.credential import MOST_PASSWORD_CHARACTERS, checked_password
from instances.services import credentials
from jobsite.admin_base import BaseAdmin, ServiceForm, actor_of


def password_field(**options: Any) -> forms.CharField:
    """A field that is never filled in by the page and takes spaces as they are."""
    widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"})
    return forms.CharField(
        required=False, strip=False, max_length=MOST_PASSWORD_CHARACTERS, widget=widget, **options
    )


class CredentialForm(ServiceForm[Credential]):
    new_password = password_field(label=_("password"), help_text=_("Empty: stays as it is."))
    password = password_field(
        label=_("present password"),
        help_text=_("Needed to allow further hosts without giving a new password."),
    )

    class Meta:
        model = Credential
        fields = credentials.EDITABLE

    def clean_new_password(self) -> str:
        text: str = self.cleaned_data["new_password"]
        try:
            return checked_password(text)
        except ValidationError as error:
            raise ValidationError(error.messages) from None

    @property
    def wanted_password(self) -> str | None:
        """None: the field was left empty."""
        return self.cleaned_data["new_password"] or None

    def check_service(self) -> None:
        if self.instance.pk:
            credentials.check_edit(
                Credential.objects.get(pk=self.instance.pk),
                self.instance,
                actor=self.actor,
                new_password=self.wanted_password,
                password=self.cleaned_data["password"],
            )


@admin.register(Credential)
class CredentialAdmin(BaseAdmin[Credential]):
    form = CredentialForm
    list_display = ("name", "username", "has_password", "active", "updated_at")
    list_filter = ("active",)
    search_fields = ("name", "username")
    readonly_fields = ("created_at", "updated_at")

    @admin.display(boolean=True, description=_("password stored"))
    def has_password(self, credential: Credential) -> bool:
        return credential.has_password

    def get_fields(self, request: HttpRequest, obj: Credential | None = None) -> Any:
        if obj is None:
            return ("name", "username", "new_password", "allowed_hosts", "description", "active")
        if not self.has_change_permission(request, obj):  # Django cannot show form fields that are no columns
            return (*credentials.EDITABLE, *self.readonly_fields)
        return (
            "name", "username", "new_password", "allowed_hosts", "password", "description", "active",
            *self.readonly_fields,
        )  # fmt: skip

    def get_form(
        self, request: HttpRequest, obj: Credential | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.actor = actor_of(request)  # the class was made for this request alone
        return form

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        password = form.wanted_password
        if change:
            credentials.edit(
                obj,
                actor=actor_of(request),
                new_password=password,
                password=form.cleaned_data["password"],
            )
        else:
            credentials.create(obj, password=password or "", actor=actor_of(request))

    def delete_model(self, request: HttpRequest, obj: Credential) -> None:
        try:
            credentials.delete(obj, actor=actor_of(request))
        except ValidationError as error:  # an instance has begun to use it since the page was shown
            self.message_user(request, " ".join(error.messages), messages.ERROR)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        for credential in queryset:
            self.delete_model(request, credential)
