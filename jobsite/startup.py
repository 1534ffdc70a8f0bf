"""What ``manage.py start`` sees to before anything runs: steps that may be repeated and say what they did."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _

from jobsite import roles
from jobsite.registration import register_instances
from scheduling.models import Execution, Task
from scheduling.services import tasks
from scheduling.services.actor import Actor
from scheduling.services.definitions import default_task_files

ADMIN = "admin"
#: The built-in task that a first start runs at once.
COLLECTION = "collect_database_sizes"
#: Characters of the printed password: 20 of 64 kinds are 120 bits.
PASSWORD_BYTES = 15


@contextmanager
def alone() -> Iterator[None]:
    """One preparation at a time in this var folder; others wait."""
    settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(settings.VAR_DIR, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def shown(path: Path) -> Path:
    """For people: relative to the project's folder where it lies inside."""
    return path.relative_to(settings.BASE_DIR) if path.is_relative_to(settings.BASE_DIR) else path


def migrate() -> str:
    """Bring the database up to date. Raises what Django raises: SystemCheckError, OperationalError …"""
    executor = MigrationExecutor(connection)
    pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    # Also with nothing pending: it checks the database's version.
    call_command("migrate", interactive=False, verbosity=0)
    place = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        place = str(shown(Path(place)))
    else:
        place = f"{place} on {connection.settings_dict['HOST']}"
    if not pending:
        return _("%(vendor)s, %(place)s: up to date") % {"vendor": connection.display_name, "place": place}
    return _("%(vendor)s, %(place)s: %(count)d migrations applied") % {
        "vendor": connection.display_name,
        "place": place,
        "count": pending,
    }


def collect_static() -> str:
    """Copy the static files to where the web process serves them, when one of them has changed."""
    digest = static_digest()
    note = settings.STATIC_ROOT.with_name("static.digest")
    if note.exists() and note.read_text() == digest:
        return _("up to date")
    call_command("collectstatic", interactive=False, verbosity=0)
    note.write_text(digest)
    return _("collected in %(folder)s") % {"folder": shown(settings.STATIC_ROOT)}


def static_digest() -> str:
    """Changes whenever a static file of any app is added, removed or replaced."""
    digest = hashlib.sha256(str(settings.STATIC_ROOT).encode())
    for finder in get_finders():
        for name, storage in sorted(finder.list([]), key=lambda found: found[0]):
            status = os.stat(storage.path(name))
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def load_default_tasks() -> str:
    """Load each app's default_tasks.yaml; what a person has changed since stays as it is (``load_tasks``)."""
    counts = []
    for path in default_task_files():
        said = io.StringIO()
        call_command("load_tasks", str(path), stdout=said)
        counts.append(f"{path.parent.name}: {said.getvalue().splitlines()[-1]}")
    return "; ".join(counts)


def create_admin() -> tuple[str, bool]:
    """Create the account ``admin`` when there is no administrator yet; what to say, and whether it did.

    The password stands in the sentence and nowhere else.
    """
    users = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists() or users.filter(username=ADMIN).exists():
        reset = "manage.py changepassword admin"
        return _("exists (a new password: %(command)s)") % {"command": reset}, False
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    users.create_superuser(username=ADMIN, password=password)
    return _("%(name)s with the password %(password)s (shown only now)") % {
        "name": ADMIN,
        "password": password,
    }, True


def administrator() -> str:
    return create_admin()[0]


def create_roles() -> str:
    """Create the roles that are missing; a role that people have changed stays as it is."""
    created, _put_back = roles.create()
    if not created:
        return _("all there")
    return _("created: %(names)s") % {"names": ", ".join(created)}


def first_collection() -> str:
    """Ask for one run of the collection when there has been none: its schedule may begin hours from now."""
    task = Task.objects.present().filter(key=COLLECTION, enabled=True).first()
    if task is None or Execution.objects.filter(task_id=task.pk).exists():
        return _("collected as scheduled")
    tasks.run_now(task.pk, actor=Actor(source="command", reason="manage.py start"))
    return _("a first collection begins now; later ones follow the schedule")


#: In this order: each needs what stands above it.
STEPS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("database", migrate),
    ("static", collect_static),
    ("tasks", load_default_tasks),
    ("roles", create_roles),
    ("account", administrator),
    ("instances", register_instances),
    ("sizes", first_collection),
)
