"""How the fleet, an instance or a database grows, and when a limit is reached."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from instances.api.filters import ChoiceSerializer, choice_of
from instances.models import Instance, Period, SizeLimit
from instances.services import figures, fleet, growth, periods
from instances.services.sizes import day_of
from jobsite.rest import fields
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseView
from scheduling import clock
from scheduling.api.triggers import Count

MOST_DAYS = 366
MOST_GROWERS = 200
#: Names of instances that a list repeats.
MOST_NAMES = 500


class Bytes(fields.WholeNumber):
    """Also as it stands in an address: text."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and data.isascii() and data.isdecimal() and len(data) < 20:
            data = int(data)
        return super().to_internal_value(data)


class RangeSerializer(serializers.Serializer):
    first = serializers.DateField()
    last = serializers.DateField()


class GrownSerializer(serializers.Serializer):
    days = serializers.IntegerField()
    grown_bytes = serializers.IntegerField(allow_null=True, help_text=_("null: no size that old."))


# --- one instance, or one of its databases


class OneSerializer(StrictSerializer):
    database = fields.Text(
        required=False, max_length=255, trim_whitespace=False, help_text=_("None: the whole instance.")
    )


class GrowthAskedSerializer(OneSerializer):
    days = Count(required=False, default=90, min_value=1, max_value=MOST_DAYS, help_text=_("Up to today."))


class SizeDaySerializer(serializers.Serializer):
    date = serializers.DateField()
    total_bytes = serializers.IntegerField(allow_null=True, help_text=_("null: not collected, or unknown."))


class GrowthSerializer(serializers.Serializer):
    today = serializers.DateField()
    days = SizeDaySerializer(many=True, help_text=_("Oldest first, from the first one collected."))
    gaps = RangeSerializer(many=True, help_text=_("Days without a known size since then."))
    growth = GrownSerializer(many=True)


class ForecastAskedSerializer(OneSerializer):
    limit_bytes = Bytes(
        required=False, min_value=1, max_value=2**63 - 1, help_text=_("None: the limit that was set, if any.")
    )


class ForecastSerializer(serializers.Serializer):
    window_days = serializers.IntegerField()
    samples = serializers.IntegerField()
    bytes_per_day = serializers.FloatField(allow_null=True)
    percent_per_day = serializers.FloatField(allow_null=True)
    days_linear = serializers.IntegerField(allow_null=True, help_text=_("null: not at this rate."))
    days_compound = serializers.IntegerField(allow_null=True)


class ForecastsSerializer(serializers.Serializer):
    today = serializers.DateField()
    limit_bytes = serializers.IntegerField(allow_null=True)
    forecasts = ForecastSerializer(many=True, help_text=_("The shortest window first."))


def growth_of(instance: Instance, asked: dict[str, Any]) -> Any:
    today, database = day_of(clock.now()), asked.get("database", "")
    if database:
        days = figures.database_days(instance, database, until=today, most=asked["days"])
    else:
        days = figures.days(instance, until=today, most=asked["days"])
    known = [day.date for day in days if day.total_bytes is not None]
    since = today - timedelta(days=asked["days"] + max(fleet.BACK))
    samples = growth.samples_of(instance, database or None, since, today)
    return GrowthSerializer(
        {
            "today": today,
            "days": days,
            "gaps": _ranges(growth.gaps(known, known[0], today) if known else []),
            "growth": [
                {"days": back, "grown_bytes": growth.grown(samples, back, today=today)} for back in fleet.BACK
            ],
        }
    ).data


def forecast_of(instance: Instance, asked: dict[str, Any]) -> Any:
    today, database = day_of(clock.now()), asked.get("database", "")
    limit = asked.get("limit_bytes")
    if limit is None:
        rows = SizeLimit.objects.filter(instance=instance, database=database)
        limit = rows.values_list("limit_bytes", flat=True).first()
    found = growth.forecasts(instance, database or None, limit, today=today)
    return ForecastsSerializer({"today": today, "limit_bytes": limit, "forecasts": found}).data


def _ranges(pairs: list[tuple[date, date]]) -> list[dict[str, date]]:
    return [{"first": first, "last": last} for first, last in pairs]


# --- the fleet


class FleetAskedSerializer(ChoiceSerializer):
    days = Count(required=False, default=30, min_value=1, max_value=MOST_DAYS, help_text=_("Up to today."))


class PointSerializer(serializers.Serializer):
    date = serializers.DateField()
    total_bytes = serializers.IntegerField(allow_null=True, help_text=_("null: nothing was collected."))
    collected = serializers.IntegerField(help_text=_("Instances that were asked that day."))
    known = serializers.IntegerField(help_text=_("Instances of which a size was known by then."))


class FleetGrownSerializer(GrownSerializer):
    instances = serializers.IntegerField(help_text=_("Those with a size at both ends."))


class ShareSerializer(serializers.Serializer):
    word = serializers.CharField(help_text=_("Empty: none."))
    instances = serializers.IntegerField()
    total_bytes = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, help_text=_("0 to 1."))


class MemberSerializer(serializers.Serializer):
    instance = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    date = serializers.DateField(source="newest.0", allow_null=True, default=None)
    total_bytes = serializers.IntegerField(source="newest.1", allow_null=True, default=None)
    grown_bytes = serializers.SerializerMethodField(help_text=_("In 30 days; null: no size that old."))

    def get_grown_bytes(self, member: fleet.Member) -> int | None:
        return member.grown.get(fleet.BACK[-1])


class FullSerializer(serializers.ModelSerializer):
    instance = serializers.IntegerField(source="instance_id")
    name = serializers.CharField(source="instance.name")

    class Meta:
        model = SizeLimit
        fields = ("instance", "name", "database", "limit_bytes", "used_bytes", "full_on", "computed_at")


class FleetSerializer(serializers.Serializer):
    as_of = serializers.DateTimeField()
    today = serializers.DateField()
    total_bytes = serializers.IntegerField()
    instances = serializers.IntegerField()
    measured = serializers.IntegerField(help_text=_("Instances of which a size is known."))
    growth = FleetGrownSerializer(many=True)
    points = PointSerializer(many=True, help_text=_("A point a day up to 30 days, else a point a week."))
    gaps = RangeSerializer(many=True)
    by_dialect = ShareSerializer(many=True)
    by_environment = ShareSerializer(many=True)
    by_tag = ShareSerializer(many=True, help_text=_("An instance with several tags counts for each."))
    largest = MemberSerializer(many=True)
    growers = MemberSerializer(many=True)
    full_next = FullSerializer(many=True)
    stale = MemberSerializer(many=True, help_text=_("Active ones without a size of yesterday or today."))
    failing = serializers.ListField(child=serializers.CharField())


def asked_of(serializer_class: Any, request: Any) -> dict[str, Any]:
    asked = serializer_class(data=request.query_params.dict())
    asked.is_valid(raise_exception=True)
    values: dict[str, Any] = asked.validated_data
    return values


class FleetView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        "get": ("instances.view_instance", "instances.view_instancesize")
    }

    @extend_schema(parameters=[FleetAskedSerializer], responses=FleetSerializer)
    def get(self, request: Any) -> Response:
        """How large all instances are together, or those chosen, and were; who has which share; who needs somebody."""
        asked = asked_of(FleetAskedSerializer, request)
        choice, now = choice_of(asked, request.user), clock.now()
        found = fleet.summary(choice, asked["days"], today=day_of(now))
        tags = fleet.tags_of(choice)
        answer = {
            "as_of": now,
            "today": found.today,
            "total_bytes": found.total_bytes,
            "instances": len(found.members),
            "measured": found.measured,
            "growth": found.growth,
            "points": found.points,
            "gaps": _ranges(found.holes),
            "by_dialect": found.shares(lambda one: [one.dialect]),
            "by_environment": found.shares(lambda one: [one.environment]),
            "by_tag": found.shares(lambda one: tags.get(one.pk, [""])),
            "largest": found.largest,
            "growers": found.growers,
            "full_next": fleet.soonest_full(choice),
            "stale": found.stale[:MOST_NAMES],
            "failing": [one.name for one in found.members if one.failed][:MOST_NAMES],
        }
        return Response(FleetSerializer(answer).data)


class GrowersAskedSerializer(ChoiceSerializer):
    period = fields.Choice(choices=Period.choices, required=False, default=Period.WEEK.value)
    on = serializers.DateField(
        required=False, help_text=_("A day of the period; none: the last complete one.")
    )
    most = Count(required=False, default=20, min_value=1, max_value=MOST_GROWERS)


class GrowerSerializer(serializers.Serializer):
    instance = serializers.IntegerField(source="instance_id")
    name = serializers.CharField(source="instance.name")
    database = serializers.CharField()
    average_bytes = serializers.IntegerField()
    change_bytes = serializers.IntegerField()
    change_percent = serializers.FloatField(allow_null=True)


class GrowersSerializer(serializers.Serializer):
    period = serializers.ChoiceField(choices=Period.choices)
    start = serializers.DateField()
    end = serializers.DateField()
    databases = GrowerSerializer(many=True, help_text=_("By signed growth, the largest first."))


class GrowersView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        "get": ("instances.view_instance", "instances.view_databasesizeaggregate")
    }

    @extend_schema(parameters=[GrowersAskedSerializer], responses=GrowersSerializer)
    def get(self, request: Any) -> Response:
        """The databases that grew most in a period: its average against that of the period before."""
        asked = asked_of(GrowersAskedSerializer, request)
        choice = choice_of(asked, request.user)
        if day := asked.get("on"):
            span = periods.containing(asked["period"], day)
        else:
            span = periods.containing(asked["period"], day_of(clock.now())).previous()
        rows = growth.fastest(span.period, span.start, asked["most"], choice.instances())
        answer = {"period": span.period, "start": span.start, "end": span.end, "databases": rows}
        return Response(GrowersSerializer(answer).data)
