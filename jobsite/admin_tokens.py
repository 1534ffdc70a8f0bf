"""Tokens: whose they are and until when; made here, shown once, revoked."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken

from jobsite import tokens
from jobsite.admin_base import BaseAdmin, BaseForm, TextInput
from jobsite.models import Token
from jobsite.templatetags.jobsite import moment

# Knox's own page lists digests, and cannot say a token that it has made.
admin.site.unregister(AuthToken)


class TokenForm(BaseForm[Token]):
    days = forms.IntegerField(
        label=_("valid for days"),
        initial=tokens.DAYS,
        min_value=1,
        max_value=tokens.MOST_DAYS,
        widget=TextInput(attrs={"inputmode": "numeric"}),
    )

    class Meta:
        model = Token
        fields = ("user",)
        labels: ClassVar = {"user": _("user")}


@admin.register(Token)
class TokenAdmin(BaseAdmin[Token]):
    teaches = _(
        "A token lets a program call the API as a person, until it expires. It is shown once, "
        "when it is made."
    )
    form = TokenForm
    list_display = ("begins", "person", "made", "ends")
    list_filter = ("user",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    ordering = ("-created",)
    fields = ("user", "days")

    def get_fields(self, request: HttpRequest, obj: Token | None = None) -> Any:
        return self.fields if obj is None else ("begins", "person", "made", "ends")

    # Knox's own columns have English names.

    @admin.display(description=_("token"), ordering="token_key")
    def begins(self, token: Token) -> str:
        return str(token.token_key)

    @admin.display(description=_("user"), ordering="user__username")
    def person(self, token: Token) -> str:
        return str(token.user)

    @admin.display(description=pgettext_lazy("moment", "created"), ordering="created")
    def made(self, token: Token) -> str:
        return moment(token.created)

    @admin.display(description=_("expires"), ordering="expiry")
    def ends(self, token: Token) -> str:
        return moment(token.expiry)

    def has_change_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:
        row, secret = tokens.make(obj.user, days=form.cleaned_data["days"])
        obj.pk, obj.token_key = row.pk, row.token_key
        text = gettext("The token, shown only now: %(token)s")
        messages.warning(request, text % {"token": secret})

    def delete_model(self, request: HttpRequest, obj: Token) -> None:
        tokens.revoke(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        for token in queryset:
            tokens.revoke(token)
