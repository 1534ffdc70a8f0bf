"""On a phone and in narrow columns, what matters of the instances is in view without pushing a table aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instances.models import Instance, InstanceSize, SizeLimit
from instances.services import sessions, sizes
from scheduling import clock
from scheduling.services.actor import SYSTEM
from tests.browser.conftest import Person

NAME = "an-instance-with-a-really-long-name.eu-central-1.example.internal"


@pytest.fixture
def instance(transactional_db: None) -> Instance:
    now = clock.now()
    return Instance.objects.create(
        name=NAME, dialect="sqlite", database="/nowhere.sqlite3", environment="production", created_at=now,
        updated_at=now,
    )  # fmt: skip


def right_edge(page: Any, text: str) -> float:
    box = page.get_by_text(text, exact=True).first.bounding_box()
    return float(box["x"] + box["width"])


def test_what_went_wrong_in_a_session(instance: Instance, person: Callable[..., Person]) -> None:
    session = sessions.create("size", "manual_batch", [instance], actor=SYSTEM)
    record = session.records.get()
    sessions.start(record)
    sessions.fail(record, "No route to host", "unreachable")
    sessions.finish(session)
    page = person(viewport={"width": 390, "height": 844}).visit(
        f"/admin/instances/syncsession/{session.pk}/change/"
    )
    assert right_edge(page, "unreachable") < 390
    for words in ("New", "Dropped"):
        cell = page.locator(f'td[data-label="{words}"]')
        assert cell.evaluate("e => e.getBoundingClientRect().right") < 390
        assert words in cell.evaluate("e => getComputedStyle(e, '::before').content")


def test_shares_and_limits_of_the_fleet(instance: Instance, person: Callable[..., Person]) -> None:
    now = clock.now()
    today = sizes.day_of(now)
    InstanceSize.objects.create(
        instance=instance, date=today, total_bytes=9 * 2**30, database_count=1, collected_at=now
    )
    SizeLimit.objects.create(
        instance=instance, database="a database", limit_bytes=7 * 2**40, used_bytes=9 * 2**30, computed_at=now,
        full_on=today,
    )  # fmt: skip
    for width in (1280, 390):
        page = person(viewport={"width": width, "height": 800}).visit("/admin/instances/instance/fleet/")
        for title in ("dialect-title", "full-title"):
            table = page.locator(f'[aria-labelledby="{title}"] .scroll')
            assert table.evaluate("e => e.scrollWidth - e.clientWidth") <= 1, (title, width)
