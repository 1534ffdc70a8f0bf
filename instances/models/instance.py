"""A managed database server, or an SQLite file."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from instances import dialects
from instances.dialects import hosts, options
from instances.dialects.base import Dialect
from instances.dialects.target import ConnectionTarget
from instances.exceptions import CredentialDisabled, OptionsInvalid
from instances.models.credential import Credential, no_nul
from instances.models.restriction import Restriction, Viewer, of_visible
from instances.models.tag import Tag
from jobsite.fields import ExactCharField

if TYPE_CHECKING:
    CharField = models.CharField[str | None, str | None]
else:  # Django's fields take no type parameters when the program runs
    CharField = models.CharField


class PlaceField(CharField):
    """Follows from the row's other fields whenever it is written."""

    def pre_save(self, model_instance: models.Model, add: bool) -> str | None:
        assert isinstance(model_instance, Instance)  # noqa: S101  (for mypy)
        model_instance.taken_place = model_instance.own_place()
        return model_instance.taken_place

    def deconstruct(self) -> Any:
        """To migrations it is text like other text."""
        name, _path, arguments, options = super().deconstruct()
        return name, "django.db.models.CharField", arguments, options


class InstanceQuerySet(models.QuerySet["Instance"]):
    def present(self) -> InstanceQuerySet:
        """Those that are not in the recycle bin."""
        return self.filter(deleted_at=None)

    def visible_to(self, viewer: Viewer) -> InstanceQuerySet:
        """Those that are for everybody, or for a role that the viewer has."""
        return of_visible(self, viewer, "pk")

    def collectable(self) -> InstanceQuerySet:
        """Those that collections visit, with what a connection needs, by name."""
        return self.present().filter(active=True).select_related("credential").order_by("name")


class Instance(models.Model):
    class Status(models.TextChoices):
        UNKNOWN = "unknown", _("not tried yet")
        OK = "ok", _("reachable")
        FAILED = "failed", _("failed")

    class Environment(models.TextChoices):
        PRODUCTION = "production", _("production")
        STAGING = "staging", _("staging")
        TEST = "test", _("test")
        DEVELOPMENT = "development", _("development")

    name = ExactCharField(_("name"), max_length=100, unique=True, validators=[no_nul])
    dialect = models.CharField(_("kind"), max_length=30, choices=dialects.choices)
    host = models.CharField(_("host"), max_length=255, blank=True)
    port = models.PositiveIntegerField(
        _("port"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(65_535)],
        help_text=_("Empty: the usual port of this kind of database."),
    )  # fmt: skip
    database = ExactCharField(
        _("database"), max_length=500, blank=True, validators=[no_nul],
        help_text=_("The database to connect to; empty: the usual one. SQLite: the file's path."),
    )  # fmt: skip
    credential = models.ForeignKey(
        Credential, verbose_name=_("credential"), null=True, blank=True, on_delete=models.PROTECT,
        related_name="instances",
    )  # fmt: skip
    options = models.JSONField(
        _("options"), default=dict, blank=True,
        help_text=_("TLS and timeouts: tls, tls_ca, connect_timeout_seconds, statement_timeout_seconds."),
    )  # fmt: skip
    description = models.TextField(_("description"), blank=True, max_length=4_000, validators=[no_nul])
    active = models.BooleanField(_("active"), default=True)
    environment = models.CharField(_("environment"), max_length=20, choices=Environment.choices, blank=True)
    tags = models.ManyToManyField(Tag, verbose_name=_("tags"), blank=True, related_name="instances")
    restricted_to = models.ManyToManyField(
        Group, verbose_name=_("restricted to"), blank=True, through=Restriction, related_name="+",
        help_text=_(
            "Roles. None: whoever has the permission for instances. Otherwise only members of these roles, and "
            "superusers, see and use it."
        ),
    )  # fmt: skip
    # What the last visit found.
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.UNKNOWN, editable=False
    )
    last_error = models.TextField(_("last error"), blank=True, editable=False)
    last_connected_at = models.DateTimeField(_("last connected"), null=True, editable=False)
    version = models.CharField(_("version"), max_length=300, blank=True, editable=False)
    main_version = models.CharField(_("main version"), max_length=50, blank=True, editable=False)
    # What the user of the credential may do here, as of the last test: {"found": […], "missing": […]}.
    rights = models.JSONField(_("rights"), default=dict, editable=False)
    # A digest of the server and database that it points at, since an index holds no texts of that length: two
    # requests at once cannot both take a place. NULL in the recycle bin, where it holds none.
    taken_place = PlaceField(_("place"), max_length=64, null=True, unique=True, editable=False)
    created_at = models.DateTimeField(pgettext_lazy("moment", "created"), editable=False)
    updated_at = models.DateTimeField(pgettext_lazy("moment", "updated"), editable=False)
    # In the recycle bin since; the name stays taken, so that restoring cannot collide.
    deleted_at = models.DateTimeField(pgettext_lazy("moment", "deleted"), null=True, editable=False)

    objects = InstanceQuerySet.as_manager()

    class Meta:
        verbose_name = _("instance")
        verbose_name_plural = _("instances")
        ordering = ("name",)
        permissions = (
            ("change_connection", _("Can change where an instance connects to")),
            ("run_sql", _("Can run statements that read on instances")),
            ("run_writing_sql", _("Can run statements that change something on instances")),
            ("backup_database", _("Can back up databases of instances")),
            ("restrict_instance", _("Can restrict an instance to roles")),
        )
        indexes = (models.Index(name="instance_collectable", fields=["active", "deleted_at"]),)

    def __str__(self) -> str:
        return self.name

    @property
    def kind(self) -> Dialect:
        return dialects.get(self.dialect)

    @property
    def effective_port(self) -> int | None:
        return self.port or self.kind.default_port

    def place_key(self) -> str | None:
        """Equal for two instances that point at the same server and database, however they are spelt; None: this
        kind of database is not known any more.
        """
        try:
            kind = self.kind
        except LookupError:
            return None
        target = ConnectionTarget(host=self.host, port=self.port, database=self.database)
        words = json.dumps([self.dialect, *kind.place(target)])
        return hashlib.sha256(words.encode()).hexdigest()

    def own_place(self) -> str | None:
        """The place that nobody else can have; None: it lies in the recycle bin."""
        return None if self.deleted_at else self.place_key()

    def connection_key(self) -> dict[str, Any]:
        """What decides who gets to see the password; a change of it needs ``instances.change_connection``."""
        tls = options.parse(self.options)
        return {
            "dialect": self.dialect,
            "host": self.host.casefold(),
            "port": self.effective_port,
            "credential": self.credential_id,
            "options": (tls.tls, tls.tls_ca),
        }

    def target(self) -> ConnectionTarget:
        """Where its dialect connects to. Raises ``CredentialDisabled``, ``CryptoError`` and
        ``OptionsInvalid``.
        """
        credential = self.credential
        if credential and not credential.active:
            raise CredentialDisabled(
                gettext("The credential “{name}” is not active.").format(name=credential.name)
            )
        return ConnectionTarget(
            host=self.host,
            port=self.effective_port,
            database=self.database,
            username=credential.username if credential else "",
            password=credential.reveal_password() if credential else "",
            options=options.parse(self.options),
        )

    def clean(self) -> None:
        """Rules that need more than one field. The sentences name what is allowed."""
        try:
            kind = self.kind
        except LookupError:
            return  # the field itself has been refused already
        errors: dict[str, list[str]] = {}
        self._clean_place(kind, errors)
        self._clean_credential(kind, errors)
        try:
            parsed = options.parse(self.options)
        except OptionsInvalid as error:
            errors["options"] = error.sentences
        if not errors:
            place = ConnectionTarget(host=self.host, port=self.port, database=self.database, options=parsed)
            errors = kind.target_errors(place)
        if errors:
            raise ValidationError(errors)

    def unique_error_message(self, model_class: type[models.Model], unique_check: Any) -> ValidationError:
        # Of a restricted one nothing is told but that its name is taken: nobody knows here who asks.
        binned = Instance.objects.filter(name=self.name, restrictions=None).exclude(deleted_at=None)
        if tuple(unique_check) == ("name",) and binned.exists():
            sentence = gettext(
                "An instance “{name}” is in the recycle bin: restore it, or choose another name."
            )
            return ValidationError(sentence.format(name=self.name), code="unique")
        return super().unique_error_message(model_class, unique_check)

    def _clean_place(self, kind: Dialect, errors: dict[str, list[str]]) -> None:
        if kind.needs_host:
            if not self.host:
                errors["host"] = [gettext("{kind} needs a host name or an address.").format(kind=kind.label)]
            elif sentence := hosts.problem(self.host):
                errors["host"] = [sentence]
        else:
            for field in ("host", "port"):
                if getattr(self, field):
                    errors[field] = [gettext("{kind} is a file: leave this empty.").format(kind=kind.label)]

    def _clean_credential(self, kind: Dialect, errors: dict[str, list[str]]) -> None:
        if kind.needs_credential and self.credential_id is None:
            errors["credential"] = [gettext("{kind} needs a credential.").format(kind=kind.label)]
        elif not kind.needs_credential and self.credential_id is not None:
            errors["credential"] = [
                gettext("{kind} takes no credential: leave this empty.").format(kind=kind.label)
            ]
