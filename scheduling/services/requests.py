"""Runs that somebody asks for: at once, at a time, or once more. Admitted under the same lock as scheduled ones."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scheduling import clock, registry
from scheduling.exceptions import ParametersInvalid, Refused, UnknownFunction
from scheduling.models import Execution, Origin, Reason, State
from scheduling.sentences import joined, of_runs
from scheduling.services import liverows, permits
from scheduling.services.actor import Actor
from scheduling.services.admission import WAITING_CAP, count_active, new_row
from scheduling.services.plans import Plan, plans
from scheduling.sql.transactions import in_transaction

#: How long a request's idempotency key is remembered.
KEY_LIFE = timedelta(hours=24)
#: A run may be asked for at most this far ahead.
FARTHEST = timedelta(days=366)


def run_now(
    task_id: int,
    *,
    actor: Actor,
    parameters: dict[str, Any] | None = None,
    idempotency_key: str = "",
    force: bool = False,
    run_at: datetime | None = None,
    replace: bool = False,
) -> Execution:
    """Asks for one run, at once or at ``run_at``; the schedule is untouched, and a paused or disabled task runs too.

    It is never skipped: while as many as allowed run, it waits, and ``detail`` says behind what. ``force``
    lets it run beside them. ``parameters`` replace those of the task one by one; with ``replace`` they are all of
    them. Asking again with the same idempotency key within a day gives the first execution back. Raises Refused
    and ValidationError.
    """

    def values(plan: Plan) -> dict[str, Any]:
        if replace and parameters is not None:
            return parameters
        return {**plan.parameters, **(parameters or {})}

    return _ask(
        task_id,
        values,
        actor=actor,
        idempotency_key=idempotency_key,
        force=force,
        run_at=run_at,
    )


def run_again(
    ended: Execution,
    *,
    actor: Actor,
    parameters: Mapping[str, Any] | None = None,
    idempotency_key: str = "",
    force: bool = False,
) -> Execution:
    """Asks for a new run in the place of one that has ended, by the task as it is now; the old row stays.

    With the parameters of that run, or with ``parameters``, which then are all of them. Raises as ``run_now``.
    """
    values = dict(ended.parameters if parameters is None else parameters)
    return _ask(
        ended.task_id,
        lambda plan: values,
        actor=actor,
        idempotency_key=idempotency_key,
        force=force,
        rerun_of=ended.pk,
        chain_id=ended.chain_id,  # so that what was skipped because of it gets its turn
    )


def _ask(
    task_id: int,
    parameters_of: Callable[[Plan], dict[str, Any]],
    *,
    actor: Actor,
    idempotency_key: str,
    force: bool,
    run_at: datetime | None = None,
    rerun_of: int | None = None,
    chain_id: uuid.UUID | None = None,
) -> Execution:
    if len(idempotency_key) > 64:
        raise ValidationError({"idempotency_key": _("At most 64 characters are allowed.")})

    def work() -> int:
        liverows.lock(task_id)
        now = clock.refresh()
        at = _moment(run_at, now)
        plan = plans.read([task_id]).get(task_id)
        if plan is None:
            raise Refused("task_deleted", _("The task has been deleted."))
        if idempotency_key:
            earlier = Execution.objects.filter(
                task_id=task_id, scheduled_for__gte=now - KEY_LIFE, slot=idempotency_key
            ).values_list("id", flat=True)
            for execution_id in earlier[:1]:
                return execution_id
        values = parameters_of(plan)
        if values != plan.parameters:  # also those of an older run: the task may have been mended since
            permits.check(plan.function, actor=actor)
        values = _checked(plan, values)
        state, reason, detail = _place(plan, at, now, force)
        row = new_row(
            plan,
            at,
            now,
            state,
            reason,
            origin=Origin.API if actor.source == "api" else Origin.MANUAL,
            slot=idempotency_key or uuid.uuid4().hex,
            detail=detail,
            parameters=values,
        )
        row["available_at"] = at
        execution = Execution.objects.create(
            **row, requested_by_id=actor.user_id, rerun_of_id=rerun_of, chain_id=chain_id
        )
        return execution.pk

    return Execution.objects.get(pk=in_transaction(work))


def _moment(run_at: datetime | None, now: datetime) -> datetime:
    """When the run is to take place: ``run_at``, but not before now and not absurdly late."""
    if run_at is None:
        return now
    if run_at.tzinfo is None:
        raise ValidationError({"run_at": _("The time needs a time zone.")})
    if run_at > now + FARTHEST:
        raise ValidationError(
            {"run_at": _("At most %(days)d days ahead are allowed.") % {"days": FARTHEST.days}}
        )
    return max(run_at, now)


def _place(plan: Plan, at: datetime, now: datetime, force: bool) -> tuple[State, str, str]:
    """State, reason and detail of the new execution, decided under the task's lock."""
    if at > now:
        ahead = Execution.objects.active().filter(task_id=plan.id, state=State.WAITING, reason=Reason.DELAY)
        if len(ahead.values_list("id")[:WAITING_CAP]) >= WAITING_CAP:
            raise _full()
        return State.WAITING, Reason.DELAY, of_runs.NOT_BEFORE(at=at.isoformat())
    state, reason = (
        (State.QUEUED, "") if force else count_active([plan.id])[plan.id].place(plan, must_run=True)
    )
    if state == State.SKIPPED:
        raise _full()
    return state, reason, _behind(plan.id) if state == State.WAITING else ""


def _full() -> Refused:
    return Refused(
        "queue_full", _("%(number)d runs of this task are waiting already.") % {"number": WAITING_CAP}
    )


def _checked(plan: Plan, values: dict[str, Any]) -> dict[str, Any]:
    try:
        registry.get(plan.function).validate(values)
    except UnknownFunction as error:
        raise Refused("function_missing", str(error)) from error
    except ParametersInvalid as error:
        texts = [f"{name}: {text}" for name, all_ in error.errors.items() for text in all_]
        raise ValidationError({"parameters": texts}) from error
    return values


def _behind(task_id: int) -> str:
    ahead = Execution.objects.active().filter(task_id=task_id).order_by("id").values_list("id", "state")[:3]
    return of_runs.WAITS_BEHIND(ahead=joined(of_runs.AHEAD(id=id, state=state) for id, state in ahead))
