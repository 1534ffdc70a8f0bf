"""No schedule: runs come from people, programs and other tasks only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .base import Terms, Trigger
from .inputs import mapping


class ManualTrigger(Trigger):
    """Never fires by itself."""

    kind: ClassVar[str] = "manual"
    label: ClassVar[object] = gettext_lazy("By hand only")
    keys: ClassVar[tuple[str, ...]] = ()
    timed: ClassVar[bool] = False

    __slots__ = ()

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: none."""
        mapping(params, cls.keys)
        return cls(terms)

    def at_or_after(self, instant: datetime) -> datetime | None:
        return None

    def at_or_before(self, instant: datetime) -> datetime | None:
        return None

    def describe(self) -> str:
        return _("Only when somebody asks for it")
