"""What may be done with tags."""

from __future__ import annotations

from instances.models import Tag
from scheduling.services.actor import Actor


def save(tag: Tag, *, actor: Actor) -> Tag:
    """Stores a new or an edited tag. Raises ``ValidationError``."""
    tag.full_clean()
    tag.save()
    return tag


def delete(tag: Tag, *, actor: Actor) -> None:
    """Takes it off every instance, too."""
    tag.delete()
