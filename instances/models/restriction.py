"""Which people an instance is for, and the one door through which rows of instances are seen.

Whoever lists or looks up an instance, or a row that hangs off one, for a person does it through ``of_visible``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib.auth.models import AbstractUser, AnonymousUser, Group
from django.db import models
from django.utils.translation import gettext_lazy as _

Rows = TypeVar("Rows", bound="models.QuerySet[Any]")
#: Who looks. None: the installation itself, by its commands and its tasks.
Viewer = AbstractUser | AnonymousUser | None


class Restriction(models.Model):
    """One of the roles that an instance is restricted to. An instance without any is for everybody."""

    instance = models.ForeignKey(
        "instances.Instance", verbose_name=_("instance"), on_delete=models.CASCADE, related_name="restrictions",
        db_index=False,
    )  # fmt: skip
    # A role that went would open its instances to everybody.
    group = models.ForeignKey(Group, verbose_name=_("role"), on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("restriction")
        verbose_name_plural = _("restrictions")
        default_permissions = ()
        constraints = (models.UniqueConstraint(name="restriction_once", fields=["instance", "group"]),)

    def __str__(self) -> str:
        """Without the instance's name: it is told to whoever may not delete the role."""
        return str(_("of the instance with the number %d")) % self.instance_id


def of_visible(rows: Rows, viewer: Viewer, instance: str = "instance") -> Rows:
    """The rows of instances that the viewer may see; ``instance`` is the rows' way to it.

    What is hidden is named by a query of its own, so that the rows are still read along their index: it is answered
    once, and has nothing to look at where nothing is restricted.
    """
    if sees_everything(viewer):
        return rows
    return rows.exclude(**{f"{instance}__in": hidden_from(viewer)})


def sees_everything(viewer: Viewer) -> bool:
    return viewer is None or (viewer.is_active and viewer.is_superuser)


def hidden_from(viewer: AbstractUser | AnonymousUser | None) -> models.QuerySet[Restriction, int]:
    """The keys of restricted instances that are not for the viewer."""
    restricted = Restriction.objects.values_list("instance", flat=True)
    if viewer is None or viewer.pk is None:  # compared with NULL, a role without members would be theirs
        return restricted
    return restricted.exclude(
        instance__in=Restriction.objects.filter(group__user=viewer.pk).values("instance")
    )
