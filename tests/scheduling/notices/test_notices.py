"""Mails about failures: none lost, none twice, at most one an hour, and a mail server in trouble delays nobody."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scheduling import clock as clocks
from scheduling.executors import Outcome, RunOrder
from scheduling.models import Execution, Node, Notice, Task
from scheduling.services import claims, nodes, notices, results, tasks
from tests.conftest import TESTER, await_

MakeTask = Callable[..., Task]
Clock = clocks.SettableClock
ANNA = "anna@example.org"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _mail_server(settings: Any) -> None:
    """Mails arrive in ``mail.outbox``."""
    settings.JOBSITE_MAIL = True
    settings.JOBSITE_BASE_URL = "https://jobs.example.org"


class Refusing(BaseEmailBackend):
    """A mail server that says no, while ``refuses``; then it takes what comes."""

    refuses = True
    asked = 0

    def send_messages(self, email_messages: Any) -> int:
        type(self).asked += 1
        if self.refuses:
            raise ConnectionRefusedError("no mail today")
        mail.outbox.extend(email_messages)
        return len(email_messages)


@pytest.fixture
def refusing(settings: Any) -> type[Refusing]:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    Refusing.refuses, Refusing.asked = True, 0
    return Refusing


@pytest.fixture
def node_id(db: None) -> uuid.UUID:
    now = clocks.refresh()
    node = nodes.register(now, queues=["default"], functions=[], seats={"thread": 64}, lease_seconds=15)
    nodes.set_state(node.pk, Node.State.ACTIVE, now)
    return node.pk


@transaction.atomic
def end(node_id: uuid.UUID, state: str = "failed", **outcome: Any) -> list[Execution]:
    """Claims what is queued and records that it ended so."""
    now = clocks.now()
    orders = []
    for taken in claims.claim(node_id, uuid.uuid4(), ["default"], 64, now):
        orders.append(
            RunOrder(
                execution_id=taken.id, attempt=taken.attempt + 1, task_id=taken.task_id, task_key=taken.task_key,
                function=taken.function, parameters=taken.parameters, scheduled_for=taken.scheduled_for,
                origin=taken.origin, executor=taken.executor, node_id=node_id, deadline_at=None,
                timeout_seconds=None, idempotency_key="",
            )
        )  # fmt: skip
    said = {"reason": "exception", "error_class": "OSError", "message": "no route"} | outcome
    ended = [results.Result(order, Outcome(state=state, run_ms=5, **said), now) for order in orders]
    results.record(ended, now)
    return list(Execution.objects.filter(pk__in=[order.execution_id for order in orders]))


def fail(task: Task, node_id: uuid.UUID, times: int = 1, **outcome: Any) -> list[Execution]:
    for _number in range(times):
        tasks.run_now(task.pk, actor=TESTER, force=True)
    return end(node_id, **outcome)


def states() -> list[str]:
    return list(Notice.objects.order_by("id").values_list("state", flat=True))


def test_a_failure_is_told_with_a_link_and_no_secret(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock
) -> None:
    task = make_task(
        "nightly", name="Nightly", notify_on_failure=[ANNA, "team@example.org"], function="echo",
        parameters={"values": {"hidden": "s3cret-value"}},
    )  # fmt: skip
    told = "cannot reach mysql://root:hunter2@db:3306/x, password=hunter3"
    [execution] = fail(task, node_id, message=told, traceback="s3cret-trace", result='"s3cret-result"')
    assert notices.send_due(clock.now()) == 1
    [sent] = mail.outbox
    assert sent.subject == "[Jobsite] nightly: failed"
    assert sent.to == [ANNA, "team@example.org"]
    for part in ("Nightly (nightly)", "OSError", "cannot reach mysql://root:", f"execution/{execution.pk}/"):
        assert part in sent.body
    for secret in ("hunter2", "hunter3", "s3cret"):
        assert secret not in sent.body
    assert (states(), notices.anything_due(clock.move(days=2))) == (["sent"], False)


def test_only_what_failed_for_good_and_has_somebody_to_tell(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock
) -> None:
    retried = make_task("retried", notify_on_failure=[ANNA], retries=1, retry_delay_seconds=0)
    fail(make_task("quiet"), node_id)
    fail(make_task("fine", notify_on_failure=[ANNA]), node_id, state="succeeded", reason="")
    fail(make_task("stopped", notify_on_failure=[ANNA]), node_id, state="cancelled")
    fail(retried, node_id)
    assert states() == []
    Execution.objects.filter(task=retried).update(state="queued", reason="")
    end(node_id, "timed_out", reason="timeout")
    assert states() == ["pending"]


def test_a_lost_run_is_told_unless_it_runs_again(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock
) -> None:
    for key, again in (("once", False), ("again", True)):
        tasks.run_now(make_task(key, notify_on_failure=[ANNA], rerun_if_lost=again).pk, actor=TESTER)
    claims.claim(node_id, uuid.uuid4(), ["default"], 64, clock.now())
    assert nodes.declare_dead(node_id, 0, clock.now()) == 2
    notices.send_due(clock.now())
    assert [sent.subject for sent in mail.outbox] == ["[Jobsite] once: lost"]


def test_a_result_written_twice_is_told_once(make_task: MakeTask, node_id: uuid.UUID, clock: Clock) -> None:
    [execution] = fail(make_task(notify_on_failure=[ANNA]), node_id)
    notices.send_due(clock.now())
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        notices.note([(execution.pk, execution.task_id)], clock.now())


def test_at_most_one_mail_an_hour_which_counts_what_was_held_back(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock
) -> None:
    task, other = (make_task(key, notify_on_failure=[ANNA]) for key in ("one", "other"))
    fail(task, node_id)
    assert notices.send_due(clock.now()) == 1
    for _minute in range(3):
        clock.move(minutes=10)
        fail(task, node_id, times=2)
        assert notices.send_due(clock.now()) == 0
    fail(other, node_id)
    assert notices.send_due(clock.now()) == 1  # another task has an hour of its own
    assert notices.send_due(clock.move(minutes=29)) == 0
    assert notices.send_due(clock.move(minutes=2)) == 1
    assert "5 more runs of this task have failed since the last mail." in mail.outbox[-1].body
    assert "more run" not in mail.outbox[0].body
    assert sorted(states()) == ["merged"] * 5 + ["sent"] * 3
    assert notices.send_due(clock.move(days=1)) == 0


def test_two_nodes_never_send_the_same(make_task: MakeTask, node_id: uuid.UUID, clock: Clock) -> None:
    task = make_task(notify_on_failure=[ANNA])
    fail(task, node_id, times=3)
    claim = notices._claim(task.pk, clock.now())
    assert claim is not None
    assert claim.held_back == 2
    fail(task, node_id)  # and one more while the first node sends
    assert notices.send_due(clock.now()) == 0
    assert notices._send(claim)
    assert notices.send_due(clock.now()) == 0
    assert len(mail.outbox) == 1


def test_a_node_that_died_while_it_sent_leaves_the_notice_to_others(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock
) -> None:
    task = make_task(notify_on_failure=[ANNA])
    fail(task, node_id)
    claim = notices._claim(task.pk, clock.now())
    assert claim is not None
    assert not notices.anything_due(clock.now())
    clock.move(minutes=6)
    assert notices.anything_due(clock.now())
    assert notices.send_due(clock.now()) == 1
    notices._finish(claim, state="given_up")  # the dead one comes back: the notice is no longer its
    assert states() == ["sent"]


def test_a_refusing_server_is_asked_a_bounded_number_of_times(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock, refusing: type[Refusing]
) -> None:
    task = make_task(notify_on_failure=[ANNA])
    fail(task, node_id)
    for _minute in range(60 * 12):
        notices.send_due(clock.move(minutes=1))
    assert refusing.asked == notices.MOST_ATTEMPTS
    row = Notice.objects.get()
    assert (row.state, row.error) == ("given_up", "ConnectionRefusedError: no mail today")


def test_after_an_outage_of_the_server_one_mail_tells_of_all(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock, refusing: type[Refusing]
) -> None:
    task = make_task(notify_on_failure=[ANNA])
    for _quarter in range(8):  # two hours
        fail(task, node_id)
        notices.send_due(clock.now())
        clock.move(minutes=15)
    refusing.refuses = False
    for _minute in range(61):
        notices.send_due(clock.move(minutes=1))
    [sent] = mail.outbox
    assert "7 more runs" in sent.body
    assert sorted(states()) == ["merged"] * 7 + ["sent"]


@pytest.mark.parametrize("change", ["late", "nobody", "no server"])
def test_what_is_of_no_use_is_not_sent(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock, change: str, settings: Any
) -> None:
    task = make_task(notify_on_failure=[ANNA])
    fail(task, node_id, times=2)
    if change == "late":
        clock.move(hours=25)
    elif change == "nobody":
        task.notify_on_failure = []
        tasks.edit(task, actor=TESTER)
    else:
        settings.JOBSITE_MAIL = False
    assert notices.send_due(clock.now()) == 0
    assert not notices.anything_due(clock.move(days=2))
    expected = {"late": ["expired"] * 2, "nobody": ["dropped"] * 2, "no server": ["merged", "given_up"]}
    assert states() == expected[change]
    assert mail.outbox == []


def test_a_sweep_asks_few_questions_however_much_is_held_back(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock
) -> None:
    fail(make_task(notify_on_failure=[ANNA]), node_id, times=40)
    with CaptureQueriesContext(connection) as queries:
        notices.send_due(clock.now())
    assert len(queries) <= 16


def test_the_list_shows_what_became_of_them(
    make_task: MakeTask, node_id: uuid.UUID, clock: Clock, admin_client: Client, refusing: type[Refusing]
) -> None:
    fail(make_task("nightly", notify_on_failure=[ANNA]), node_id)
    notices.send_due(clock.now())
    page = admin_client.get("/admin/scheduling/notice/").content.decode()
    assert "no mail today" in page
    assert admin_client.post("/admin/scheduling/notice/add/").status_code == 403


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("anna@example.org", "list"),
        ([1], "list"),
        (["anna@"], "no mail address"),
        ([ANNA, ANNA.upper()], "twice"),
        ([f"user{number}@example.org" for number in range(11)], "At most 10"),
        (["a@example.org\nBcc: all@example.org"], "no mail address"),
    ],
)
def test_addresses_are_checked(make_task: MakeTask, value: Any, fault: str) -> None:
    with pytest.raises(Exception, match=fault) as caught:
        make_task(notify_on_failure=value)
    assert list(caught.value.message_dict) == ["notify_on_failure"]  # type: ignore[attr-defined]


class Hanging(BaseEmailBackend):
    """A mail server that takes the connection and says nothing, until it is told to."""

    answered = threading.Event()
    asked = threading.Event()

    def send_messages(self, email_messages: Any) -> int:
        self.asked.set()
        self.answered.wait(30)
        return len(email_messages)


@pytest.mark.django_db(transaction=True)
def test_a_server_that_hangs_delays_no_tick(make_task: MakeTask, settings: Any) -> None:
    from scheduling.engine.keepers.notices import Notices

    settings.EMAIL_BACKEND = f"{__name__}.Hanging"
    Hanging.answered.clear()
    now = clocks.refresh()
    node = nodes.register(now, queues=["default"], functions=[], seats={"thread": 64}, lease_seconds=15)
    nodes.set_state(node.pk, Node.State.ACTIVE, now)
    fail(make_task(notify_on_failure=[ANNA]), node.pk)
    keeper = Notices()
    began = time.monotonic()
    keeper.keep(None, clocks.now())  # type: ignore[arg-type]
    assert Hanging.asked.wait(20)
    first = keeper.thread
    keeper.keep(None, clocks.now())  # type: ignore[arg-type]
    assert keeper.thread is first
    assert time.monotonic() - began < 20
    assert states() == ["sending"]  # read while it hangs: nothing is locked
    Hanging.answered.set()
    await_(lambda: states() == ["sent"], 20, "the mail is sent")
    assert first is not None
    first.join(20)
