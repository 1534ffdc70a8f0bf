"""What goes in and comes out, with the rules of the models themselves: no second rule-book."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from jobsite.rest import fields
from jobsite.rest.errors import from_django
from scheduling.words import did_you_mean


class StrictNames:
    """A name that is not known is an error, and names the nearest."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)  # type: ignore[misc]
        known = list(self.fields)  # type: ignore[attr-defined]
        errors: dict[str, Any] = {
            str(name)[:100]: [_("This is not known.") + did_you_mean(str(name)[:100], known)]
            for name in data
            if name not in known
        }
        values = None
        try:
            values = super().to_internal_value(data)  # type: ignore[misc]
        except serializers.ValidationError as error:
            if not isinstance(error.detail, dict):
                raise
            errors |= error.detail
        if errors:
            raise serializers.ValidationError(errors)
        return values


class StrictSerializer(StrictNames, serializers.Serializer):
    pass


class CleanModelSerializer(StrictNames, serializers.ModelSerializer):
    """Runs the model's ``full_clean`` on a copy, so that a refused change leaves the row in hand as it was.

    ``build()`` then gives that copy, unsaved, for a service to store.
    """

    serializer_field_mapping = fields.field_mapping()
    serializer_choice_field = fields.Choice
    serializer_related_field = fields.Named

    #: Fields of the serializer that are no columns: they are left to the view.
    BESIDE: ClassVar[tuple[str, ...]] = ()

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        kind, options = super().build_standard_field(field_name, model_field)
        # Uniqueness is the model's to say; it knows more (a recycle bin, for instance).
        validators = options.get("validators", ())
        options["validators"] = [each for each in validators if not isinstance(each, UniqueValidator)]
        if not options["validators"]:
            del options["validators"]
        if issubclass(kind, fields.WholeNumber | fields.Number):
            options["limited_by_model"] = True
        return kind, options

    def to_internal_value(self, data: Any) -> Any:
        """As a form does, the model's rules are asked also when some fields are wrong: all faults at once."""
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not isinstance(data, Mapping) or not isinstance(error.detail, dict):
                raise
            good = {
                name: each for name, each in data.items() if name in self.fields and name not in error.detail
            }
            faults = self._faults(self._readable(good), without=set(error.detail))
            for name, texts in error.detail.items():
                faults[name] = [*texts, *faults.get(name, ())] if isinstance(texts, list) else texts
            raise serializers.ValidationError(faults) from error
        if faults := self._faults(values, without=set()):
            raise serializers.ValidationError(faults)
        return values

    def _readable(self, data: Mapping[str, Any]) -> dict[str, Any]:
        was_partial: bool = self.partial  # type: ignore[has-type]
        self.partial = True
        try:
            return dict(super().to_internal_value(data))
        finally:
            self.partial = was_partial

    def _faults(self, values: Mapping[str, Any], without: set[str]) -> dict[str, Any]:
        """What the model says of the row; of fields that are known to be wrong, only what concerns them with others."""
        row = self.build(values)
        try:
            row.full_clean(exclude=self._unasked(row) | without)
        except ValidationError as error:
            return dict(from_django(error).detail)
        return {}

    def build(self, attrs: Mapping[str, Any] | None = None) -> Any:
        """The row as it would become: a copy of the one in hand, or a new one."""
        values = self.validated_data if attrs is None else attrs
        row = copy(self.instance) if self.instance is not None else self.Meta.model()
        for name, value in values.items():
            if name not in self.BESIDE:
                setattr(row, name, value)
        return row

    def _unasked(self, row: Any) -> set[str]:
        """Columns that callers do not write: services fill them."""
        asked = {field.source for field in self.fields.values() if not field.read_only}
        return {field.name for field in row._meta.fields if field.name not in asked}
