"""Who sees what, of those who ask services: the installation's own commands and tasks see everything."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser

from instances.models.restriction import Viewer
from scheduling.services.actor import Actor


def is_operator(actor: Actor) -> bool:
    """Whoever runs commands on the server can read the key file, and the scheduler runs what people have planned."""
    return actor.user is None and actor.source in ("command", "system")


def viewer_of(actor: Actor) -> Viewer:
    if is_operator(actor):
        return None
    return actor.user if actor.user is not None else AnonymousUser()
