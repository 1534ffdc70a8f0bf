"""The page of guarantees: what was found, how old it is, by which statements; looked for anew by POST only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from scheduling.clock import SettableClock
from scheduling.models import Examination, Execution, Task
from scheduling.services import doctor
from tests.conftest import TESTER
from tests.scheduling.views.conftest import JSON, login, new_execution, new_node

pytestmark = pytest.mark.django_db
PAGE, RUN = "/scheduler/doctor/", "/scheduler/doctor/run/"


def test_it_is_looked_for_by_button_and_shown_with_its_evidence(
    make_task: Callable[..., Task], clock: SettableClock
) -> None:
    client = login(superuser=True)
    assert "Nobody has had the promises examined yet" in client.get(PAGE).content.decode()
    assert not Examination.objects.exists()
    task, node = make_task("slow"), new_node()
    late = new_execution(task, "running", clock.at - timedelta(hours=1), node=node)
    late.deadline_at = clock.at - timedelta(minutes=30)
    late.save()
    answer = client.post(RUN, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    page = answer.content.decode()
    assert "1 examination found something that breaks a promise." in page
    assert (
        f'<a href="/admin/scheduling/execution/{late.pk}/change/">#{late.pk} (slow) should have ended' in page
    )
    assert "Evidence: what was asked" in page
    assert "scheduling_execution" in page
    assert "anna" in page
    assert page.count("No row can show it; the tests do") == 2  # P4 and P7
    Execution.objects.all().delete()
    page = client.post(RUN, follow=True).content.decode()
    assert "and nothing that breaks a promise" in page
    assert "Earlier examinations" in page


def test_who_may_look_and_who_may_have_it_done(clock: SettableClock) -> None:
    client = login("view_examination")
    doctor.examine(actor=TESTER)
    page = client.get(PAGE).content.decode()
    assert "no scheduler is running" in page
    assert "Examine now" not in page
    assert client.post(RUN).status_code == 403
    assert client.post(RUN, **JSON).json()["error"]["code"] == "permission_denied"
    assert client.get(RUN).status_code == 405
    assert Examination.objects.count() == 1
    assert Client().get(PAGE).status_code == 302


def test_rows_that_one_may_not_see_are_no_links(make_task: Callable[..., Task], clock: SettableClock) -> None:
    node = new_node()
    Execution.objects.bulk_create(
        [
            new_execution(
                make_task("one"), "running", clock.at, node=node, deadline_at=clock.at - timedelta(hours=1)
            )
        ]
    )
    doctor.examine(actor=TESTER)
    page = login("view_examination").get(PAGE).content.decode()
    assert "(one) should have ended" in page
    assert "/admin/scheduling/execution/" not in page


def test_what_could_not_be_kept_is_shown_at_once(
    clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unkept(*, actor: Any) -> Examination:
        return Examination(at=clock.at, took_ms=3, source="admin", kept=0, broken=0, unknown=1)

    monkeypatch.setattr(doctor, "examine", unkept)
    answer = login(superuser=True).post(RUN)
    assert "1 examination came to no end in its time" in answer.content.decode()
