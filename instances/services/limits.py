"""Limits of sizes, and on which day each is reached as far as the last days tell."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from instances.models import Instance, SizeLimit
from instances.services import growth
from instances.services.sizes import day_of
from scheduling import clock
from scheduling.services.actor import Actor

#: Days that a stored forecast rests on, at most.
WINDOW_DAYS = growth.WINDOWS[1]
FORECAST = ("used_bytes", "growth_per_day_bytes", "full_on", "computed_at")

#: Each 1024 of the one before, as pages write sizes. "T", "TB" and "TiB" are one unit.
POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,6})?)\s*([KMGTP]?)(?:I?B)?\s*", re.IGNORECASE | re.ASCII)
MOST_BYTES = 2**63 - 1


def bytes_of(text: str) -> int:
    """ "500 GiB", "1.5T" or "1024" in bytes. Raises ``ValidationError``."""
    found = SIZE.fullmatch(text)
    count = round(float(found[1]) * 1024 ** POWERS[found[2].upper()]) if found else 0
    if not 1 <= count <= MOST_BYTES:
        raise ValidationError(_("“%(text)s” is no size: give one such as 500 GiB.") % {"text": text[:100]})
    return count


def text_of(count: int) -> str:
    """The exact way back: in the largest unit that leaves a whole number."""
    power = max(power for power in POWERS.values() if count % 1024**power == 0)
    return f"{count // 1024**power} {UNITS[power]}"


def save(limit: SizeLimit, *, actor: Actor) -> SizeLimit:
    """Stores a new or an edited limit with its forecast. Raises ``ValidationError``."""
    limit.full_clean()
    _compute(limit, day_of(clock.now()), clock.now())
    limit.save()
    return limit


def delete(limit: SizeLimit, *, actor: Actor) -> None:
    """The sizes stay."""
    limit.delete()


def refresh(instance: Instance, today: date, *, now: datetime) -> None:
    """Computes the forecasts of an instance's limits anew."""
    limits = list(SizeLimit.objects.filter(instance=instance))
    for limit in limits:
        _compute(limit, today, now)
    SizeLimit.objects.bulk_update(limits, FORECAST, batch_size=100)


def _compute(limit: SizeLimit, today: date, now: datetime) -> None:
    first = today - timedelta(days=WINDOW_DAYS - 1)
    samples = growth.samples_of(limit.instance, limit.database or None, first, today)
    found = growth.forecast(samples, limit.limit_bytes, WINDOW_DAYS, today=today)
    limit.used_bytes = samples[-1][1] if samples else None
    limit.growth_per_day_bytes = None if found.bytes_per_day is None else round(found.bytes_per_day)
    limit.full_on = None if found.days_linear is None else today + timedelta(days=found.days_linear)
    limit.computed_at = now
