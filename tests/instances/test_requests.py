"""Work that pages, API and commands ask for is done as its task is configured."""

from __future__ import annotations

from typing import Any

import pytest

from instances.models import SyncRecord
from instances.services import requests, sessions
from tests.instances.servers import TRUSTED

pytestmark = pytest.mark.django_db

LEFT_OUT = {"postgresql": ["etl_*"]}


def test_a_clean_up_by_hand_keeps_what_the_task_keeps(make_task: Any) -> None:
    """Otherwise a button would drop years that somebody has said to keep."""
    make_task(
        "cleanup_database_size_partitions",
        function="cleanup_database_size_partitions",
        parameters={"keep_months": 60},
    )
    execution = requests.look_after_partitions("cleanup", actor=TRUSTED)
    assert execution.parameters == {"keep_months": 60}
    execution = requests.look_after_partitions("cleanup", actor=TRUSTED, parameters={"keep_months": 48})
    assert execution.parameters == {"keep_months": 48}


def test_accounts_that_are_left_out_are_left_out_by_hand_too(make_task: Any, make_instance: Any) -> None:
    parameters = {"leave_out": LEFT_OUT, "instances": ["other"]}
    make_task("sync_accounts", function="sync_accounts", parameters=parameters)
    instance = make_instance("one")
    execution = requests.collect_accounts([instance], actor=TRUSTED)
    assert execution.parameters == {"leave_out": LEFT_OUT, "instances": ["one"]}
    session = sessions.create("account", "api", [instance], actor=TRUSTED)
    sessions.finish(session, cancelled=True)
    assert SyncRecord.objects.get().state == "cancelled"
    execution = requests.retry(session, actor=TRUSTED)
    assert execution.parameters == {"leave_out": LEFT_OUT, "instances": None, "retry_of": str(session.pk)}
