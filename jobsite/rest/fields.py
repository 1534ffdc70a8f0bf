"""Values as JSON has them: "5" is no number and 1 is no yes. They say the same sentences as the forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError as Invalid
from django.core.validators import (
    MaxLengthValidator,
    MaxValueValidator,
    MinLengthValidator,
    MinValueValidator,
)
from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.fields import get_error_detail

from scheduling.triggers import moments
from scheduling.words import did_you_mean

REQUIRED = forms.Field.default_error_messages["required"]
#: PostgreSQL takes no offset beyond, and no place on earth has one.
MOST_OFFSET_HOURS = 15


class SameWords:
    """Django's sentences instead of the framework's own: for what is missing, and for limits."""

    words: ClassVar[dict[str, Any]] = {}

    def __init__(self, *, limited_by_model: bool = False, **kwargs: Any) -> None:
        """``limited_by_model``: the limits stand in the document, and the model's own rules enforce them."""
        super().__init__(**kwargs)
        self.limited_by_model = limited_by_model
        messages = {"required": REQUIRED, "null": REQUIRED, "blank": REQUIRED} | self.words
        self.error_messages = {**self.error_messages, **messages}  # type: ignore[has-type]
        self.validators = [_same_limit(validator) for validator in self.validators]  # type: ignore[has-type]

    def run_validators(self, value: Any) -> None:
        if not self.limited_by_model:
            super().run_validators(value)  # type: ignore[misc]


def _same_limit(validator: Any) -> Any:
    for kind in (MaxLengthValidator, MinLengthValidator, MaxValueValidator, MinValueValidator):
        if isinstance(validator, kind):
            return kind(validator.limit_value)
    return validator


class Text(SameWords, serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))

    def run_validators(self, value: Any) -> None:
        """What is too long is said alone, as in a form."""
        for validator in self.validators:
            if isinstance(validator, MaxLengthValidator):
                try:
                    validator(value)
                except Invalid as error:
                    raise serializers.ValidationError(get_error_detail(error)) from error
        super().run_validators(value)


class WholeNumber(SameWords, serializers.IntegerField):
    words: ClassVar[dict[str, Any]] = {"invalid": forms.IntegerField.default_error_messages["invalid"]}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float) or data != int(data):
            self.fail("invalid")
        return int(data)


class Number(SameWords, serializers.FloatField):
    words: ClassVar[dict[str, Any]] = {"invalid": forms.FloatField.default_error_messages["invalid"]}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return float(data)


class YesNo(SameWords, serializers.BooleanField):
    words: ClassVar[dict[str, Any]] = {"invalid": _("true or false is needed.")}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return bool(data)


class Choice(SameWords, serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> Any:
        if data == "" and not self.allow_blank:
            self.fail("blank")
        if not isinstance(data, str) or (data not in self.choice_strings_to_values and data != ""):
            # The form's own sentence, as Django has translated it.
            text = forms.ChoiceField.default_error_messages["invalid_choice"] % {"value": str(data)[:100]}
            raise serializers.ValidationError(text, "invalid_choice")
        return super().to_internal_value(data)


class Json(SameWords, serializers.JSONField):
    words: ClassVar[dict[str, Any]] = {"invalid": forms.JSONField.default_error_messages["invalid"]}


class Moment(SameWords, serializers.DateTimeField):
    """ISO 8601 with an offset from UTC; kept and given back in UTC."""

    words: ClassVar[dict[str, Any]] = {
        "invalid": _("A time with its offset is needed, such as 2027-01-31T03:00:00+08:00."),
        "offset": _("The offset from UTC has at most {hours} hours."),
    }

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or len(value) > moments.TEXT_LENGTH:
            self.fail("invalid")
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("invalid")
        offset = moment.utcoffset() or timedelta()
        if moment.tzinfo is None or moment.year not in moments.YEARS:
            self.fail("invalid")
        if abs(offset.total_seconds()) >= (MOST_OFFSET_HOURS + 1) * 3_600:
            self.fail("offset", hours=MOST_OFFSET_HOURS)
        return moment.astimezone(UTC)


class Named(SameWords, serializers.SlugRelatedField):
    """Another row by the name that people and files know it by."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        queryset = self.get_queryset()
        found = queryset.filter(**{self.slug_field: data}).first()
        if found is None:
            text = _("There is no %(what)s %(value)r.") % {"what": self.field_name, "value": data[:100]}
            raise serializers.ValidationError(text + self._nearest(data, queryset), "does_not_exist")
        return found

    def _nearest(self, data: str, queryset: Any) -> str:
        """A hint, for those who may look at these rows: names can be secrets of their own."""
        label, request = queryset.model._meta, self.context.get("request")
        if request is None or not request.user.has_perm(f"{label.app_label}.view_{label.model_name}"):
            return ""
        known = queryset.order_by(self.slug_field).values_list(self.slug_field, flat=True)[:200]
        return did_you_mean(data[:100], list(known))


def field_mapping() -> dict[Any, Any]:
    """Which of these stands for which field of a model."""
    texts = (models.CharField, models.TextField)
    numbers = (
        models.IntegerField, models.BigIntegerField, models.SmallIntegerField, models.PositiveIntegerField,
        models.BigAutoField, models.AutoField,
    )  # fmt: skip
    return {
        **serializers.ModelSerializer.serializer_field_mapping,
        **dict.fromkeys(texts, Text),
        **dict.fromkeys(numbers, WholeNumber),
        models.FloatField: Number,
        models.BooleanField: YesNo,
        models.JSONField: Json,
        models.DateTimeField: Moment,
    }


__all__ = ["Choice", "Json", "Moment", "Named", "Number", "SameWords", "Text", "WholeNumber", "YesNo"]
