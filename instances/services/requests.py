"""Collections that people ask for: a run of the built-in task, done by a scheduler and told like every other."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from instances.models import Instance
from scheduling.exceptions import Refused
from scheduling.models import Execution, Task
from scheduling.services import tasks
from scheduling.services.actor import Actor

#: The built-in task whose run collects sizes.
SIZES_TASK = "collect_database_sizes"


def collect_sizes(chosen: Sequence[Instance], *, actor: Actor, idempotency_key: str = "") -> Execution:
    """Asks for one collection of these instances now; returns the run. Raises Refused, ``ValidationError``."""
    if not chosen:
        raise Refused("nothing_chosen", _("Choose at least one instance."))
    for instance in chosen:
        if instance.deleted_at is not None or not instance.active:
            text = _("The instance “%(name)s” is not active: it is not collected from.")
            raise Refused("instance_inactive", text % {"name": instance.name})
    task = Task.objects.present().filter(key=SIZES_TASK).first()
    if task is None:
        text = _("There is no task %(key)r: load instances/default_tasks.yaml.")
        raise Refused("task_missing", text % {"key": SIZES_TASK})
    return tasks.run_now(
        task.pk,
        actor=actor,
        parameters={"instances": [instance.name for instance in chosen]},
        idempotency_key=idempotency_key,
    )
