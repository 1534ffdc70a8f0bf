"""A line of sizes over days, drawn on the server: the browser needs nothing for it. A day without a size is a hole.

The template stretches the drawing to its place; words stand beside it, so that they never are. Each chart has its
figures as a table near it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from django.utils.formats import number_format

from instances.services.limits import UNITS
from jobsite.templatetags.jobsite import size

WIDTH, HEIGHT = 1_000, 200
#: A scale has at most so many steps.
MOST_STEPS = 5
#: A limit further away than so many times the largest size would press the line flat: it is told in words alone.
LIMIT_IN_SIGHT = 2


@dataclass(frozen=True, slots=True)
class Scale:
    """From zero upwards, in one unit."""

    power: int
    #: The length of a step, in the unit.
    step: float
    steps: int

    @classmethod
    def up_to(cls, highest: int) -> Scale:
        """In the unit of the highest size, by steps of 1, 2 or 5 times a power of ten."""
        power = next(
            power for power in range(len(UNITS)) if highest < 1024 ** (power + 1) or power + 1 == len(UNITS)
        )
        value = max(highest, 1) / 1024**power
        least = -1 if power else 0  # there are tenths of a KiB, but no tenths of a byte
        lengths = (factor * 10**ten for ten in range(least, 6) for factor in (1, 2, 5))
        step = next(length for length in lengths if length * MOST_STEPS >= value)
        return cls(power, step, max(1, math.ceil(value / step)))

    @property
    def top_bytes(self) -> float:
        return self.step * self.steps * float(1024**self.power)

    def words(self) -> list[str]:
        """From top to bottom."""
        places = 1 if self.step < 1 else 0
        numbers = (number_format(self.step * number, places) for number in range(self.steps, 0, -1))
        return [f"{number} {UNITS[self.power]}" for number in numbers] + ["0"]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the pointer learns the size of a day."""

    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    #: Points of each unbroken stretch, and of days that stand alone.
    lines: list[str]
    dots: list[tuple[float, float]]
    #: Heights of the scale's lines, and its words from top to bottom.
    grid: list[float]
    scale: list[str]
    #: The days below the drawing, evenly spaced.
    dates: list[date]
    limit: float | None
    spots: list[Spot]
    width: int = WIDTH
    height: int = HEIGHT


def chart(points: Sequence[tuple[date, int | None]], limit_bytes: int | None = None) -> Chart | None:
    """None when no day has a size."""
    known = [total for _day, total in points if total is not None]
    if not known:
        return None
    highest = max(known)
    near = limit_bytes is not None and limit_bytes <= LIMIT_IN_SIGHT * highest
    scale = Scale.up_to(max(highest, limit_bytes) if near and limit_bytes else highest)
    apart = WIDTH / max(len(points) - 1, 1)

    def height(total: int) -> float:
        return round(HEIGHT - HEIGHT * total / scale.top_bytes, 1)

    stretches = []
    for is_hole, stretch in groupby(enumerate(points), key=lambda entry: entry[1][1] is None):
        if not is_hole:
            stretches.append(
                [(round(at * apart, 1), height(total)) for at, (_day, total) in stretch if total is not None]
            )
    return Chart(
        lines=[" ".join(f"{x},{y}" for x, y in one) for one in stretches if len(one) > 1],
        dots=[one[0] for one in stretches if len(one) == 1],
        grid=[HEIGHT - HEIGHT * number / scale.steps for number in range(scale.steps + 1)],
        scale=scale.words(),
        dates=_few([day for day, _total in points]),
        limit=height(limit_bytes) if near and limit_bytes else None,
        spots=list(_spots(points, apart)),
    )


def _few(days: list[date]) -> list[date]:
    """The first, the last, and some between them; as evenly spaced as whole days can be."""
    parts = min(4, len(days) - 1)
    return [days[round((len(days) - 1) * number / parts)] for number in range(parts + 1)] if parts else days


def _spots(points: Sequence[tuple[date, int | None]], apart: float) -> Iterator[Spot]:
    for at, (day, total) in enumerate(points):
        yield Spot(round((at - 0.5) * apart, 1), round(apart, 1), f"{day.isoformat()}: {size(total)}")
