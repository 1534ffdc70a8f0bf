"""The fleet at a glance: how large it is and was, who has which share, who grows, who was not asked. Reads only.

A day's total is the sum of what is last known of each instance on that day, so that one that could not be asked makes
no dent; ``Point.collected`` says how many were asked. A day on which none was is a hole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby

from django.db.models import QuerySet

from instances.models import Instance, InstanceSize, SizeLimit, Tag
from instances.models.instance import InstanceQuerySet
from instances.models.restriction import Viewer
from instances.services import figures

#: Spans of the curve that a person can choose, in days; those beyond DAILY have a point a week.
SPANS = (30, 90, 365)
DAILY = 30
WEEK = 7
#: For how many days growth is told.
BACK = (1, 7, 30)
#: Days that are read of every instance, however coarse the curve: growth is told from them.
RECENT = BACK[-1] + WEEK
#: Lines of each list.
MOST = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """Which instances are meant; an empty word means all."""

    dialect: str = ""
    environment: str = ""
    tag: str = ""
    #: Who looks: what is hidden from her does not exist.
    viewer: Viewer = None

    @property
    def is_narrow(self) -> bool:
        return bool(self.dialect or self.environment or self.tag)

    def instances(self) -> InstanceQuerySet:
        """Those that are not in the recycle bin."""
        rows = Instance.objects.present().visible_to(self.viewer)
        rows = rows.filter(dialect=self.dialect) if self.dialect else rows
        rows = rows.filter(environment=self.environment) if self.environment else rows
        return rows.filter(tags__name=self.tag) if self.tag else rows


@dataclass(slots=True)
class Member:
    """One instance. ``newest``: the day and the bytes of its newest known size."""

    pk: int
    name: str
    dialect: str
    environment: str
    active: bool
    failed: bool
    newest: tuple[date, int] | None = None
    #: Days → how much it has grown since; without a size at both ends there is none.
    grown: dict[int, int] = field(default_factory=dict)

    @property
    def total_bytes(self) -> int:
        return self.newest[1] if self.newest else 0


@dataclass(frozen=True, slots=True)
class Point:
    """One day of the curve. ``total_bytes`` None: nothing was collected."""

    date: date
    total_bytes: int | None
    collected: int
    known: int


@dataclass(frozen=True, slots=True)
class Share:
    """A word (a dialect, an environment, a tag), its instances, its bytes, and their part of the whole: 0 to 1."""

    word: str
    instances: int
    total_bytes: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Growth:
    """Of the instances with a size at both ends: bytes more than ``days`` ago; None when there is no such instance."""

    days: int
    instances: int
    grown_bytes: int | None


@dataclass(frozen=True, slots=True)
class Fleet:
    today: date
    members: list[Member]
    points: list[Point]
    growth: list[Growth]

    @property
    def total_bytes(self) -> int:
        return sum(one.total_bytes for one in self.members)

    @property
    def measured(self) -> int:
        return sum(one.newest is not None for one in self.members)

    @property
    def holes(self) -> list[tuple[date, date]]:
        """From the first collection on: the ranges of points on which nothing was collected."""
        spans = groupby(self.points, key=lambda point: point.total_bytes is None)
        ranges = [(missing, list(points)) for missing, points in spans]
        return [(points[0].date, points[-1].date) for missing, points in ranges[1:] if missing]

    @property
    def largest(self) -> list[Member]:
        rows = [one for one in self.members if one.newest]
        return sorted(rows, key=lambda one: (-one.total_bytes, one.name))[:MOST]

    @property
    def growers(self) -> list[Member]:
        """The instances that grew most in the longest of ``BACK``, by signed growth."""
        rows = [one for one in self.members if one.grown.get(BACK[-1], 0) > 0]
        return sorted(rows, key=lambda one: (-one.grown[BACK[-1]], one.name))[:MOST]

    @property
    def stale(self) -> list[Member]:
        """Active ones of which neither today nor yesterday brought a size; the longest ago first."""
        oldest = self.today - timedelta(days=1)
        rows = [one for one in self.members if one.active and (not one.newest or one.newest[0] < oldest)]
        return sorted(rows, key=lambda one: (one.newest[0] if one.newest else date.min, one.name))

    def shares(self, words: Callable[[Member], Iterable[str]]) -> list[Share]:
        """The largest first."""
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for one in self.members:
            for word in words(one):
                counts[word][0] += 1
                counts[word][1] += one.total_bytes
        total = self.total_bytes
        rows = [
            Share(word, number, size, size / total if total else None)
            for word, (number, size) in counts.items()
        ]
        return sorted(rows, key=lambda row: (-row.total_bytes, row.word))


def summary(choice: Choice, span: int, *, today: date) -> Fleet:
    """In two queries, or four when some were last collected long ago. ``span``: days of the curve."""
    members = _members(choice)
    days = _days(span, today)
    recent = [today - timedelta(days=back) for back in range(RECENT)]
    rows = InstanceSize.objects.filter(date__in={*days, *recent})
    if choice.is_narrow:
        rows = rows.filter(instance_id__in=list(members))
    found = rows.order_by("date").values_list("date", "instance_id", "total_bytes")
    samples = [(day, pk, size) for day, pk, size in found if pk in members and size is not None]
    asked = {pk for day, pk, _size in samples if day >= recent[-1]}
    late = figures.newest_totals(members.keys() - asked) if members.keys() - asked else {}
    return _walk(members, days, samples, late, today)


def tags_of(choice: Choice) -> dict[int, list[str]]:
    """The names of each instance's tags."""
    found: dict[int, list[str]] = defaultdict(list)
    through = Tag.instances.through.objects.filter(instance__in=choice.instances())
    for pk, name in through.order_by("tag__name").values_list("instance_id", "tag__name"):
        found[pk].append(name)
    return found


def soonest_full(choice: Choice) -> QuerySet[SizeLimit]:
    """The limits that are reached first, as of the last night."""
    rows = SizeLimit.objects.filter(instance__in=choice.instances(), full_on__isnull=False)
    return rows.select_related("instance").order_by("full_on", "pk")[:MOST]


def _members(choice: Choice) -> dict[int, Member]:
    rows = choice.instances().order_by("name")
    columns = rows.values_list("pk", "name", "dialect", "environment", "active", "status")
    return {
        pk: Member(pk, name, dialect, environment, active, failed=active and status == Instance.Status.FAILED)
        for pk, name, dialect, environment, active, status in columns
    }


def _days(span: int, today: date) -> list[date]:
    """The days that have a point, oldest first; the last is today."""
    step = 1 if span <= DAILY else WEEK
    return [today - timedelta(days=back) for back in range(0, span, step)][::-1]


Sample = tuple[date, int, int]


def _walk(
    members: dict[int, Member],
    days: list[date],
    samples: list[Sample],
    late: dict[int, tuple[date, int | None]],
    today: date,
) -> Fleet:
    """Goes through the days once, with what is last known of each instance in hand.

    ``late``: the newest day and size of those that no recent sample is of.
    """
    sampled = {pk for _day, pk, _size in samples}
    now = {pk: size for pk, (_day, size) in late.items() if pk not in sampled and size is not None}
    total = sum(now.values())
    by_day = {day: list(rows) for day, rows in groupby(samples, key=lambda row: row[0])}
    cuts = {today - timedelta(days=back): back for back in BACK}
    points: dict[date, Point] = {}
    ends: dict[int, dict[int, int]] = {}
    for day in sorted({*by_day, *days, *cuts}):
        rows = by_day.get(day, [])
        for _day, pk, size in rows:
            total += size - now.get(pk, 0)
            now[pk] = size
            members[pk].newest = (day, size)
        points[day] = Point(day, total if rows else None, len(rows), len(now))
        if day in cuts:
            ends[cuts[day]] = dict(now)
    for pk, (day, known) in late.items():
        if known is not None:
            members[pk].newest = (day, known)
    growth = [_growth(members, ends[back], now, back) for back in BACK]
    return Fleet(today, list(members.values()), [points[day] for day in days], growth)


def _growth(members: dict[int, Member], then: dict[int, int], now: dict[int, int], back: int) -> Growth:
    for pk, size in then.items():
        members[pk].grown[back] = now[pk] - size
    grown = sum(now[pk] - size for pk, size in then.items())
    return Growth(back, len(then), grown if then else None)
