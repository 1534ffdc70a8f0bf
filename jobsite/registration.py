"""The instances that an installation begins with: its own database, and those that the environment names."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from instances.models import Credential, Instance
from instances.services import credentials, instances
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction

ACTOR = Actor(source="command", reason="manage.py start")

#: Django's database backend → our dialect.
DIALECTS = {
    "django.db.backends.sqlite3": "sqlite",
    "django.db.backends.postgresql": "postgresql",
    "jobsite.mysql": "mysql",
}
#: An option of a database URL → one of ours.
OPTIONS = {"sslmode": "tls", "sslrootcert": "tls_ca"}


def register_instances() -> str:
    """Register what is not known yet; what a person has edited or deleted since is left alone. Says which."""
    added: list[str] = []
    refused: list[str] = []
    for name, database in wanted():
        try:
            if register(name, database):
                added.append(name)
        except ValidationError as error:
            refused.append(f"{name}: {' '.join(error.messages)}")
    said = _("registered: %(names)s") % {"names": ", ".join(added)} if added else _("nothing new")
    return "; ".join([said, *(_("not registered: %(why)s") % {"why": why} for why in refused)])


def wanted() -> list[tuple[str, dict[str, Any]]]:
    """Name and place of each."""
    named = [(name_of(database), database) for database in settings.JOBSITE_INSTANCES]
    return [("jobsite", settings.DATABASES["default"]), *named]


def register(name: str, database: dict[str, Any]) -> bool:
    """Store an instance and its credential; False when one of this place is known. Raises ValidationError."""
    instance = Instance(
        name=name,
        dialect=DIALECTS[database["ENGINE"]],
        host=database.get("HOST", ""),
        port=int(database["PORT"]) if database.get("PORT") else None,
        database=str(database["NAME"]),
        options={
            ours: database["OPTIONS"][key] for key, ours in OPTIONS.items() if key in database["OPTIONS"]
        },
    )
    if is_known(instance):
        return False

    def write() -> None:
        if instance.kind.needs_credential:
            instance.credential = credential_for(instance, database["USER"], database["PASSWORD"])
        instances.create(instance, actor=ACTOR)

    in_transaction(write)
    return True


def is_known(instance: Instance) -> bool:
    """Also when it lies in the recycle bin: somebody has put it there."""
    place = instance.place_key()
    return any(other.place_key() == place for other in Instance.objects.filter(dialect=instance.dialect))


def credential_for(instance: Instance, username: str, password: str) -> Credential:
    """A credential for this instance alone, named after user and place."""
    place = f"{instance.host}:{instance.effective_port}"
    credential = Credential(name=f"{username}@{instance.name}", username=username, allowed_hosts=[place])
    return credentials.create(credential, password=password, actor=ACTOR)


def name_of(database: dict[str, Any]) -> str:
    """What an instance from the environment is called: host:port/database, or the file's path."""
    if not database.get("HOST"):
        return str(database["NAME"])
    port = f":{database['PORT']}" if database["PORT"] else ""
    return f"{database['HOST']}{port}/{database['NAME']}"
