"""Tasks that compute sizes by day, week, month and quarter, or tell how that stands."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from instances.exceptions import OptionsInvalid
from instances.models import Instance
from instances.services import aggregate_retention, aggregation, periods, sizes, status, validation
from instances.services import instances as fleet
from instances.services.periods import Span
from instances.tasks.words import InstanceName, InstanceNames, nothing_to_do, origin_of_run, report
from scheduling import clock
from scheduling.context import current_run
from scheduling.registry import task

PeriodName = Literal["day", "week", "month", "quarter"]
Months = Annotated[int, Field(ge=1, le=1_200)]

#: Periods that one task computes, at most.
MOST_PERIODS = 4_000


@task(gettext_lazy("Compute sizes by period"), category="processing")
def calculate_database_size_aggregations() -> dict[str, Any]:
    """Computes the last complete day, week, month and quarter of every instance, and refreshes the running ones.
    Looks for jumps in size, too.
    """
    return _compute(list(Instance.objects.present().order_by("name")), None, single=False)


@task(gettext_lazy("Compute sizes by period for one instance"), category="processing")
def calculate_instance_aggregations(instance: InstanceName) -> dict[str, Any]:
    """Computes the last complete and the running day, week, month and quarter of one instance.

    Args:
        instance: The instance's name.
    """
    return _compute(fleet.present([instance]), None, single=True)


@task(gettext_lazy("Compute chosen periods anew"), category="processing")
def calculate_period_aggregations(
    period: PeriodName, first: date, last: date | None = None, instances: InstanceNames | None = None
) -> dict[str, Any]:
    """Computes all periods of one kind that touch a range of days. What rests on more samples than are left stays.

    Args:
        period: The kind of period.
        first: The first day of the range.
        last: The last day of the range; none: the day the task runs.
        instances: Names of instances; none: all of them.
    """
    until = last or sizes.day_of(clock.now())
    if until < first:
        raise OptionsInvalid(
            [_("The last day (%(last)s) is before the first (%(first)s).") % {"last": until, "first": first}]
        )
    spans = list(periods.between(period, first, until))
    if len(spans) > MOST_PERIODS:
        raise OptionsInvalid(
            [
                _("That are %(count)d periods; at most %(most)d are computed at once.")
                % {"count": len(spans), "most": MOST_PERIODS}
            ]
        )
    return _compute(fleet.present(instances), spans, single=False)


@task(gettext_lazy("Status of the sizes by period"), category="monitoring")
def get_aggregation_status() -> dict[str, Any]:
    """Tells, for each kind of period, which one was computed last and for which instances it is missing."""
    return status.aggregation(now=clock.now())


@task(gettext_lazy("Check the configuration of the sizes by period"), category="monitoring")
def validate_aggregation_config() -> dict[str, Any]:
    """Looks at what the computation rests on; fails with a sentence for each fault."""
    return validation.passed(validation.aggregation())


@task(gettext_lazy("Clean up old sizes by period"), category="maintenance")
def cleanup_old_aggregations(
    day_months: Months = 13,
    week_months: Months = 25,
    month_months: Months = 120,
    quarter_months: Months = 240,
    jump_months: Months = 25,
) -> dict[str, Any]:
    """Removes periods that ended, and jumps in size that were found, longer ago than so many months; in small steps.

    Args:
        day_months: Months that days stay.
        week_months: Months that weeks stay.
        month_months: Months that months stay.
        quarter_months: Months that quarters stay.
        jump_months: Months that jumps in size stay.
    """
    keep = {"day": day_months, "week": week_months, "month": month_months, "quarter": quarter_months}
    today = sizes.day_of(clock.now())
    removed = aggregate_retention.cleanup(keep, today=today)
    removed["jump"] = aggregate_retention.cleanup_jumps(jump_months, today=today)
    return {"removed": removed, "total": sum(removed.values())}


def _compute(chosen: list[Instance], spans: list[Span] | None, *, single: bool) -> dict[str, Any]:
    if not chosen:
        return nothing_to_do(_("There is no instance to compute for."))
    run = current_run()
    session = aggregation.run(
        chosen, spans=spans, origin=origin_of_run(single=single), execution_id=run.execution_id or None
    )
    return report(session)
