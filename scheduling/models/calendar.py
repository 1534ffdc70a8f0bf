"""Calendars that tasks share: days that are marked, and windows of time."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from jobsite.fields import ExactCharField
from scheduling import triggers
from scheduling.exceptions import InvalidCalendar, InvalidTrigger
from scheduling.models.names import key_validator


class Calendar(models.Model):
    """What is marked. What a mark means is each task's policy."""

    key = ExactCharField(_("key"), max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(_("name"), max_length=200, blank=True)
    description = models.TextField(_("description"), blank=True, max_length=4_000)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        blank=True,
        help_text=_("The zone of its days and windows. Empty: that of each task."),
    )
    weekend = models.JSONField(
        _("weekend"),
        default=list,
        blank=True,
        help_text=_('Weekdays that are marked, such as ["SAT", "SUN"].'),
    )
    country = models.CharField(
        _("country"),
        max_length=10,
        blank=True,
        help_text=_(
            "Marks its public holidays: a code such as CN, DE or US. Weekend days that are worked to make up for "
            "a holiday are not marked."
        ),
    )
    subdivision = models.CharField(
        _("subdivision"),
        max_length=20,
        blank=True,
        help_text=_("A state or province with holidays of its own."),
    )
    dates = models.JSONField(
        _("own dates"),
        default=list,
        blank=True,
        help_text=_(
            'A list: {"date": "2027-05-04", "until": "2027-05-07", "name": "…"}, {"date": "12-24"} for every year, '
            '"working": true for days that are not marked whatever else is said.'
        ),
    )
    windows = models.JSONField(
        _("windows"),
        default=list,
        blank=True,
        help_text=_(
            'A list: {"start": "2027-01-31", "end": "2027-02-07"}, or '
            '{"weekdays": ["SUN"], "from": "22:00", "to": "06:00"}.'
        ),
    )
    version = models.IntegerField(default=1, editable=False)
    updated_at = models.DateTimeField(editable=False)

    #: What its rules are made of.
    RULES = ("time_zone", "weekend", "country", "subdivision", "dates", "windows")

    class Meta:
        verbose_name = _("calendar")
        verbose_name_plural = _("calendars")
        ordering = ("key",)

    def __str__(self) -> str:
        return self.name or self.key

    def rules(self) -> triggers.CalendarRules:
        """Its rules as a plain value, for a schedule. Raises InvalidTrigger (`calendar`)."""
        try:
            return self._rules()
        except InvalidCalendar as error:
            raise InvalidTrigger({"calendar": [str(error)]}) from error

    def _rules(self) -> triggers.CalendarRules:
        values: dict[str, Any] = {name: getattr(self, name) for name in self.RULES}
        return triggers.CalendarRules.from_values(values | {"name": str(self)})

    def clean(self) -> None:
        try:
            self._rules()
        except InvalidCalendar as error:
            raise ValidationError(error.errors) from error
