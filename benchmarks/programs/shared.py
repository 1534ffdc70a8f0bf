"""What the rivals' programs share: the database, a line in a file, and the words they are called with.

Each program runs in an environment of its own, where Jobsite is not installed:

    python PROGRAM fill NUMBER DUE LINES     tasks due once, at that instant (ISO 8601); LINES: a file, or - for none
    python PROGRAM steady NUMBER             tasks due each second
    python PROGRAM edit DUE                  moves one of the tasks that were filled; prints when it was committed
    python PROGRAM run …                     the scheduler, until SIGTERM
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

DATABASE = os.environ["DATABASE_URL"]
BROKER = os.environ.get("BENCH_BROKER", "redis://127.0.0.1:6379/10")


def append(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, f"{text}\n".encode())
    os.close(handle)


def sqlalchemy_url() -> str:
    """The database as SQLAlchemy names it, with the drivers that Jobsite uses."""
    kind, rest = DATABASE.split("://", 1)
    return (
        {"postgres": "postgresql+psycopg2", "mysql": "mysql+mysqldb", "sqlite": "sqlite"}[kind] + "://" + rest
    )


def configure_django(*apps: str, **settings: object) -> None:
    """A project with nothing but those apps, with Django's own defaults."""
    import django
    from django.conf import settings as django_settings

    if django_settings.configured:  # a worker imports the program once more, under its own name
        return
    url = urlsplit(DATABASE)
    kinds = {"postgres": "postgresql", "mysql": "mysql", "sqlite": "sqlite3"}
    database: dict[str, object] = {
        "ENGINE": f"django.db.backends.{kinds[url.scheme]}",
        "NAME": url.path[1:],
        "HOST": url.hostname or "",
        "PORT": url.port or "",
        "USER": url.username or "",
        "PASSWORD": url.password or "",
    }
    if (
        url.scheme == "sqlite"
    ):  # as Django sets it up, but that readers and writers do not shut each other out
        database["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL", "timeout": 20}
    django_settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=list(apps),
        SECRET_KEY="of a benchmark",
        USE_TZ=True,
        TIME_ZONE="UTC",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        **settings,
    )
    django.setup()


def empty_tables() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)


def main(
    *,
    fill: Callable[[int, datetime, str], None],
    edit: Callable[[datetime], None],
    run: Callable[[list[str]], None],
    steady: Callable[[int], None] | None = None,
) -> None:
    verb, *words = sys.argv[1:]
    if verb == "fill":
        fill(int(words[0]), datetime.fromisoformat(words[1]), "" if words[2] == "-" else words[2])
    elif verb == "steady" and steady is not None:
        steady(int(words[0]))
    elif verb == "edit":
        edit(datetime.fromisoformat(words[0]))
        print(time.time())
    elif verb == "run":
        run(words)
    else:
        sys.exit(f"no such verb here: {verb}")
