"""Growth, forecasts, the fleet, jumps and limits by API."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from instances.models import (
    DatabaseSize,
    DatabaseSizeAggregate,
    Instance,
    InstanceDatabase,
    InstanceSize,
    SizeAnomaly,
    SizeLimit,
    Tag,
)
from instances.services import sizes
from scheduling import clock
from tests.api.conftest import Api, errors

GIB = 2**30


@pytest.fixture
def today() -> date:
    return sizes.day_of(clock.now())


@pytest.fixture
def grown(make_instance: Any, today: date) -> Instance:
    """One GiB a day for forty days, with two of them missing; half of it in one database."""
    instance: Instance = make_instance("one", environment="test")
    instance.tags.set([Tag.objects.create(name="gold")])
    for age in (age for age in range(40) if age not in (3, 4)):
        day = {"instance": instance, "date": today - timedelta(days=age), "collected_at": clock.now()}
        InstanceSize.objects.create(total_bytes=(100 - age) * GIB, database_count=1, **day)
        DatabaseSize.objects.create(database="a/b 'c' 数据", total_bytes=(100 - age) * GIB // 2, **day)
    return instance


def test_growth_of_an_instance_and_of_a_database(api: Api, grown: Instance, today: date) -> None:
    answer = api.get(f"instances/{grown.pk}/growth/", days=10).data
    assert [day["total_bytes"] and day["total_bytes"] // GIB for day in answer["days"]] == [
        91, 92, 93, 94, 95, None, None, 98, 99, 100,
    ]  # fmt: skip
    first, last = (str(today - timedelta(days=age)) for age in (4, 3))
    assert answer["gaps"] == [{"first": first, "last": last}]
    assert {one["days"]: one["grown_bytes"] for one in answer["growth"]} == {1: GIB, 7: 7 * GIB, 30: 30 * GIB}
    of_one = api.get(f"instances/{grown.pk}/growth/", database="a/b 'c' 数据", days=2).data
    assert [day["total_bytes"] for day in of_one["days"]] == [99 * GIB // 2, 50 * GIB]
    assert api.get(f"instances/{grown.pk}/growth/", database="none").data["days"] == []
    assert "days" in errors(api.get(f"instances/{grown.pk}/growth/", days="x"))
    assert "span" in errors(api.get(f"instances/{grown.pk}/growth/", span=3))


def test_forecasts_to_a_limit(api: Api, grown: Instance) -> None:
    place = f"instances/{grown.pk}/forecast/"
    assert api.get(place).data["limit_bytes"] is None
    assert {one["days_linear"] for one in api.get(place).data["forecasts"]} == {None}
    asked = api.get(place, limit_bytes=110 * GIB).data
    assert [(one["window_days"], one["samples"], one["days_linear"]) for one in asked["forecasts"]] == [
        (30, 28, 10), (90, 38, 10), (180, 38, 10),
    ]  # fmt: skip
    SizeLimit.objects.create(instance=grown, limit_bytes=105 * GIB, computed_at=clock.now())
    assert api.get(place).data["forecasts"][0]["days_linear"] == 5
    assert "limit_bytes" in errors(api.get(place, limit_bytes=0))
    assert "limit_bytes" in errors(api.get(place, limit_bytes="9" * 30))


def test_the_fleet(api: Api, grown: Instance, make_instance: Any, today: date) -> None:
    make_instance("never", dialect="mysql")
    SizeLimit.objects.create(instance=grown, limit_bytes=1, full_on=today, computed_at=clock.now())
    answer = api.get("fleet/").data
    assert (answer["total_bytes"], answer["instances"], answer["measured"]) == (100 * GIB, 2, 1)
    assert [one["grown_bytes"] for one in answer["growth"]] == [GIB, 7 * GIB, 30 * GIB]
    assert len(answer["points"]) == 30
    assert len(answer["gaps"]) == 1
    assert {row["word"]: row["share"] for row in answer["by_dialect"]} == {"postgresql": 1.0, "mysql": 0.0}
    assert {row["word"]: row["instances"] for row in answer["by_tag"]} == {"gold": 1, "": 1}
    assert [row["name"] for row in answer["stale"]] == ["never"]
    assert (answer["stale"][0]["date"], answer["stale"][0]["total_bytes"]) == (None, None)
    assert [row["name"] for row in answer["full_next"]] == ["one"]
    assert api.get("fleet/", tag="gold").data["instances"] == 1
    assert api.get("fleet/", environment="production").data["total_bytes"] == 0
    for query, field in (
        ({"dialect": "db9"}, "dialect"),
        ({"days": 0}, "days"),
        ({"dialekt": "x"}, "dialekt"),
    ):
        assert field in errors(api.get("fleet/", **query))


def test_growers_of_a_period(api: Api, make_instance: Any, today: date) -> None:
    same = dict.fromkeys(
        ("samples", "first_bytes", "last_bytes", "min_bytes", "max_bytes", "average_bytes"), 1
    )
    for name, change in (("a", 5), ("b", 900)):
        DatabaseSizeAggregate.objects.create(
            instance=make_instance(name, dialect="mysql" if change == 5 else "postgresql"), database="d",
            period="month", start=date(2026, 2, 1), end=date(2026, 2, 28), final=True, first_date=today,
            last_date=today, change_bytes=change, computed_at=clock.now(), **same,
        )  # fmt: skip
    found = api.get("fleet/growers/", period="month", on="2026-02-14").data
    assert (found["start"], found["end"]) == ("2026-02-01", "2026-02-28")
    assert [row["name"] for row in found["databases"]] == ["b", "a"]
    chosen = api.get("fleet/growers/", period="month", on="2026-02-14", dialect="mysql", most=1).data
    assert [row["change_bytes"] for row in chosen["databases"]] == [5]
    assert api.get("fleet/growers/").data["databases"] == []
    assert "period" in errors(api.get("fleet/growers/", period="year"))


def test_limits(api: Api, make_instance: Any) -> None:
    make_instance("one")
    new = {"instance": "one", "database": "Sales", "limit_bytes": 5 * GIB}
    made = api.post("size-limits/", new)
    assert (made.status_code, made.data["full_on"]) == (201, None)
    assert api.post("size-limits/", new).status_code == 400
    place = f"size-limits/{made.data['id']}/"
    assert api.patch(place, {"limit_bytes": 7}).data["limit_bytes"] == 7
    assert "limit_bytes" in errors(api.patch(place, {"limit_bytes": 0}))
    assert "instance" in errors(api.post("size-limits/", new | {"instance": "oen"}))
    assert [row["database"] for row in api.get("size-limits/", dialect="postgresql").data["results"]] == [
        "Sales"
    ]
    assert api.get("size-limits/", full_before="2030-01-01").data["results"] == []
    assert api.delete(place).status_code == 204


def test_jumps_and_lists_by_what_the_instance_is(
    api: Api, grown: Instance, make_instance: Any, today: date
) -> None:
    other = make_instance("other", dialect="mysql")
    jump = dict.fromkeys(("daily_bytes", "usual_bytes", "tolerance_bytes"), 1)
    for instance, after in ((grown, 9), (other, 1)):
        SizeAnomaly.objects.create(
            instance=instance, database="d", date=today, before_date=today, before_bytes=5, after_bytes=after,
            found_at=clock.now(), **jump,
        )  # fmt: skip
        seen = {"first_seen_at": clock.now(), "last_seen_at": clock.now()}
        InstanceDatabase.objects.create(instance=instance, name="d", **seen)

    def of(place: str, **query: Any) -> list[int]:
        return [row.get("instance", row["id"]) for row in api.get(place, **query).data["results"]]

    assert of("anomalies/", jump="up") == of("anomalies/", tag="gold") == [grown.pk]
    assert of("anomalies/", jump="down") == of("anomalies/", dialect="mysql", since=str(today)) == [other.pk]
    assert of("anomalies/", until="2020-01-01") == []
    for query in ({"environment": "test"}, {"tag": "gold"}, {"dialect": "postgresql"}):
        assert of("databases/", **query) == [grown.pk], query
        assert of("instances/", **query) == [grown.pk], query
        assert set(of("sizes/", **query)) == {grown.pk}
        assert of("aggregations/totals/", **query, final=True) == []
    assert of("databases/", instance_state="failed") == []
    later = (clock.now() + timedelta(days=1)).isoformat()
    assert of("databases/", changed_since=later) == of("instances/", changed_since=later) == []
    assert len(of("instances/", changed_since="2020-01-01T00:00:00Z")) == 2
    for place in ("anomalies/", "databases/", "sizes/", "aggregations/"):
        assert "dialect" in errors(api.get(place, dialect="db9"))
