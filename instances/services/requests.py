"""Collections and other long work that people ask for: a run of the built-in task, done by a scheduler and told like
every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from instances.exceptions import WrongState
from instances.models import Instance, SyncSession
from instances.services import sessions
from scheduling.exceptions import Refused
from scheduling.models import Execution, Task
from scheduling.services import tasks
from scheduling.services.actor import Actor

#: The built-in tasks whose runs collect.
SIZES_TASK = "collect_database_sizes"
ACCOUNTS_TASK = "sync_accounts"
TASKS = {SyncSession.Category.SIZE: SIZES_TASK, SyncSession.Category.ACCOUNT: ACCOUNTS_TASK}
#: What can be done to the partitions, each by the built-in task that does it.
PARTITION_TASKS = {
    "create": "create_database_size_partitions",
    "cleanup": "cleanup_database_size_partitions",
    "check": "monitor_partition_health",
    "upgrade": "upgrade_database_size_tables",
}


def look_after_partitions(
    verb: str, *, actor: Actor, parameters: dict[str, Any] | None = None, idempotency_key: str = ""
) -> Execution:
    """Asks for one of ``PARTITION_TASKS`` now; returns the run. Raises Refused, ``ValidationError``."""
    return _ask(PARTITION_TASKS[verb], parameters or {}, actor=actor, idempotency_key=idempotency_key)


def collect_sizes(chosen: Sequence[Instance], *, actor: Actor, idempotency_key: str = "") -> Execution:
    """Asks for one collection of these instances now; returns the run. Raises Refused, ``ValidationError``."""
    return _ask(SIZES_TASK, _named(chosen), actor=actor, idempotency_key=idempotency_key)


def collect_accounts(chosen: Sequence[Instance], *, actor: Actor, idempotency_key: str = "") -> Execution:
    """As ``collect_sizes``, for accounts and their rights."""
    for instance in chosen:
        if not instance.kind.supports_accounts:
            text = _("The instance “%(name)s” has no accounts.")
            raise Refused("no_accounts", text % {"name": instance.name})
    return _ask(ACCOUNTS_TASK, _named(chosen), actor=actor, idempotency_key=idempotency_key)


def retry(session: SyncSession, *, actor: Actor, idempotency_key: str = "") -> Execution:
    """Asks for another visit to the instances of a session that failed or were left out; returns the run."""
    key = TASKS.get(SyncSession.Category(session.category))
    if key is None:
        raise Refused("no_retry", _("Such a session is done again by its task."))
    if session.status == SyncSession.Status.RUNNING:
        raise Refused("session_running", _("The session is still running."))
    if not sessions.failed_instances(session):
        raise Refused("nothing_failed", _("No active instance of this session has failed."))
    # The task may be one of some instances only; the session says which ones are meant.
    parameters = {"retry_of": str(session.pk), "instances": None}
    return _ask(key, parameters, actor=actor, idempotency_key=idempotency_key)


def cancel(session: SyncSession, *, actor: Actor) -> int:
    """Ends a session between instances; gives how many are not visited any more. Raises Refused."""
    try:
        return sessions.request_cancel(session, actor=actor)
    except WrongState as error:
        raise Refused("session_ended", _("The session has ended already.")) from error


def _named(chosen: Sequence[Instance]) -> dict[str, Any]:
    if not chosen:
        raise Refused("nothing_chosen", _("Choose at least one instance."))
    for instance in chosen:
        if instance.deleted_at is not None or not instance.active:
            text = _("The instance “%(name)s” is not active: it is not collected from.")
            raise Refused("instance_inactive", text % {"name": instance.name})
    return {"instances": [instance.name for instance in chosen]}


def _ask(key: str, parameters: dict[str, Any], *, actor: Actor, idempotency_key: str) -> Execution:
    task = Task.objects.present().filter(key=key).first()
    if task is None:
        text = _("There is no task %(key)r: load instances/default_tasks.yaml.")
        raise Refused("task_missing", text % {"key": key})
    return tasks.run_now(task.pk, actor=actor, parameters=parameters, idempotency_key=idempotency_key)
