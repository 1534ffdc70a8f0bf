"""Filters that every list of something of instances takes: which instance, or what kind of instance, and since when."""

from __future__ import annotations

from datetime import UTC
from typing import Any, ClassVar

import django_filters
from django.core.exceptions import ValidationError as Invalid
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django_filters.fields import IsoDateTimeField
from rest_framework import serializers

from instances import dialects
from instances.models import Instance
from instances.services import fleet
from jobsite.rest import fields
from jobsite.rest.serializers import StrictSerializer


class MomentField(IsoDateTimeField):
    """In UTC: PostgreSQL takes no offset beyond 16 hours."""

    def to_python(self, value: Any) -> Any:
        moment = super().to_python(value)
        try:
            return moment.astimezone(UTC) if moment else moment
        except OverflowError:
            raise Invalid(self.error_messages["invalid"], code="invalid") from None


class Moment(django_filters.IsoDateTimeFilter):
    """A moment in an address."""

    field_class = MomentField


class OfInstance(django_filters.FilterSet):
    """Rows of one instance, or of the instances with these properties."""

    instance = django_filters.NumberFilter(
        field_name="instance_id", min_value=1, max_value=2**63 - 1, decimal_places=0
    )
    dialect = django_filters.ChoiceFilter(choices=dialects.choices, method="of_instances")
    environment = django_filters.ChoiceFilter(choices=Instance.Environment.choices, method="of_instances")
    tag = django_filters.CharFilter(method="of_instances", help_text=_("The name of a tag of the instance."))
    instance_state = django_filters.ChoiceFilter(
        choices=Instance.Status.choices,
        method="of_instances",
        help_text=_("How the last visit to the instance ended."),
    )

    FIELDS: ClassVar[dict[str, str]] = {"tag": "tags__name", "instance_state": "status"}

    def of_instances(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(instance__in=Instance.objects.filter(**{self.FIELDS.get(name, name): value}))


def changed_since(*names: str) -> Moment:
    """Rows of which one of these moments is not before the given one."""

    def since(rows: Any, _name: str, value: Any) -> Any:
        wanted = Q()
        for name in names:
            wanted |= Q(**{f"{name}__gte": value})
        return rows.filter(wanted)

    return Moment(method=since)


class ChoiceSerializer(StrictSerializer):
    """Which instances a summary is of."""

    dialect = fields.Choice(choices=dialects.choices(), required=False)
    environment = fields.Choice(choices=Instance.Environment.choices, required=False)
    tag = fields.Text(required=False, max_length=50)


def choice_of(values: dict[str, Any], viewer: Any) -> fleet.Choice:
    words = {name: values.get(name, "") for name in ("dialect", "environment", "tag")}
    return fleet.Choice(**words, viewer=viewer)


class InstanceRow(serializers.ModelSerializer):
    """What rows of instances begin with: the instance by number."""

    instance = serializers.IntegerField(source="instance_id", read_only=True)
