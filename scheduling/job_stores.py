"""Job stores of APScheduler beside our own, named in SCHEDULER["job_stores"]: for jobs that a project keeps in them.

    "job_stores": {
        "redis": {"kind": "redis", "url": "redis://127.0.0.1:6379/0"},
        "memory": {"kind": "memory"},
        "other": {"kind": "sqlalchemy", "url": "postgresql://…"},        or a dotted path of a BaseJobStore
    }

What is in such a store is a pickle: who may write there runs code in the scheduler. Our own database is none of
them: nothing in it is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from apscheduler.jobstores.base import BaseJobStore
from apscheduler.schedulers.base import BaseScheduler
from django.conf import settings
from django.utils.module_loading import import_string

from scheduling.exceptions import UnknownJobStore
from scheduling.words import did_you_mean

#: Kind → dotted path, imported when it is first needed: each brings a package of its own.
KINDS: dict[str, str] = {
    "memory": "apscheduler.jobstores.memory.MemoryJobStore",
    "redis": "apscheduler.jobstores.redis.RedisJobStore",
    "sqlalchemy": "apscheduler.jobstores.sqlalchemy.SQLAlchemyJobStore",
    "mongodb": "apscheduler.jobstores.mongodb.MongoDBJobStore",
}
#: What a job in such a store has where it says nothing itself; SCHEDULER["job_defaults"] says otherwise.
DEFAULTS: dict[str, Any] = {"coalesce": True, "max_instances": 1, "misfire_grace_time": 300}
#: Our own live rows, as APScheduler sees them.
OWN = "tasks"
#: A Redis that does not answer must not hold up the tick, which asks it.
REDIS_SECONDS = 2.0
PORTS = {"postgresql": 5432, "mysql": 3306}


def named() -> Mapping[str, Any]:
    """The setting: name → kind and options."""
    stores: Mapping[str, Any] = getattr(settings, "SCHEDULER", {}).get("job_stores", {})
    return stores


def defaults() -> dict[str, Any]:
    """What a job has where it says nothing itself."""
    said: Mapping[str, Any] = getattr(settings, "SCHEDULER", {}).get("job_defaults", {})
    return {**DEFAULTS, **said}


def build(name: str) -> BaseJobStore:
    """The store, which has not connected to anything yet. Raises UnknownJobStore, which says what is wrong."""
    options = named().get(name)
    if name in (OWN, "default") or not isinstance(options, Mapping) or not options.get("kind"):
        raise UnknownJobStore(
            f"The job store {name!r} needs a mapping with a kind ({', '.join(KINDS)}, or a dotted path), and a name"
            f" other than {OWN!r} and 'default'."
        )
    options = dict(options)
    kind = str(options.pop("kind"))
    if kind not in KINDS and "." not in kind:
        raise UnknownJobStore(
            f"The job store {name!r}: there is no kind {kind!r}.{did_you_mean(kind, KINDS)}"
        )
    _refuse_own_database(name, kind, options)
    try:
        found = import_string(KINDS.get(kind, kind))
        if not (isinstance(found, type) and issubclass(found, BaseJobStore)):
            raise UnknownJobStore(
                f"The job store {name!r}: {kind!r} is no subclass of {BaseJobStore.__module__}."
            )
        if kind == "redis":
            options = _redis_options(options)
        return found(**options)
    except UnknownJobStore:
        raise
    except Exception as error:  # the class is somebody else's, and may refuse its options in any way
        raise UnknownJobStore(f"The job store {name!r} cannot be made: {error}") from error


class _Desk(BaseScheduler):  # type: ignore[misc]  # APScheduler is untyped
    """Writes jobs down and runs none. A BackgroundScheduler, also a paused one, runs what is due when it ends."""

    def wakeup(self) -> None:
        """Nobody sleeps."""

    def shutdown(self, wait: bool = True) -> None:
        super().shutdown(wait)


def add_job(store: str, function: Any, trigger: Any = None, **options: Any) -> str:
    """Puts a job into that store from any process, to be run by a node; returns its id.

    ``function`` (or its "module:name"), ``trigger`` and ``options`` are those of APScheduler's ``add_job``. Raises
    UnknownJobStore, and what the store and APScheduler raise.
    """
    # A job is written with its defaults: those of who writes it, not of who runs it.
    desk = _Desk(timezone="UTC", job_defaults=defaults())
    desk.add_jobstore(build(store), store)
    desk.start(paused=True)
    try:
        return str(desk.add_job(function, trigger, jobstore=store, **options).id)
    finally:
        desk.shutdown(wait=False)


def is_shared(store: BaseJobStore) -> bool:
    """Whether other nodes see the same jobs."""
    return not type(store).__module__.startswith("apscheduler.jobstores.memory")


def _redis_options(options: dict[str, Any]) -> dict[str, Any]:
    from redis.connection import SSLConnection, parse_url

    url = options.pop("url", None)
    if url is not None:
        parsed: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
        if parsed.pop("connection_class", None) is SSLConnection:
            parsed["ssl"] = True
        options = parsed | options
    return {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS} | options


def _refuse_own_database(name: str, kind: str, options: Mapping[str, Any]) -> None:
    """Whoever may write to our tables would run code in the scheduler."""
    ours = settings.DATABASES["default"]
    own = kind.startswith("django_apscheduler.")
    if not own and isinstance(options.get("url"), str):
        there = urlsplit(options["url"])
        vendor = there.scheme.partition("+")[0]
        if "sqlite" in ours["ENGINE"]:
            own = vendor == "sqlite" and there.path.lstrip("/") == str(ours["NAME"]).lstrip("/")
        else:
            port = int(ours.get("PORT") or PORTS["mysql" if "mysql" in ours["ENGINE"] else "postgresql"])
            own = (there.hostname, there.port or PORTS.get(vendor), there.path.lstrip("/")) == (
                ours.get("HOST") or "localhost",
                port,
                ours["NAME"],
            )
    if own:
        raise UnknownJobStore(
            f"The job store {name!r} would be in Jobsite's own database, of which nothing is ever unpickled."
        )
