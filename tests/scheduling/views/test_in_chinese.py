"""On a Chinese page nothing that the engine wrote into a row is read in English, and none of it becomes HTML."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import timedelta
from string import Formatter
from typing import Any

import pytest
from django.utils.translation import override

from scheduling.clock import SettableClock
from scheduling.models import Attempt, Execution, Node, Task
from scheduling.sentences import joined, of_nodes, of_runs
from scheduling.sentences.base import Sentence
from scheduling.services import doctor
from tests.conftest import TESTER
from tests.scheduling.views.conftest import login, new_execution, new_node

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
RAW = "<script>alert(1)</script>"
#: What the sentences say by themselves, but for single words.
ENGLISH = {
    part
    for sentence in Sentence.known
    for text, *_rest in Formatter().parse(sentence.template)
    if " " in (part := text.strip(" :;,.()"))
}


def page(address: str) -> str:
    """As a Chinese reader gets it."""
    answer = login(superuser=True).get(address, headers={"Accept-Language": "zh-hans"})
    assert answer.status_code == 200
    text = answer.content.decode()
    assert RAW not in text
    assert [part for part in ENGLISH if part in html.unescape(text)] == []
    return text


@pytest.mark.parametrize(
    "address", ["/admin/scheduling/node/", "/admin/scheduling/node/{id}/change/", "/admin/"]
)
def test_a_node_in_trouble(clock: SettableClock, address: str) -> None:
    node = new_node()
    Node.objects.update(
        detail=joined(
            [of_nodes.DISK_FULL(free=3, least=64), of_nodes.SEATS_HELD(number=4, executor="thread")]
        ),
        warning=of_nodes.BROKER_AWAY(cause=f"no route {RAW}"),
    )
    text = page(address.format(id=node.pk))
    assert (
        "不领取任务：存放文件处剩余 3 MB，需要 64 MB；不领取任务：4 个已逾期的运行占着 thread 的槽位" in text
    )
    assert "Celery 工作进程的消息代理没有应答：no route &lt;script&gt;" in text


def test_a_node_without_trouble(clock: SettableClock) -> None:
    text = page(f"/admin/scheduling/node/{new_node().pk}/change/")
    assert text.count(">–<") >= 4  # detail, warning, asked to drain, ended


def test_what_the_doctor_found(make_task: MakeTask, clock: SettableClock) -> None:
    with override("zh-hans"):
        found = doctor.examine(actor=TESTER)
    assert "no scheduler is running" in str(found.findings)
    assert "没有调度器在运行" in page("/scheduler/doctor/")


EARLIER, LATER = "2026-06-01T10:00:00+00:00", "2026-06-01T11:00:00+00:00"
DUE = of_runs.MISSED(number=3, first=EARLIER, last=LATER)
END = of_runs.END_WITH_REASON(id=7, key="a", state="timed out", reason="ran longer than allowed")
EXITED = f"scheduling.exceptions.ProgramFailed: {of_runs.PROGRAM_ENDED(program='sh', ending=of_runs.EXIT_CODE(code=3))}"


@pytest.mark.parametrize(
    ("state", "reason", "detail", "said"),
    [
        ("skipped", "overlap", of_runs.SKIPPED(), "当时活动的执行已达允许的数量"),
        ("missed", "late", DUE, f"从 {EARLIER} 到 {LATER} 有 3 次到时间"),
        ("waiting", "retry", of_runs.TRIED(number=1, most=3, said=f"ValueError: {RAW}"), "第 1 次尝试（共 3 次）"),
        ("waiting", "retry", of_runs.TRIED(number=1, most=3, said=EXITED), "sh 结束：退出码 3。"),
        ("lost", "node_died", of_runs.NODE_DIED(node="here:1"), "运行期间节点 here:1 失联"),
        (
            "skipped",
            "upstream",
            of_runs.OTHERWISE_ENDED(ends=END),
            "其上游没有以所等待的方式结束：#7（a：超时，运行时间超过允许值）",
        ),
        ("queued", "", of_runs.RUNS_AGAIN(), "重新运行：先前的一次尝试已丢失"),
        ("cancelled", "cancel_requested", of_runs.CANCELLED(who=RAW), "开始之前被 &lt;script&gt;alert(1)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("address", ["{id}/change/", ""])
def test_an_execution(
    make_task: MakeTask, clock: SettableClock, address: str, state: str, reason: str, detail: str, said: str
) -> None:
    values: dict[str, Any] = {"reason": reason, "detail": detail}
    if state == "waiting":
        values["available_at"] = clock.now() + timedelta(minutes=1)
    made = new_execution(make_task(), state, clock.now(), **values)
    made.save()
    Attempt.objects.create(execution_id=made.pk, attempt=1, state="lost", reason="node_died", detail=detail)
    text = page(f"/admin/scheduling/execution/{address.format(id=made.pk)}")
    assert said in text or not (address or reason)  # the list shows no detail without a reason
    assert Execution.objects.get(pk=made.pk).detail == detail
