"""What may be done with credentials. Passwords come in as text, and never go out."""

from __future__ import annotations

from functools import partial

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import ProtectedError
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from instances.models import Credential, Instance
from instances.models.restriction import Viewer
from instances.services.viewers import is_operator, viewer_of
from jobsite import crypto
from scheduling import clock
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction

CHANGE_CONNECTION = "instances.change_connection"
USE = "instances.use_credential"

#: What an edit writes; the password goes its own way.
EDITABLE = ("name", "username", "allowed_hosts", "description", "active")
SEALED = ("password_token", "password_key")

#: Credentials re-encrypted in one transaction.
ROTATE_BATCH = 200


def create(credential: Credential, *, password: str, actor: Actor) -> Credential:
    """Stores a new credential. Raises ``ValidationError``."""
    credential.set_password(password)
    credential.created_at = credential.updated_at = clock.now()
    credential.full_clean()
    credential.save(force_insert=True)
    return credential


def edit(
    credential: Credential, *, actor: Actor, new_password: str | None = None, password: str = ""
) -> Credential:
    """Stores the edited fields; ``new_password`` None keeps the password.

    ``password`` is the present one, needed to allow further hosts. Raises ``ValidationError``,
    ``PermissionDenied``.
    """
    credential.full_clean()

    def write() -> None:
        stored = Credential.objects.select_for_update().get(pk=credential.pk)
        check_edit(stored, credential, actor=actor, new_password=new_password, password=password)
        # What is stored now, not what the caller read: a rotation may have re-encrypted it in between.
        credential.password_token, credential.password_key = stored.password_token, stored.password_key
        if new_password is not None:
            credential.set_password(new_password)
        credential.updated_at = clock.now()
        credential.save(update_fields=[*EDITABLE, *SEALED, "updated_at"])

    in_transaction(write)
    return credential


def check_edit(
    stored: Credential, wanted: Credential, *, actor: Actor, new_password: str | None, password: str
) -> None:
    """Whoever adds a host could point an instance at it and read the password there. Writes nothing.

    Raises ``ValidationError`` on ``password``, or ``PermissionDenied``.
    """
    if not set(wanted.allowed_hosts) - set(stored.allowed_hosts) or new_password is not None:
        return
    require_password(stored, password, actor=actor, doing=_("allow further hosts"))


def require_password(
    credential: Credential, password: str, *, actor: Actor, doing: str, field: str = "password"
) -> None:
    """The permission, and the credential's present password again. Commands of the installation itself are
    trusted: whoever runs them can read the key file.
    """
    if is_operator(actor):
        return
    require_permission(actor, doing=doing)
    if not constant_time_compare(password, credential.reveal_password()):
        sentence = _("To {doing}, give the present password of the credential “{name}”.")
        raise ValidationError({field: sentence.format(doing=doing, name=credential.name)}, code="password")


def require_permission(actor: Actor, *, doing: str, permission: str = CHANGE_CONNECTION) -> None:
    """Raises ``PermissionDenied``."""
    if is_operator(actor):
        return
    if actor.user is None or not actor.user.has_perm(permission):
        sentence = _("To {doing}, the permission “{permission}” is needed.")
        raise PermissionDenied(sentence.format(doing=doing, permission=permission))


def delete(credential: Credential, *, actor: Actor) -> None:
    """Raises ``ValidationError`` while an instance uses it, also one in the recycle bin."""
    try:
        credential.delete()
    except ProtectedError:
        users = ", ".join(users_of(credential, viewer_of(actor), most=10))
        sentence = _("The credential “{name}” is used by: {names}.")
        raise ValidationError(sentence.format(name=credential.name, names=users), code="used") from None


def users_of(credential: Credential, viewer: Viewer, *, most: int) -> list[str]:
    """What keeps it from being deleted: names of instances, also in the recycle bin, and that there are others."""
    rows = Instance.objects.filter(credential=credential)
    seen = rows.visible_to(viewer)
    names = list(seen.order_by("name").values_list("name", flat=True)[:most])
    if seen.count() < rows.count():
        names.append(_("instances that are not shown to you"))
    return names


def reencrypt() -> int:
    """Seals every password under the newest key; gives how many were not. Raises ``CannotDecrypt``."""
    newest = crypto.keyring().ids[0]
    stale = Credential.objects.exclude(password_token="").exclude(password_key=newest).order_by("pk")
    count = last = 0
    # Onwards by primary key, so that a second rotation beside this one cannot keep it busy for ever.
    while keys := list(stale.filter(pk__gt=last).values_list("pk", flat=True)[:ROTATE_BATCH]):
        count += in_transaction(partial(_reencrypt, keys))
        last = keys[-1]
    return count


def _reencrypt(keys: list[int]) -> int:
    rows = list(Credential.objects.select_for_update().filter(pk__in=keys))
    for row in rows:
        row.set_password(row.reveal_password())
    Credential.objects.bulk_update(rows, SEALED)
    return len(rows)


def keys_in_use() -> set[str]:
    return set(
        Credential.objects.exclude(password_token="").values_list("password_key", flat=True).distinct()
    )


def unreadable() -> list[tuple[str, str]]:
    """(name, key id) of each credential whose password no key opens."""
    ring = crypto.keyring()
    found = []
    rows = Credential.objects.exclude(password_token="").values_list("name", "password_key", "password_token")
    for name, key_id, token in rows.iterator():
        try:
            ring.open(crypto.Sealed(key_id, token))
        except crypto.CannotDecrypt:
            found.append((name, key_id))
    return found
