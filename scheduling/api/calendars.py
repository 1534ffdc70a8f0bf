"""Calendars that tasks share; a change moves the next times of the tasks concerned at once."""

from __future__ import annotations

from typing import ClassVar

from jobsite.rest import fields
from jobsite.rest.permissions import of_model
from jobsite.rest.serializers import CleanModelSerializer
from jobsite.rest.views import Creates, Edits, HouseViewSet, Lists, Removes, Shows
from scheduling.models import Calendar
from scheduling.services import calendars


class CalendarSerializer(CleanModelSerializer):
    """``version`` is the one that was read: an edit of an older one is refused with 409."""

    version = fields.WholeNumber(required=False, min_value=1, max_value=2**31 - 1)

    class Meta:
        model = Calendar
        fields = (*calendars.EDITABLE, "version", "updated_at")
        read_only_fields = ("updated_at",)


class CalendarViewSet(Lists, Shows, Creates, Edits, Removes, HouseViewSet):
    queryset = Calendar.objects.all()
    serializer_class = CalendarSerializer
    lookup_field = "key"
    lookup_value_regex = "[a-z0-9][a-z0-9_.-]{0,99}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"key": ("key",), "-key": ("-key",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("scheduling.calendar")

    def store_new(self, serializer: CalendarSerializer) -> Calendar:
        calendar: Calendar = serializer.build()
        calendar.version = calendar.version if calendar.pk else 1
        calendars.save(calendar, actor=self.actor())
        return calendar

    store = store_new

    def remove(self, calendar: Calendar) -> None:
        calendars.delete(calendar, actor=self.actor())
