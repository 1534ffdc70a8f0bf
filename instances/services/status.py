"""How the collections and what is computed from them stand, as plain values for tasks, pages and the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from instances.models import Instance, InstanceSize, InstanceSizeAggregate, SyncSession
from instances.models.restriction import Viewer
from instances.services import periods, sizes

#: Names of instances that a list repeats.
MOST_NAMES = 50


def collection(*, now: datetime) -> dict[str, Any]:
    """Today's sizes by instance, and the last session of each kind."""
    day = sizes.day_of(now)
    active = dict(Instance.objects.collectable().values_list("pk", "name"))
    collected = (
        set(InstanceSize.objects.filter(date=day).values_list("instance_id", flat=True)) & active.keys()
    )
    missing = sorted(name for key, name in active.items() if key not in collected)
    failed = Instance.objects.collectable().filter(status=Instance.Status.FAILED)
    return {
        "day": day.isoformat(),
        "active_instances": len(active),
        "collected_today": len(collected),
        "missing_today": missing[:MOST_NAMES],
        "missing_count": len(missing),
        "unreachable": list(failed.values_list("name", flat=True)[:MOST_NAMES]),
        "last_sessions": {
            category: _last(category)
            for category in (SyncSession.Category.SIZE.value, SyncSession.Category.ACCOUNT.value)
        },
    }


def aggregation(*, now: datetime, viewer: Viewer = None) -> dict[str, Any]:
    """The last complete and the running period of each kind: how many instances have them, and which do not.

    Two queries. Instances that the viewer may not see are left out.
    """
    today = sizes.day_of(now)
    spans = periods.due(today)
    flags: dict[str, Exists] = {}
    for number, span in enumerate(spans):
        mine = {"instance": OuterRef("pk")}
        computed = InstanceSizeAggregate.objects.filter(**mine, period=span.period, start=span.start)
        measured = InstanceSize.objects.filter(
            **mine, date__range=(span.start, span.end), total_bytes__isnull=False
        )
        flags |= {f"has_{number}": Exists(computed), f"wants_{number}": Exists(measured)}
    present = Instance.objects.present().visible_to(viewer).order_by("name")
    rows = list(present.annotate(**flags).values("name", *flags))
    found = {}
    for number, span in enumerate(spans):
        missing = [row["name"] for row in rows if row[f"wants_{number}"] and not row[f"has_{number}"]]
        found[f"{'last' if span.is_over(today) else 'running'} {span.period}"] = {
            "start": span.start.isoformat(),
            "end": span.end.isoformat(),
            "instances": sum(row[f"has_{number}"] for row in rows),
            "missing": missing[:MOST_NAMES],
            "missing_count": len(missing),
        }
    return {
        "day": today.isoformat(),
        "periods": found,
        "last_session": _last(SyncSession.Category.AGGREGATION),
    }


def _last(category: str) -> dict[str, Any] | None:
    session = SyncSession.objects.filter(category=category).order_by("-started_at").first()
    if session is None:
        return None
    return {
        "session": str(session.pk),
        "status": session.status,
        "started_at": session.started_at.isoformat(),
        "finished_at": session.finished_at.isoformat() if session.finished_at else None,
        "total": session.total,
        "succeeded": session.succeeded,
        "failed": session.failed,
        "skipped": session.skipped,
    }
