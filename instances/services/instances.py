"""What may be done with instances: create, edit, delete, restore, test the connection."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from instances.dialects.readings import ServerReading
from instances.exceptions import OptionsInvalid, UnknownInstance
from instances.models import Instance, Tag
from instances.models.instance import InstanceQuerySet
from instances.models.restriction import Viewer, sees_everything
from instances.services import visits
from instances.services.credentials import USE, require_password, require_permission
from instances.services.viewers import viewer_of
from scheduling import clock
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction
from scheduling.words import did_you_mean

#: What an edit writes.
EDITABLE = (
    "name",
    "dialect",
    "host",
    "port",
    "database",
    "credential",
    "options",
    "description",
    "active",
    "environment",
)

RESTRICT = "instances.restrict_instance"

#: Somebody is waiting for a test: its statement gets no more than this.
TEST_SECONDS = 10

#: The field of faces in which the credential's password is given again.
PASSWORD_FIELD = "credential_password"  # noqa: S105 (a name)


def create(instance: Instance, *, actor: Actor, password: str = "") -> Instance:
    """Stores a new instance. ``password`` is that of its credential, needed unless the credential allows the
    host.

    Raises ``ValidationError``, also as ``check_place`` does, and ``PermissionDenied``.
    """
    instance.created_at = instance.updated_at = clock.now()
    instance.full_clean()
    check_place(instance, actor=actor)
    check_connection(None, instance, actor=actor, password=password)
    _store(instance, actor, force_insert=True)
    return instance


def edit(instance: Instance, *, actor: Actor, password: str = "") -> Instance:
    """Stores the edited fields. A changed connection needs ``instances.change_connection`` and the
    credential's password, unless the credential allows the host. Raises ``ValidationError``, also as ``check_place``
    does, and ``PermissionDenied``.
    """
    instance.full_clean()

    def write() -> None:
        stored = Instance.objects.select_for_update().get(pk=instance.pk)
        if stored.deleted_at is not None:
            raise ValidationError(_("The instance “{name}” is in the recycle bin.").format(name=stored.name))
        check_place(instance, actor=actor)
        check_connection(stored, instance, actor=actor, password=password)
        fields = [*EDITABLE, "taken_place", "updated_at"]
        if changed_connection(stored, instance):
            instance.status, instance.last_error = Instance.Status.UNKNOWN, ""
            fields += ["status", "last_error"]
        instance.updated_at = clock.now()
        _store(instance, actor, update_fields=fields)

    in_transaction(write)
    return instance


def _store(instance: Instance, actor: Actor, **how: Any) -> None:
    """Saves the row. Raises as ``check_place`` when somebody else took its place since that was asked."""
    try:
        with transaction.atomic():
            instance.save(**how)
    except IntegrityError:
        check_place(instance, actor=actor)
        raise


def check_place(instance: Instance, *, actor: Actor) -> None:
    """Two instances never point at the same server and database. Those in the recycle bin hold no place.

    Writes nothing, so that forms may ask before they save. Raises ``ValidationError`` on the field that says where,
    with the name of the other instance, unless that is hidden from the actor.
    """
    place = instance.place_key()
    others = Instance.objects.present().exclude(pk=instance.pk)
    if place is None or (other := others.filter(taken_place=place).first()) is None:
        return
    if Instance.objects.visible_to(viewer_of(actor)).filter(pk=other.pk).exists():
        sentence = _("“%s” is the same server and database.") % other
    else:
        sentence = _("An instance that is not shown to you is the same server and database.")
    raise ValidationError({"host" if instance.kind.needs_host else "database": sentence})


def set_tags(instance: Instance, names: list[str], *, actor: Actor) -> None:
    """Gives the instance these tags and no others. Raises ``ValidationError`` for a tag that does not exist."""
    found = {tag.name: tag for tag in Tag.objects.filter(name__in=names)}
    if missing := [name for name in names if name not in found]:
        raise ValidationError({"tags": _("There is no tag “{name}”.").format(name=missing[0])})
    instance.tags.set(found.values())


def restrict(instance: Instance, names: list[str], *, actor: Actor) -> None:
    """Restricts the instance to these roles and no others; to none: it is for everybody. Nothing happened when it is
    so already.

    Raises ``PermissionDenied`` without ``instances.restrict_instance``, and ``ValidationError`` on ``restricted_to``.
    """

    def write() -> None:
        locked = Instance.objects.select_for_update().get(pk=instance.pk)
        if set(names) == set(locked.restricted_to.values_list("name", flat=True)):
            return
        locked.restricted_to.set(check_restriction(locked, names, actor=actor))
        Instance.objects.filter(pk=instance.pk).update(updated_at=clock.now())

    in_transaction(write)
    instance.refresh_from_db(fields=["updated_at"])


def check_restriction(instance: Instance | None, names: list[str], *, actor: Actor) -> list[Group]:
    """The roles of these names. ``instance``: None when it is about to be made. Writes nothing; raises as ``restrict``.

    Nobody restricts what is hidden from herself, and nobody hides from herself what she restricts.
    """
    require_permission(actor, doing=_("change to whom an instance is shown"), permission=RESTRICT)
    viewer = viewer_of(actor)
    if instance is not None and not Instance.objects.visible_to(viewer).filter(pk=instance.pk).exists():
        raise PermissionDenied(_("There is no such instance."))
    found = {group.name: group for group in Group.objects.filter(name__in=names)}
    if missing := [name for name in names if name not in found]:
        known = list(Group.objects.order_by("name").values_list("name", flat=True)[:500])
        sentence = _("There is no role “{name}”.").format(name=missing[0][:100])
        raise ValidationError({"restricted_to": sentence + did_you_mean(missing[0][:100], known)})
    if found and not sees_everything(viewer) and not _has_one_of(viewer, found.values()):
        sentence = _("Name one of your own roles as well: otherwise you would not see the instance any more.")
        raise ValidationError({"restricted_to": sentence})
    return list(found.values())


def _has_one_of(viewer: Viewer, roles: Iterable[Group]) -> bool:
    return viewer is not None and viewer.groups.filter(pk__in=[role.pk for role in roles]).exists()


def changed_connection(stored: Instance, wanted: Instance) -> list[str]:
    """Which fields of the connection differ, by name."""
    new = wanted.connection_key()
    try:
        old = stored.connection_key()
    except (OptionsInvalid, LookupError):  # written by an older version, or by hand
        return list(new)
    return [name for name in new if new[name] != old[name]]


def check_connection(stored: Instance | None, wanted: Instance, *, actor: Actor, password: str) -> None:
    """The rule against stolen credentials: a server of one's own, put behind an instance, is sent its
    password.

    Writes nothing, so that forms may ask before they save. Raises ``ValidationError`` on
    ``credential_password``, or ``PermissionDenied``.
    """
    changed = changed_connection(stored, wanted) if stored else ["credential"]
    credential = wanted.credential
    if not changed:
        return
    doing = _("change the connection ({fields})").format(fields=", ".join(changed))
    if stored:
        require_permission(actor, doing=doing)
    if credential is not None and "credential" in changed:
        using = _("use the credential “{name}”").format(name=credential.name)
        require_permission(actor, doing=using, permission=USE)
    if credential is None or credential.allows(wanted.host, wanted.effective_port):
        return
    require_password(credential, password, actor=actor, doing=doing, field=PASSWORD_FIELD)


def delete(instance: Instance, *, actor: Actor) -> None:
    """Into the recycle bin; nothing happened when it is there already."""
    now = clock.now()
    Instance.objects.present().filter(pk=instance.pk).update(deleted_at=now, updated_at=now, taken_place=None)
    instance.refresh_from_db(fields=["deleted_at", "updated_at", "taken_place"])


def restore(instance: Instance, *, actor: Actor) -> None:
    """Out of the recycle bin; nothing happened when it is not there. Raises as ``check_place`` when another instance
    has its place by now.
    """

    def write() -> None:
        stored = Instance.objects.select_for_update().get(pk=instance.pk)
        if stored.deleted_at is None:
            return
        check_place(stored, actor=actor)
        stored.deleted_at, stored.updated_at = None, clock.now()
        _store(stored, actor, update_fields=["deleted_at", "taken_place", "updated_at"])

    in_transaction(write)
    instance.refresh_from_db(fields=["deleted_at", "updated_at", "taken_place"])


def test_connection(instance: Instance, *, actor: Actor) -> ServerReading:
    """Connects now, and writes down what came of it. Takes as long as the instance's timeouts at most.

    Call it outside a transaction. Raises what ``visits.FAILURES`` lists, written down too.
    """
    ((_instance, outcome),) = test_connections([instance], actor=actor)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def test_connections(
    chosen: list[Instance], *, actor: Actor
) -> list[tuple[Instance, ServerReading | BaseException]]:
    """Tests them side by side, and writes down what came of each: a reading, or what went wrong."""
    with ThreadPoolExecutor(settings.JOBSITE_SYNC_PARALLEL, thread_name_prefix="test") as pool:
        under_way = [(instance, _begin_test(pool, instance)) for instance in chosen]
    outcomes: list[tuple[Instance, ServerReading | BaseException]] = []
    for instance, future in under_way:
        error = future.exception()
        if error is None:
            visits.succeeded(instance, future.result())
        elif isinstance(error, visits.FAILURES):
            visits.failed(instance, error)
        else:
            raise error
        outcomes.append((instance, error or future.result()))
    return outcomes


def _begin_test(pool: ThreadPoolExecutor, instance: Instance) -> Future[ServerReading]:
    try:
        # The rows are read here; the thread only talks to the server.
        target = instance.target()
        options = target.options
        patience = min(options.statement_timeout_seconds, TEST_SECONDS)
        target = replace(target, options=replace(options, statement_timeout_seconds=patience))
        return pool.submit(instance.kind.test, target)
    except visits.FAILURES as error:
        refused: Future[ServerReading] = Future()
        refused.set_exception(error)
        return refused


def named(names: list[str] | None, viewer: Viewer = None) -> list[Instance]:
    """The collectable instances of these names, or all of them. Raises ``UnknownInstance``, which names each
    one that does not exist, is not active, or is not for the ``viewer``; None: a command or a task, for which all are.
    """
    rows = Instance.objects.collectable().visible_to(viewer)
    return _named(rows, names, _("There is no active instance {name}."))


def present(names: list[str] | None, viewer: Viewer = None) -> list[Instance]:
    """As ``named``, but also instances that are not active: what is known of them can still be worked on."""
    rows = Instance.objects.present().visible_to(viewer).select_related("credential").order_by("name")
    return _named(rows, names, _("There is no instance {name}."))


def _named(rows: InstanceQuerySet, names: list[str] | None, sentence: str) -> list[Instance]:
    if names is None:
        return list(rows)
    found = {instance.name: instance for instance in rows.filter(name__in=names)}
    missing = [name for name in names if name not in found]
    if missing:
        known = list(rows.values_list("name", flat=True)[:500])
        sentences = [sentence.format(name=repr(name)) + did_you_mean(name, known) for name in missing]
        raise UnknownInstance(" ".join(sentences))
    return list(found.values())
