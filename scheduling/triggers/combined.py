"""Schedules made of schedules: any of them, all of them at once, or one without another."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduling.exceptions import InvalidTrigger

from .base import MICROSECOND, ClockEffect, Terms, Trigger
from .inputs import PARAMS, mapping, quoted, refusal
from .zones import ClockShift

MOST_PARTS = 20
#: Combinations within combinations within combinations.
MOST_DEPTH = 3
#: Steps of the parts that one step of the whole may cost.
MOST_STEPS = 20_000
PART_KEYS = ("trigger", "params")
#: Takes a part to its nearest instant in one direction.
Step = Callable[[Trigger, datetime], datetime | None]
#: The worst first: of several effects of one clock change this one is told.
EFFECTS = ("skipped", "runs_twice", "runs_once", "shifts", "unaffected")


class CombinedTrigger(Trigger):
    """What the combinations share. Parts have the zone and clock policies of the whole."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Trigger], terms: Terms) -> None:
        self.parts = tuple(parts)
        self.terms = terms

    def warnings(self) -> list[str]:
        return list(dict.fromkeys(text for part in self.parts for text in part.warnings()))

    def clock_effect(self, shift: ClockShift) -> ClockEffect:
        effects = [part.clock_effect(shift) for part in self.parts]
        return min(effects, key=lambda effect: EFFECTS.index(effect.code))

    @property
    def depends_on_key(self) -> bool:
        return any(part.depends_on_key for part in self.parts)

    @abstractmethod
    def describe(self) -> str: ...


class ListedTrigger(CombinedTrigger):
    """A combination of equals."""

    keys: ClassVar[tuple[str, ...]] = ("triggers",)

    __slots__ = ()

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: `triggers`, a list of `trigger` and `params`."""
        return cls(_parts("triggers", mapping(params, cls.keys).get("triggers"), terms, least=2), terms)


class AnyOfTrigger(ListedTrigger):
    """Fires whenever one of its parts does; once where several do."""

    kind: ClassVar[str] = "any_of"
    label: ClassVar[object] = gettext_lazy("Any of several schedules")

    __slots__ = ()

    def at_or_after(self, instant: datetime) -> datetime | None:
        found = (part.at_or_after(instant) for part in self.parts)
        return min((at for at in found if at is not None), default=None)

    def at_or_before(self, instant: datetime) -> datetime | None:
        found = (part.at_or_before(instant) for part in self.parts)
        return max((at for at in found if at is not None), default=None)

    def warnings(self) -> list[str]:
        """What holds of all parts holds of the whole; the rest is said of the part that it holds of."""
        of_parts = [(part, part.warnings()) for part in self.parts]
        shared = [text for text in of_parts[0][1] if all(text in texts for _part, texts in of_parts)]
        return shared + [
            _("%(schedule)s: %(warning)s") % {"schedule": part.describe(), "warning": text}
            for part, texts in of_parts
            for text in texts
            if text not in shared
        ]

    def describe(self) -> str:
        return _("Whenever one of these is due: %(schedules)s") % {"schedules": _described(self.parts)}


class AllOfTrigger(ListedTrigger):
    """Fires at the instants that all of its parts have. Parts that never meet are refused."""

    kind: ClassVar[str] = "all_of"
    label: ClassVar[object] = gettext_lazy("All of several schedules at once")

    __slots__ = ()

    def at_or_after(self, instant: datetime) -> datetime | None:
        return self._meeting(instant, lambda part, at: part.at_or_after(at), max)

    def at_or_before(self, instant: datetime) -> datetime | None:
        return self._meeting(instant, lambda part, at: part.at_or_before(at), min)

    def _meeting(
        self, instant: datetime, step: Step, farthest: Callable[[list[datetime]], datetime]
    ) -> datetime | None:
        """All parts step to where the farthest of them is, until they are at the same instant."""
        for _step in range(MOST_STEPS // len(self.parts)):
            found = [at for part in self.parts if (at := step(part, instant)) is not None]
            if len(found) < len(self.parts):
                return None
            instant = farthest(found)
            if all(at == instant for at in found):
                return instant
        raise _too_many_steps()

    def describe(self) -> str:
        return _("Whenever all of these are due at once: %(schedules)s") % {
            "schedules": _described(self.parts)
        }


class ExceptTrigger(CombinedTrigger):
    """Fires as its first part does, but for the instants that one of the others has, too."""

    kind: ClassVar[str] = "except"
    label: ClassVar[object] = gettext_lazy("A schedule without another")
    keys: ClassVar[tuple[str, ...]] = ("base", "except")

    __slots__ = ()

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: `base`, a mapping of `trigger` and `params`, and `except`, a list of them."""
        given = mapping(params, cls.keys)
        base = _parts("base", [given.get("base")], terms, least=1)
        return cls((*base, *_parts("except", given.get("except"), terms, least=1)), terms)

    def at_or_after(self, instant: datetime) -> datetime | None:
        return self._spared(instant, lambda part, at: part.at_or_after(at), MICROSECOND)

    def at_or_before(self, instant: datetime) -> datetime | None:
        return self._spared(instant, lambda part, at: part.at_or_before(at), -MICROSECOND)

    def _spared(self, instant: datetime, step: Step, past: timedelta) -> datetime | None:
        """The base steps on, past each instant that one of the exceptions has, too."""
        base, *others = self.parts
        for _step in range(MOST_STEPS // len(others)):
            found = step(base, instant)
            if found is None or all(step(other, found) != found for other in others):
                return found
            instant = found + past
        raise _too_many_steps()

    def warnings(self) -> list[str]:
        return self.parts[0].warnings()

    def clock_effect(self, shift: ClockShift) -> ClockEffect:
        return self.parts[0].clock_effect(shift)

    def describe(self) -> str:
        base, *others = self.parts
        return _("%(schedule)s, except when this is due: %(exceptions)s") % {
            "schedule": base.describe(),
            "exceptions": _described(others),
        }


def _parts(name: str, values: object, terms: Terms, *, least: int) -> list[Trigger]:
    """The parts of one key. Raises InvalidTrigger whose sentences begin with the part's place."""
    if not isinstance(values, list | tuple) or not least <= len(values) <= MOST_PARTS:
        text = _("%(name)s: a list of %(least)d to %(most)d schedules is needed, not %(value)s.")
        raise refusal(text % {"name": name, "least": least, "most": MOST_PARTS, "value": quoted(values)})
    if terms.depth >= MOST_DEPTH:
        raise refusal(
            _("%(name)s: nested too deeply; %(most)d levels are allowed.")
            % {"name": name, "most": MOST_DEPTH}
        )
    found: list[Trigger] = []
    problems: list[str] = []
    for number, value in enumerate(values, 1):
        place = name if name == "base" else f"{name}[{number}]"
        try:
            found.append(_part(value, terms.deeper()))
        except InvalidTrigger as problem:
            problems += [f"{place}: {text}" for texts in problem.errors.values() for text in texts]
    if problems:
        raise InvalidTrigger({PARAMS: problems})
    return found


def _part(value: object, terms: Terms) -> Trigger:
    from .kinds import kind_named  # the table of kinds has this one, too

    if not isinstance(value, Mapping):
        text = _("A mapping with the keys %(allowed)s is needed, not %(value)s.")
        raise refusal(text % {"allowed": ", ".join(PART_KEYS), "value": quoted(value)})
    given = mapping(value, PART_KEYS)
    kind = kind_named(given.get("trigger"))
    if not kind.timed:
        raise refusal(_("A schedule that has no times cannot be part of another."))
    params = given.get("params", {})
    part = kind.from_params(params, terms)  # type: ignore[arg-type]  # it says itself when that is no mapping
    if part.follows_end:
        raise refusal(_("A schedule that waits for the end of a run cannot be part of another."))
    return part


def _described(parts: Sequence[Trigger]) -> str:
    return _("; ").join(part.describe() for part in parts)


def _too_many_steps() -> InvalidTrigger:
    text = _("The schedules of this combination do not meet, or exclude each other, within %(most)d steps.")
    return refusal(text % {"most": MOST_STEPS})
