"""Who asks for a change, by which way, and why: written down with the change itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: The ways by which a change can come.
SOURCES = ("admin", "api", "command", "yaml", "system")


@dataclass(frozen=True, slots=True)
class Actor:
    # A user of django.contrib.auth; None: nobody is logged in (a command, the scheduler itself).
    user: Any = None
    source: str = "system"
    reason: str = ""

    @property
    def user_id(self) -> int | None:
        return self.user.pk if self.user is not None and self.user.pk else None


SYSTEM = Actor()
