"""Databases are first seen, dropped, and back again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from instances.dialects import DIALECTS
from instances.dialects.readings import DatabaseSizeReading, ServerReading, SizesReading
from instances.models import InstanceDatabase
from instances.services import sizes
from tests.instances.servers import PREFIX

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_it_comes_goes_and_comes_back(make_instance: Any) -> None:
    instance = make_instance()

    def seen(day: int, *names: str, complete: bool = True) -> dict[str, Any]:
        reading = SizesReading(
            ServerReading("x", "1", "X", 1),
            tuple(DatabaseSizeReading(name, 1) for name in names),
            complete=complete,
        )
        sizes.save(instance, reading, now=NOON + timedelta(days=day))
        return {row.name: row for row in InstanceDatabase.objects.all()}

    found = seen(0, "Sales", "sales ")
    assert {row.first_seen_at for row in found.values()} == {NOON}
    assert not seen(1, "Sales", complete=False)["sales "].dropped_at  # it may only be hidden
    gone = seen(2, "Sales")["sales "]
    assert (gone.active, gone.dropped_at, gone.last_seen_at) == (False, NOON + timedelta(days=2), NOON)
    assert seen(3, "Sales")["sales "].dropped_at == NOON + timedelta(days=2)
    back = seen(4, "Sales", "sales ")["sales "]
    assert (back.active, back.dropped_at, back.returned_at) == (True, None, NOON + timedelta(days=4))
    assert back.first_seen_at == NOON


def test_a_server_tells_whether_it_shows_everything(mariadb: Any, postgres: Any) -> None:
    assert DIALECTS["postgresql"].database_sizes(postgres.target()).complete
    assert DIALECTS["mysql"].database_sizes(mariadb.target()).complete
    user = f"{PREFIX}narrow"
    try:
        mariadb.run(
            [f"CREATE USER '{user}'@'%' IDENTIFIED BY 'x y'", f"GRANT SELECT ON mysql.* TO '{user}'@'%'"]
        )
        target = mariadb.target(username=user, password="x y")
        assert not DIALECTS["mysql"].database_sizes(target).complete
        mariadb.run([f"GRANT SHOW DATABASES ON *.* TO '{user}'@'%'"])
        assert DIALECTS["mysql"].database_sizes(target).complete
    finally:
        mariadb.run([f"DROP USER '{user}'@'%'"])
