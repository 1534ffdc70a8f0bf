from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from instances.dialects.readings import DatabaseSizeReading, ServerReading, SizesReading
from instances.models import DatabaseSize, InstanceSize
from instances.services import sizes
from instances.services.sessions import RowCounts

pytestmark = pytest.mark.django_db

SERVER = ServerReading("x", "1", "X", 1.0)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reading(**numbers: int | None) -> SizesReading:
    return SizesReading(SERVER, tuple(DatabaseSizeReading(name, size) for name, size in numbers.items()))


def stored() -> dict[str, int | None]:
    return dict(DatabaseSize.objects.order_by("database").values_list("database", "total_bytes"))


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("Asia/Shanghai", datetime(2026, 3, 1, 15, 59, tzinfo=UTC), date(2026, 3, 1)),
        ("Asia/Shanghai", datetime(2026, 3, 1, 16, 0, tzinfo=UTC), date(2026, 3, 2)),
        ("America/New_York", datetime(2026, 3, 1, 4, 59, tzinfo=UTC), date(2026, 2, 28)),
        ("UTC", datetime(2026, 12, 31, 23, 59, tzinfo=UTC), date(2026, 12, 31)),
    ],
)
def test_the_day_is_that_of_the_tasks_zone(zone: str, moment: datetime, day: date, settings: Any) -> None:
    settings.JOBSITE_TASK_TIME_ZONE = zone
    assert sizes.day_of(moment) == day


def test_names_keep_their_case_spaces_and_accents(make_instance: Any) -> None:
    names = ["Sales", "sales", "sales ", "sàles", "销售", "😀"]
    made = sizes.save(make_instance(), reading(**dict.fromkeys(names, 5)), now=NOON)
    assert made == RowCounts(created=6)
    assert set(stored()) == set(names)


def test_the_same_day_again_updates(make_instance: Any) -> None:
    instance = make_instance()
    sizes.save(instance, reading(a=1, b=2), now=NOON)
    later = NOON + timedelta(hours=1)
    assert sizes.save(instance, reading(a=10, b=2, c=3), now=later) == RowCounts(1, 1, 1)
    assert stored() == {"a": 10, "b": 2, "c": 3}
    assert set(DatabaseSize.objects.values_list("collected_at", flat=True)) == {later}
    whole = InstanceSize.objects.get()
    assert (whole.total_bytes, whole.database_count, whole.unknown_count) == (15, 3, 0)


def test_another_day_adds(make_instance: Any) -> None:
    instance = make_instance()
    for number in range(3):
        sizes.save(instance, reading(a=number), now=NOON + timedelta(days=number))
    assert DatabaseSize.objects.count() == InstanceSize.objects.count() == 3


def test_what_is_unknown_now_does_not_wipe_what_was_known(make_instance: Any) -> None:
    instance = make_instance()
    sizes.save(instance, reading(a=1, gone=2), now=NOON)
    counts = sizes.save(instance, reading(a=None, b=None), now=NOON + timedelta(hours=1))
    assert counts == RowCounts(created=1, unchanged=1)
    assert stored() == {"a": 1, "b": None, "gone": 2}


def test_nothing_known_is_null_not_zero(make_instance: Any) -> None:
    sizes.save(make_instance(), reading(a=None, b=None), now=NOON)
    whole = InstanceSize.objects.get()
    assert (whole.total_bytes, whole.database_count, whole.unknown_count) == (None, 2, 2)


def test_large_numbers_and_many_databases(make_instance: Any, django_assert_max_num_queries: Any) -> None:
    instance = make_instance()
    many = reading(**{f"d{number}": 2**50 + number for number in range(1200)})
    with django_assert_max_num_queries(30):
        sizes.save(instance, many, now=NOON)
    assert InstanceSize.objects.get().total_bytes == sum(2**50 + number for number in range(1200))
