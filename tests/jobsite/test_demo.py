"""What ``manage.py demo`` makes up is real enough to be looked at, harmless, and goes away again."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from instances.models import DatabaseSize, Instance
from scheduling.models import Execution, Group, Tally, Task

pytestmark = pytest.mark.django_db


def test_it_comes_once_and_goes_again(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("demo")
    tasks = Task.objects.present().count()
    assert (tasks, Group.objects.count()) == (10, 1)
    assert Execution.objects.filter(state="failed").exists()
    assert Execution.objects.filter(state="succeeded").count() > 500
    assert not Instance.objects.filter(active=True).exists(), "nobody is to connect to what does not exist"
    assert DatabaseSize.objects.exists()
    assert sum(Tally.objects.filter(state="succeeded").values_list("number", flat=True)) > 500, (
        "charts know it"
    )
    call_command("demo")
    assert capsys.readouterr().out.splitlines()[-1] == "0 tasks, 0 executions and 0 sizes made up."
    call_command("demo", "--remove")
    assert not Task.objects.present().exists()
    assert not Execution.objects.exists()
    assert not DatabaseSize.objects.exists()
    assert not Group.objects.exists()
