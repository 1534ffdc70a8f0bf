"""Calendars that tasks share; a change moves the next times of the tasks concerned at once."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from jobsite.rest import fields
from jobsite.rest.permissions import of_model
from jobsite.rest.serializers import CleanModelSerializer, StrictSerializer
from jobsite.rest.views import Creates, Edits, HouseViewSet, Lists, Removes, Shows
from scheduling import clock
from scheduling.api.triggers import Count
from scheduling.models import Calendar
from scheduling.services import calendars


class CalendarSerializer(CleanModelSerializer):
    """``version`` is the one that was read: an edit of an older one is refused with 409."""

    version = fields.WholeNumber(required=False, min_value=1, max_value=2**31 - 1)

    class Meta:
        model = Calendar
        fields = (*calendars.EDITABLE, "version", "updated_at")
        read_only_fields = ("updated_at",)


class YearSerializer(StrictSerializer):
    year = Count(
        required=False, min_value=calendars.YEARS[0], max_value=calendars.YEARS[-1],
        help_text=_("The current one (UTC) unless given."),
    )  # fmt: skip


class CalendarDaySerializer(serializers.Serializer):
    """``kind``: marked, worked (although it would be marked), or window (one lies in it)."""

    date = serializers.DateField()
    kind = serializers.ChoiceField(["marked", "worked", "window"])
    name = serializers.CharField(help_text=_("Of the holiday or own date; may be empty."))
    windows = serializers.ListField(child=serializers.CharField())


class CalendarViewSet(Lists, Shows, Creates, Edits, Removes, HouseViewSet):
    queryset = Calendar.objects.all()
    serializer_class = CalendarSerializer
    lookup_field = "key"
    lookup_value_regex = "[a-z0-9][a-z0-9_.-]{0,99}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"key": ("key",), "-key": ("-key",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("scheduling.calendar"),
        "days": ("scheduling.view_calendar",),
    }

    def store_new(self, serializer: CalendarSerializer) -> Calendar:
        calendar: Calendar = serializer.build()
        calendar.version = calendar.version if calendar.pk else 1
        calendars.save(calendar, actor=self.actor())
        return calendar

    store = store_new

    @extend_schema(parameters=[YearSerializer], responses=CalendarDaySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def days(self, request: Any, **_kwargs: Any) -> Response:
        """The days of a year of which the calendar says anything."""
        calendar = self.get_object()
        asked = YearSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        year = asked.validated_data.get("year") or clock.now().year
        return Response(CalendarDaySerializer(calendars.year_of(calendar, year), many=True).data)

    def remove(self, calendar: Calendar) -> None:
        calendars.delete(calendar, actor=self.actor())
