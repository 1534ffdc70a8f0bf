"""Lists of mail addresses: stored as JSON, typed by people with commas or line breaks between them."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils.translation import gettext

MOST_ADDRESSES = 10


def check_addresses(value: Any) -> None:
    """Raises ValidationError, with a sentence for each address that will not do."""
    if not isinstance(value, list) or not all(isinstance(address, str) for address in value):
        raise ValidationError(gettext("A list of mail addresses is needed."))
    faults = []
    for address in value:
        try:
            validate_email(address)
        except ValidationError:
            faults.append(gettext("%(address)s is no mail address.") % {"address": repr(address[:100])})
    if len(value) > MOST_ADDRESSES:
        faults.append(gettext("At most %(most)d addresses are allowed.") % {"most": MOST_ADDRESSES})
    if len({address.lower() for address in value}) < len(value):
        faults.append(gettext("An address stands twice in the list."))
    if faults:
        raise ValidationError(faults)


class AddressesFormField(forms.CharField):
    """Text with any of commas, semicolons and white space between the addresses."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(str(address) for address in value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return [word for word in re.split(r"[\s,;]+", super().to_python(value) or "") if word]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class AddressListField(models.JSONField):
    """A list of mail addresses, empty by default."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("default", list)
        options.setdefault("blank", True)
        super().__init__(*args, **options)

    def validate(self, value: Any, model_instance: Any) -> None:
        super().validate(value, model_instance)
        check_addresses(value)

    def formfield(self, **options: Any) -> Any:
        defaults: dict[str, Any] = {
            "form_class": AddressesFormField,
            "widget": forms.Textarea(attrs={"rows": 3}),
            "empty_value": "",
        }
        options.pop("encoder", None)
        return models.Field.formfield(self, **defaults | options)
