"""Accounts of managed servers with their rights, and what changed. Written by ``services.accounts``."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from instances.models.instance import Instance
from instances.models.session import SyncSession
from jobsite.fields import ExactCharField


class InstanceAccount(models.Model):
    class Kind(models.TextChoices):
        USER = "user", _("user")
        ROLE = "role", _("role")
        PUBLIC = "public", _("everybody")

    instance = models.ForeignKey(
        Instance,
        verbose_name=_("instance"),
        on_delete=models.CASCADE,
        related_name="accounts",
        db_index=False,
    )
    # As people of this kind of database write it: "app", "app@10.0.%".
    name = ExactCharField(_("name"), max_length=400)
    username = ExactCharField(_("user name"), max_length=255)
    host = ExactCharField(_("host"), max_length=255, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.USER)
    superuser = models.BooleanField(_("superuser"), default=False)
    locked = models.BooleanField(_("cannot log in"), default=False)
    grant_admin = models.BooleanField(_("may give rights"), default=False)
    expires_at = models.DateTimeField(_("expires"), null=True)
    # What else the server keeps of it (dialects.readings.AccountReading).
    attributes = models.JSONField(_("attributes"), default=dict)
    # Category → objects with their rights (dialects.grants.snapshot); None: never read.
    privileges = models.JSONField(_("privileges"), null=True)
    # [{"code": …, "detail": …}]: what deserves a look (services.facts), as of the last collection.
    facts = models.JSONField(_("facts"), default=list)
    # The server's own number of it, which a new name does not change.
    server_id = models.CharField(_("server's number"), max_length=40, blank=True)
    active = models.BooleanField(_("active"), default=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    dropped_at = models.DateTimeField(_("dropped"), null=True)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ("instance", "name")
        constraints = (models.UniqueConstraint(name="account_once", fields=["instance", "name"]),)
        indexes = (models.Index(name="account_by_name", fields=["name", "instance"]),)

    def __str__(self) -> str:
        return self.name


class AccountChange(models.Model):
    class Kind(models.TextChoices):
        ADDED = "added", _("added")
        PRIVILEGES = "privileges_changed", _("privileges changed")
        ATTRIBUTES = "attributes_changed", _("attributes changed")
        RENAMED = "renamed", _("renamed")
        DROPPED = "dropped", _("dropped")
        RESTORED = "restored", _("restored")

    instance = models.ForeignKey(
        Instance, verbose_name=_("instance"), on_delete=models.CASCADE, related_name="account_changes",
        db_index=False,
    )  # fmt: skip
    account = models.ForeignKey(
        InstanceAccount, verbose_name=_("account"), on_delete=models.CASCADE, related_name="changes",
        db_index=False,
    )  # fmt: skip
    # The name at that time.
    name = ExactCharField(_("name"), max_length=400)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    at = models.DateTimeField(_("when"))
    session = models.ForeignKey(
        SyncSession,
        verbose_name=_("session"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="account_changes",
    )
    # {"privileges": {category: {"granted": […], "revoked": […]}}, "attributes": {name: {"before", "after"}}}
    difference = models.JSONField(_("difference"), default=dict)

    class Meta:
        verbose_name = _("account change")
        verbose_name_plural = _("account changes")
        ordering = ("-id",)
        indexes = (
            models.Index(name="account_change_account", fields=["account", "-id"]),
            models.Index(name="account_change_instance", fields=["instance", "-id"]),
            models.Index(name="account_change_at", fields=["at"]),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.get_kind_display()}"
