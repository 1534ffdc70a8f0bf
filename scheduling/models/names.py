"""The rules for the names that people give to things and programs look them up by."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

KEY_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,99}\Z"
QUEUE_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,49}\Z"

key_validator = RegexValidator(
    KEY_PATTERN,
    _("A key has 1 to 100 characters: a-z, 0-9, '_', '.' and '-', and begins with a letter or a digit."),
)
queue_validator = RegexValidator(
    QUEUE_PATTERN,
    _(
        "A queue's name has 1 to 50 characters: a-z, 0-9, '_', '.' and '-', and begins with a letter or a digit."
    ),
)
