"""A user name and password for managed servers. The password is stored sealed, and leaves only towards a
driver.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from instances.dialects import hosts
from jobsite import crypto
from jobsite.fields import ExactCharField

#: PostgreSQL stores no NUL, and would say so only at the statement.
no_nul = ProhibitNullCharactersValidator()

MOST_PASSWORD_CHARACTERS = 1_000
MOST_ALLOWED_HOSTS = 1_000


def checked_password(text: str) -> str:
    """The text again, or ``ValidationError`` on ``password``."""
    if len(text) > MOST_PASSWORD_CHARACTERS:
        sentence = gettext("A password has at most {most} characters.").format(most=MOST_PASSWORD_CHARACTERS)
    elif "\0" in text:
        sentence = gettext("A password cannot hold the character NUL.")
    elif not text.isprintable():
        sentence = gettext("A password holds no line breaks and no control characters.")
    else:
        return text
    raise ValidationError({"password": sentence})


class Credential(models.Model):
    name = ExactCharField(_("name"), max_length=100, unique=True, validators=[no_nul])
    username = models.CharField(_("user name"), max_length=128, validators=[no_nul])
    # Not editable: no form, serializer or model_to_dict ever sees them. set_password() writes both.
    password_token = models.TextField(editable=False, default="")
    password_key = models.CharField(editable=False, max_length=crypto.ID_LENGTH, default="", db_index=True)
    allowed_hosts = models.JSONField(
        _("allowed hosts"), default=list, blank=True,
        help_text=_("Hosts, also as host:port, at which instances may be pointed without the password."),
    )  # fmt: skip
    description = models.TextField(_("description"), blank=True, max_length=4_000, validators=[no_nul])
    active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(pgettext_lazy("moment", "created"), editable=False)
    updated_at = models.DateTimeField(pgettext_lazy("moment", "updated"), editable=False)

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        ordering = ("name",)
        permissions = (("use_credential", _("Can put a credential behind an instance")),)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if wrong := _host_list_errors(self.allowed_hosts):
            raise ValidationError({"allowed_hosts": wrong})

    @property
    def has_password(self) -> bool:
        return bool(self.password_token)

    def set_password(self, text: str) -> None:
        """Seals the text under the newest key; saves nothing."""
        sealed = crypto.seal(checked_password(text)) if text else crypto.Sealed("", "")
        self.password_token, self.password_key = sealed.token, sealed.key_id

    def reveal_password(self) -> str:
        """For drivers and for comparing only. Raises ``crypto.CannotDecrypt``."""
        if not self.password_token:
            return ""
        return crypto.open_sealed(crypto.Sealed(self.password_key, self.password_token))

    def allows(self, host: str, port: int | None) -> bool:
        """Whether an instance may be pointed at this place without giving the password again."""
        wanted = {host.casefold(), f"{host.casefold()}:{port}"}
        return any(str(entry).casefold() in wanted for entry in self.allowed_hosts)


def _host_list_errors(entries: Any) -> list[str]:
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        return [gettext('Give a list of hosts, such as ["db1.example.com", "10.0.0.5:5432"].')]
    if len(entries) > MOST_ALLOWED_HOSTS:
        return [gettext("At most {most} hosts are allowed.").format(most=MOST_ALLOWED_HOSTS)]
    return [sentence for entry in entries if (sentence := _entry_problem(entry))]


def _entry_problem(entry: str) -> str:
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and ":" not in host:
        if not 1 <= int(port[:6]) <= 65_535:
            return gettext("“{entry}”: a port lies between 1 and 65535.").format(entry=entry)
        return hosts.problem(host)
    return hosts.problem(entry)
