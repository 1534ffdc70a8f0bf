"""Credentials: the password goes in and never comes out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from instances.models import Credential, Instance
from instances.models.credential import MOST_PASSWORD_CHARACTERS, checked_password
from instances.services import credentials
from jobsite.admin_base import PasswordInput, ServiceAdmin, ServiceForm, actor_of

#: Instances that a credential's page names.
MOST_USERS = 100


def password_field(**options: Any) -> forms.CharField:
    """A field that is never filled in by the page and takes spaces as they are."""
    widget = PasswordInput(render_value=False, attrs={"autocomplete": "new-password"})
    return forms.CharField(
        required=False, strip=False, max_length=MOST_PASSWORD_CHARACTERS, widget=widget, **options
    )


class CredentialForm(ServiceForm[Credential]):
    new_password = password_field(label=_("New password"), help_text=_("Empty: stays as it is."))
    password = password_field(
        label=_("Present password"),
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
class CredentialAdmin(ServiceAdmin[Credential]):
    teaches = _(
        "A credential is the user name and the password of an account on a server, kept "
        "encrypted. Make one, then add the instance that it opens."
    )
    form = CredentialForm
    list_display = ("name", "username", "has_password", "used_by", "active", "updated_at")
    list_filter = ("active",)
    search_fields = ("name", "username")
    readonly_fields = ("has_password", "users", "created_at", "updated_at")
    show_full_result_count = False

    class Media:
        css = {"all": ("css/instances.css",)}

    @admin.display(boolean=True, description=_("password stored"))
    def has_password(self, credential: Credential) -> bool:
        return credential.has_password

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        """With the number of its instances, of those that the person may see."""
        users = Instance.objects.visible_to(request.user).filter(credential=OuterRef("pk")).order_by()
        numbers = users.values("credential").annotate(number=Count("pk")).values("number")
        return super().get_queryset(request).annotate(instance_count=Coalesce(Subquery(numbers), 0))

    @admin.display(description=_("used by"), ordering="instance_count")
    def used_by(self, credential: Any) -> str:
        number: int = credential.instance_count
        return ngettext("%d instance", "%d instances", number) % number

    @admin.display(description=_("used by"))
    def users(self, credential: Any) -> SafeString | str:
        """The instances that connect with it, also those in the recycle bin: they keep it from being deleted."""
        every = Instance.objects.filter(credential=credential)
        seen = every.visible_to(credential.viewer)
        rows = list(seen.order_by("name")[: MOST_USERS + 1])
        links = format_html_join(
            ", ",
            '<a class="text-link" href="{}">{}</a>{}',
            (
                (
                    reverse("admin:instances_instance_change", args=[row.pk]),
                    row.name,
                    "" if row.deleted_at is None else f" ({_('in the recycle bin')})",
                )
                for row in rows[:MOST_USERS]
            ),
        )
        if seen.count() < every.count():
            return format_html("{} {}", links, gettext("There are instances that are not shown to you."))
        if not rows:
            return gettext("No instance uses it.")
        return format_html("{} …", links) if len(rows) > MOST_USERS else links

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Credential | None:
        """With the person who looks: not every instance is shown to everybody."""
        credential = super().get_object(request, object_id, from_field)
        if credential is not None:
            credential.viewer = request.user  # type: ignore[attr-defined]
        return credential

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Django would name every instance that keeps a credential."""
        deleted, numbers, refused, protected = super().get_deleted_objects(objs, request)
        if protected:
            protected = [
                text
                for credential in objs
                for text in credentials.users_of(credential, request.user, most=MOST_USERS)
            ]
        return deleted, numbers, refused, protected

    def get_fields(self, request: HttpRequest, obj: Credential | None = None) -> Any:
        if obj is None:
            return ("name", "username", "new_password", "allowed_hosts", "description", "active")
        if not self.has_change_permission(request, obj):  # Django cannot show form fields that are no columns
            return (*credentials.EDITABLE, *self.readonly_fields)
        return (
            "name", "username", "has_password", "new_password", "allowed_hosts", "password", "description", "active",
            "users", "created_at", "updated_at",
        )  # fmt: skip

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
        credentials.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        self.each(
            request, queryset, lambda credential: credentials.delete(credential, actor=actor_of(request))
        )
