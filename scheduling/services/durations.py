"""How long runs take, kept as numbers in buckets that can be added up: medians of millions without reading them.

Bucket b holds the durations of exp(b/10) - 1 to exp((b+1)/10) - 1 milliseconds, so what is read from it is
right to about 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import F, FloatField, IntegerField
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Floor, Greatest, Ln

STEPS = 10


def bucket_of(name: str) -> Combinable:
    """The bucket of a column of milliseconds, as an expression."""
    whole = Greatest(F(name), 0)
    return Cast(Floor(Ln(Cast(whole, FloatField()) + 1.0) * float(STEPS)), IntegerField())


def percentile(buckets: Mapping[int, int], share: float) -> int | None:
    """The duration in milliseconds that ``share`` (0 to 1) of the counted runs did not exceed; None without runs."""
    total = sum(buckets.values())
    if not total:
        return None
    rank = max(1, math.ceil(share * total))
    for bucket in sorted(buckets):
        rank -= buckets[bucket]
        if rank <= 0:
            return round(math.exp((bucket + 0.5) / STEPS) - 1)
    raise AssertionError  # the ranks were counted from the same numbers


def merged(parts: Iterable[Mapping[str, int]]) -> dict[int, int]:
    """The sum of stored buckets, whose keys are text in JSON."""
    total: dict[int, int] = {}
    for part in parts:
        for bucket, number in part.items():
            total[int(bucket)] = total.get(int(bucket), 0) + number
    return total


def exact(milliseconds: Sequence[int], share: float) -> int | None:
    """The same of durations that are at hand: the nearest rank."""
    if not milliseconds:
        return None
    return sorted(milliseconds)[max(1, math.ceil(share * len(milliseconds))) - 1]
