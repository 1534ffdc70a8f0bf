"""``manage.py list_anomalies``, and how long jumps stay."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from instances import tasks
from instances.models import Instance, SizeAnomaly, Tag
from instances.services import aggregate_retention, instances
from scheduling import clock
from tests.instances.servers import TRUSTED

pytestmark = pytest.mark.django_db


def jump(instance: Instance, day: str, database: str = "shop", *, by: int = 5) -> SizeAnomaly:
    return SizeAnomaly.objects.create(
        instance=instance, database=database, date=day, before_date="2020-01-01", before_bytes=100,
        after_bytes=100 + by, daily_bytes=by, usual_bytes=1, tolerance_bytes=2, found_at=clock.now(),
    )  # fmt: skip


@pytest.fixture
def found(make_instance: Any) -> list[SizeAnomaly]:
    Tag.objects.create(name="red")
    one = make_instance("one", environment="test")
    two = make_instance("two", dialect="mysql")
    instances.set_tags(two, ["red"], actor=TRUSTED)
    return [
        jump(one, "2026-05-01"), jump(one, "2026-05-02", by=-5), jump(two, "2026-05-03"),
        jump(two, "2026-05-04", "crm"),
    ]  # fmt: skip


def told(*arguments: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command("list_anomalies", *arguments, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("arguments", "days"),
    [
        ([], [4, 3, 2, 1]),
        (["--limit", "2"], [4, 3]),
        (["--jump", "down"], [2]),
        (["--jump", "up", "--instance", "one"], [1]),
        (["--instance", "one", "--instance", "two"], [4, 3, 2, 1]),
        (["--since", "2026-05-02", "--until", "2026-05-03"], [3, 2]),
        (["--database", "crm"], [4]),
        (["--dialect", "mysql"], [4, 3]),
        (["--environment", "test"], [2, 1]),
        (["--tag", "red"], [4, 3]),
        (["--tag", "red", "--instance", "one"], []),
    ],
)
def test_filters(arguments: list[str], days: list[int], found: list[SizeAnomaly]) -> None:
    assert [int(row["date"][-2:]) for row in told(*arguments)] == days


def test_as_json_and_in_words(found: list[SizeAnomaly]) -> None:
    (row,) = told("--database", "crm")
    assert row == {
        "id": found[3].pk, "instance": "two", "database": "crm", "date": "2026-05-04", "before_date": "2020-01-01",
        "before_bytes": 100, "after_bytes": 105, "daily_bytes": 5, "usual_bytes": 1, "tolerance_bytes": 2,
        "found_at": row["found_at"],
    }  # fmt: skip
    out = io.StringIO()
    call_command("list_anomalies", "--jump", "down", stdout=out)
    assert out.getvalue().split() == [
        "2026-05-02", "one", "shop", "100", "→", "95", "-5", "(+1", "±", "2)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--instance", "onne"], "Did you mean 'one'"),
        (["--since", "2026-02-30"], "'2026-02-30' is no day"),
        (["--limit", "0"], "--limit"),
        (["--jump", "sideways"], "up"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], words: str, found: list[SizeAnomaly]) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("list_anomalies", *arguments)


def test_old_ones_go_in_small_steps(make_instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = make_instance()
    for day in ("2025-01-29", "2025-01-30", "2025-01-31", "2025-02-01"):
        jump(instance, day)
    monkeypatch.setattr(aggregate_retention, "BATCH", 2)
    assert aggregate_retention.cleanup_jumps(16, today=date(2026, 6, 15)) == 3
    assert aggregate_retention.cleanup_jumps(16, today=date(2026, 6, 15)) == 0
    assert [str(row.date) for row in SizeAnomaly.objects.all()] == ["2025-02-01"]


def test_the_monthly_task_removes_them(make_instance: Any, clock: Any) -> None:
    clock.at = datetime(2026, 6, 15, tzinfo=UTC)
    instance = make_instance()
    for day in ("2024-04-30", "2024-05-01", "2026-06-01"):
        jump(instance, day)
    removed = {"day": 0, "week": 0, "month": 0, "quarter": 0, "jump": 1}
    assert tasks.cleanup_old_aggregations() == {"removed": removed, "total": 1}
    assert tasks.cleanup_old_aggregations(jump_months=1)["removed"]["jump"] == 1
    assert [str(row.date) for row in SizeAnomaly.objects.all()] == ["2026-06-01"]
