"""The page of the fleet: how large it is, who grows, what is full next, and who was not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from instances import dialects
from instances.admin.chart import chart
from instances.models import Instance, Period, SizeAnomaly, Tag
from instances.services import fleet, growth, periods
from instances.services.sizes import day_of
from scheduling import clock

#: Lines of the lists of those that need somebody.
MOST_NAMED = 20
#: Days of which jumps are told.
JUMP_DAYS = 30
DEFAULT_PERIOD = Period.WEEK.value


@require_GET
def fleet_view(request: HttpRequest) -> HttpResponse:
    """Shown to whoever may see instances and their sizes. What the address gets wrong is as if it were not there."""
    user = request.user
    if not user.has_perm("instances.view_instance") or not user.has_perm("instances.view_instancesize"):
        raise PermissionDenied
    now = clock.now()
    today = day_of(now)
    kinds: dict[str, str] = dict(dialects.choices())
    environments = {str(value): str(label) for value, label in Instance.Environment.choices}
    tags = {name: label or name for name, label in Tag.objects.values_list("name", "label")}
    choice = fleet.Choice(
        dialect=_known(request, "dialect", kinds),
        environment=_known(request, "environment", environments),
        tag=_known(request, "tag", tags),
        viewer=user,
    )
    span = int(_known(request, "days", map(str, fleet.SPANS)) or fleet.SPANS[0])
    period = _known(request, "period", Period.values) or DEFAULT_PERIOD
    found = fleet.summary(choice, span, today=today)
    tagged = fleet.tags_of(choice)
    context = {
        **admin.site.each_context(request),
        "title": _("Fleet"),
        "as_of": now,
        "choice": choice,
        "kinds": kinds,
        "environments": environments,
        "tags": tags,
        "fleet": found,
        "span": span,
        "spans": fleet.SPANS,
        "chart": chart([(point.date, point.total_bytes) for point in found.points]),
        "shares": [
            ("dialect", _("By kind"), _shares(found, lambda one: [one.dialect], kinds)),
            ("environment", _("By environment"), _shares(found, lambda one: [one.environment], environments)),
            ("tag", _("By tag"), _shares(found, lambda one: tagged.get(one.pk, [""]), tags)),
        ],
        "period": period,
        "periods": Period.choices,
        "last": (last := periods.containing(period, today).previous()),
        "databases": growth.fastest(period, last.start, fleet.MOST, _of(choice), viewer=user),
        "full": list(fleet.soonest_full(choice)),
        "jumps": _jumps(choice, today - timedelta(days=JUMP_DAYS)),
        "jump_days": JUMP_DAYS,
        "stale": found.stale[:MOST_NAMED],
        "failing": _failing(choice, found),
        "failed": sum(one.failed for one in found.members),
    }
    return render(request, "instances/fleet.html", context)


def _known(request: HttpRequest, name: str, values: Iterable[str]) -> str:
    given = request.GET.get(name, "")
    return given if given in values else ""


def _of(choice: fleet.Choice) -> Any:
    """None for all: rows are not compared with a list that names everybody."""
    return choice.instances() if choice.is_narrow else None


def _shares(
    found: fleet.Fleet, words: Callable[[fleet.Member], Iterable[str]], labels: dict[str, str]
) -> list[tuple[fleet.Share, str]]:
    return [(row, labels.get(row.word, row.word) or _("none")) for row in found.shares(words)]


def _jumps(choice: fleet.Choice, since: Any) -> list[SizeAnomaly]:
    rows = SizeAnomaly.objects.filter(date__gte=since, instance__in=choice.instances())
    return list(rows.select_related("instance").order_by("-date", "-instance")[: fleet.MOST])


def _failing(choice: fleet.Choice, found: fleet.Fleet) -> list[Instance]:
    if not any(one.failed for one in found.members):
        return []
    rows = choice.instances().filter(active=True, status=Instance.Status.FAILED)
    return list(rows.only("name", "last_error", "last_connected_at").order_by("name")[:MOST_NAMED])
