"""Filters that every list of something of instances offers: by what the instance is, and by when it changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import DateField, Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from instances import dialects
from instances.models import AccountChange, Instance, Tag
from instances.services.sizes import day_of
from scheduling import clock

#: Days that "since" can mean.
SINCE_DAYS = (1, 7, 30)


class OfInstance(admin.SimpleListFilter):
    """Rows whose instance has the chosen value."""

    #: The field of Instance.
    field: ClassVar[str]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        return queryset.filter(instance__in=Instance.objects.filter(**{self.field: self.value()}))


class DialectFilter(OfInstance):
    title, parameter_name, field = _("kind"), "dialect", "dialect"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return dialects.choices()


class EnvironmentFilter(OfInstance):
    title, parameter_name, field = _("environment"), "environment", "environment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return Instance.Environment.choices


class TagFilter(OfInstance):
    title, parameter_name, field = _("tags"), "tag", "tags__name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(tag.name, str(tag)) for tag in Tag.objects.all()]


class StateFilter(OfInstance):
    title, parameter_name, field = _("state of the instance"), "instance_state", "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return Instance.Status.choices


#: What a list of rows with an ``instance`` offers.
OF_INSTANCE = (DialectFilter, EnvironmentFilter, TagFilter, StateFilter)


class Since(admin.SimpleListFilter):
    """Rows of which one of ``fields``, moments or days, lies in the last days."""

    title, parameter_name = _("changed since"), "since"
    fields: ClassVar[tuple[str, ...]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(str(days), ngettext("%d day ago", "%d days ago", days) % days) for days in SINCE_DAYS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {str(days) for days in SINCE_DAYS}:
            return queryset
        return self.rows_since(queryset, clock.now() - timedelta(days=int(self.value() or 0)))

    def rows_since(self, rows: QuerySet[Any], moment: Any) -> QuerySet[Any]:
        wanted = Q()
        for name in self.fields:
            is_day = type(rows.model._meta.get_field(name)) is DateField
            wanted |= Q(**{f"{name}__gte": day_of(moment) if is_day else moment})
        return rows.filter(wanted)


class ChangedSince(Since):
    """Accounts with a line in their history since then."""

    def rows_since(self, rows: QuerySet[Any], moment: Any) -> QuerySet[Any]:
        return rows.filter(Exists(AccountChange.objects.filter(account=OuterRef("pk"), at__gte=moment)))


def since(*names: str) -> type[Since]:
    """The filter for a list whose changes these fields tell."""
    return type("SinceFilter", (Since,), {"fields": names})
