"""The fleet at a glance: totals that a missing instance does not dent, holes, shares, growth, who needs somebody."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

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
from instances.services import aggregation, fleet, limits, sizes
from scheduling.clock import SettableClock
from tests.instances.servers import AWKWARD, TRUSTED

pytestmark = pytest.mark.django_db
GIB = 2**30


@pytest.fixture
def today(clock: SettableClock) -> date:
    return sizes.day_of(clock.now())


@pytest.fixture
def fill(make_instance: Any, clock: SettableClock, today: date) -> Any:
    """An instance with totals in GiB by age in days."""

    def make(name: str, totals: dict[int, int | None], **values: Any) -> Instance:
        instance: Instance = make_instance(name, **values)
        for age, total in totals.items():
            InstanceSize.objects.create(
                instance=instance, date=today - timedelta(days=age), database_count=1, collected_at=clock.now(),
                total_bytes=None if total is None else total * GIB,
            )  # fmt: skip
        return instance

    return make


def points(found: fleet.Fleet, most: int) -> list[int | None]:
    """The last totals in GiB."""
    totals = [point.total_bytes for point in found.points[-most:]]
    return [None if total is None else total // GIB for total in totals]


def test_one_that_was_not_asked_makes_no_dent_and_an_empty_day_a_hole(fill: Any, today: date) -> None:
    fill("a", {5: 10, 4: 11, 2: 13, 1: 14, 0: 15})
    fill("b", {5: 100, 2: None, 1: 102})
    found = fleet.summary(fleet.Choice(), 30, today=today)
    assert points(found, 7) == [None, 110, 111, None, 113, 116, 117]
    assert [point.collected for point in found.points[-6:]] == [2, 1, 0, 1, 2, 1]
    assert found.holes == [(today - timedelta(days=3), today - timedelta(days=3))]
    assert found.total_bytes == 117 * GIB
    assert found.measured == 2


def test_growth_is_of_those_with_a_size_at_both_ends(fill: Any, today: date) -> None:
    fill("old", {40: 10, 31: 10, 8: 12, 1: 13, 0: 15})
    fill("new", {3: 500, 0: 501})
    fill("never", {})
    found = fleet.summary(fleet.Choice(), 30, today=today)
    grown = {one.days: (one.instances, one.grown_bytes) for one in found.growth}
    assert grown == {1: (2, 3 * GIB), 7: (1, 3 * GIB), 30: (1, 5 * GIB)}
    assert [(one.name, one.grown[30] // GIB) for one in found.growers] == [("old", 5)]
    assert fleet.summary(fleet.Choice(tag="none"), 30, today=today).growth[0].grown_bytes is None


def test_one_last_collected_long_ago_still_counts_and_is_stale(fill: Any, today: date) -> None:
    fill("fresh", {0: 1})
    fill("yesterday", {1: 2})
    fill("two days", {2: 4})
    fill("long ago", {200: 8})
    fill("never", {})
    fill("not active", {9: 16}, active=False)
    found = fleet.summary(fleet.Choice(), 30, today=today)
    assert [one.name for one in found.stale] == ["never", "long ago", "two days"]
    assert found.total_bytes == 31 * GIB
    assert points(found, 1) == [31]
    assert [one.name for one in found.largest] == ["not active", "long ago", "two days", "yesterday", "fresh"]
    ages = {one.name: (today - one.newest[0]).days for one in found.members if one.newest}
    assert ages["long ago"] == 200


def test_beyond_a_month_a_point_is_a_week(fill: Any, today: date) -> None:
    fill("a", dict.fromkeys(range(400), 1))
    for span in (90, 365):
        found = fleet.summary(fleet.Choice(), span, today=today)
        gaps = {
            (later.date - one.date).days for one, later in zip(found.points, found.points[1:], strict=False)
        }
        assert (gaps, found.points[-1].date) == ({7}, today)
        assert (today - found.points[0].date).days in range(span - 7, span)
        assert found.holes == []


def test_shares_and_choices(fill: Any, today: date) -> None:
    gold, slow = (Tag.objects.create(name=name) for name in ("gold", "slow"))
    a = fill("a", {0: 60}, environment="production")
    b = fill("b", {0: 20}, dialect="mysql", environment="production")
    fill("c", {0: 20}, dialect="mysql")
    deleted = fill("gone", {0: 1000})
    Instance.objects.filter(pk=deleted.pk).update(deleted_at=deleted.created_at)
    a.tags.set([gold, slow])
    b.tags.set([gold])
    found = fleet.summary(fleet.Choice(), 30, today=today)
    tags = fleet.tags_of(fleet.Choice())
    shares = {
        (row.word, row.instances, row.share)
        for words in (
            lambda one: [one.dialect],
            lambda one: [one.environment],
            lambda one: tags.get(one.pk, [""]),
        )
        for row in found.shares(words)
    }
    assert shares == {
        ("postgresql", 1, 0.6), ("mysql", 2, 0.4), ("production", 2, 0.8), ("", 1, 0.2), ("gold", 2, 0.8),
        ("slow", 1, 0.6),
    }  # fmt: skip
    chosen = fleet.Choice(dialect="mysql", environment="production", tag="gold")
    assert [one.name for one in fleet.summary(chosen, 30, today=today).members] == ["b"]


class TestLimits:
    @pytest.mark.parametrize(
        ("text", "count"),
        [("500 GiB", 500 * GIB), ("1.5T", 1536 * GIB), ("1024", 1024), ("2kb", 2048), (" 7 PiB ", 7 * 2**50)],
    )
    def test_sizes_as_people_write_them(self, text: str, count: int) -> None:
        assert limits.bytes_of(text) == count
        assert limits.bytes_of(limits.text_of(count)) == count

    @pytest.mark.parametrize("text", ["", "x", "-1", "0", "1 GiB 2", "9999999 PiB", "NaN", "1e9", "１"])
    def test_what_is_no_size_is_refused(self, text: str) -> None:
        from django.core.exceptions import ValidationError

        with pytest.raises(ValidationError, match="no size"):
            limits.bytes_of(text)

    def test_the_day_it_is_full_follows_the_line(self, fill: Any, today: date) -> None:
        instance = fill("a", {age: 100 - age for age in range(60)})
        limit = limits.save(SizeLimit(instance=instance, limit_bytes=110 * GIB), actor=TRUSTED)
        assert (limit.used_bytes, limit.growth_per_day_bytes) == (100 * GIB, GIB)
        assert limit.full_on == today + timedelta(days=10)
        flat = limits.save(SizeLimit(instance=instance, database="none", limit_bytes=1), actor=TRUSTED)
        assert (flat.used_bytes, flat.full_on) == (None, None)

    def test_the_nightly_computation_makes_it_anew(
        self, fill: Any, today: date, clock: SettableClock
    ) -> None:
        instance = fill("a", {age: 100 - age for age in range(60)})
        limit = limits.save(SizeLimit(instance=instance, limit_bytes=110 * GIB), actor=TRUSTED)
        InstanceSize.objects.filter(date=today).update(total_bytes=200 * GIB)
        aggregation.run([instance], origin="schedule")
        limit.refresh_from_db()
        assert (limit.used_bytes, limit.full_on) == (200 * GIB, today)
        assert list(fleet.soonest_full(fleet.Choice())) == [limit]
        assert list(fleet.soonest_full(fleet.Choice(dialect="mysql"))) == []


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:instances_{name}", args=args)


class TestPages:
    def test_the_fleet_says_what_needs_somebody(self, admin_client: Client, fill: Any, today: date) -> None:
        instance = fill("first", {age: 100 - age for age in range(30)}, environment="production")
        fill("<b>stale", {9: 1})
        Instance.objects.filter(name="<b>stale").update(status="failed", last_error="no <route>")
        limits.save(SizeLimit(instance=instance, limit_bytes=110 * GIB), actor=TRUSTED)
        text = admin_client.get(page("fleet")).content.decode()
        assert "101 GiB" in text
        assert (today + timedelta(days=10)).isoformat() in text
        assert "&lt;b&gt;stale" in text
        assert "no &lt;route&gt;" in text
        assert text.count('<polyline class="curve-line"') == 1
        chosen = admin_client.get(page("fleet") + "?environment=production&days=7&period=nonsense&tag=x")
        assert [one.name for one in chosen.context["fleet"].members] == ["first"]
        assert (chosen.context["span"], chosen.context["period"]) == (30, "week")

    def test_an_empty_fleet(self, admin_client: Client) -> None:
        assert "Nothing was collected" in admin_client.get(page("fleet")).content.decode()

    def test_its_queries_do_not_grow(
        self, admin_client: Client, fill: Any, today: date, django_assert_max_num_queries: Any
    ) -> None:
        for number in range(12):
            one = fill(f"i{number}", dict.fromkeys(range(number, 40), 10))
            limits.save(SizeLimit(instance=one, limit_bytes=GIB), actor=TRUSTED)
        Instance.objects.update(status="failed")
        admin_client.get(page("fleet"))
        with django_assert_max_num_queries(12):
            assert admin_client.get(page("fleet")).status_code == 200

    def test_two_hundred_databases_with_awkward_names(
        self, admin_client: Client, make_instance: Any, today: date, clock: SettableClock,
        django_assert_max_num_queries: Any,
    ) -> None:  # fmt: skip
        instance, now = make_instance("big"), clock.now()
        names = [*AWKWARD, "😀 🗄", "<script>", *(f"d{number}" for number in range(187))]
        InstanceSize.objects.create(
            instance=instance, date=today, total_bytes=200 * GIB, database_count=200, collected_at=now
        )
        DatabaseSize.objects.bulk_create(
            DatabaseSize(instance=instance, database=name, date=today, total_bytes=GIB, collected_at=now)
            for name in names
        )
        InstanceDatabase.objects.bulk_create(
            InstanceDatabase(instance=instance, name=name, first_seen_at=now, last_seen_at=now)
            for name in names
        )
        admin_client.get(page("instance_change", instance.pk))
        with django_assert_max_num_queries(12):
            shown = admin_client.get(page("instance_change", instance.pk))
        assert shown.content.decode().count("/instancedatabase/") >= 200
        assert "<script>" not in shown.content.decode().replace('<script src="', "").split("<table", 1)[1]
        for row in InstanceDatabase.objects.filter(name__in=[*AWKWARD, "😀 🗄", "<script>"]):
            one = admin_client.get(page("instancedatabase_change", row.pk))
            assert one.context["database"] == row
            assert one.context["days"][-1].total_bytes == GIB
            assert "Set a limit" in one.content.decode()
            add = one.content.decode().split(page("sizelimit_add"))[1].split('"')[0].replace("&amp;", "&")
            form = admin_client.get(page("sizelimit_add") + add).context["adminform"].form
            assert form.initial["database"] == row.name

    def test_a_limit_by_form(self, admin_client: Client, make_instance: Any) -> None:
        instance = make_instance()
        add = {"instance": instance.pk, "database": "Sales", "limit": "1.5 TiB"}
        assert admin_client.post(page("sizelimit_add"), add).status_code == 302
        limit = SizeLimit.objects.get()
        assert limit.limit_bytes == 1536 * GIB
        again = admin_client.post(page("sizelimit_add"), add)
        assert again.context["adminform"].form.errors
        shown = admin_client.get(page("sizelimit_change", limit.pk))
        assert 'value="1536 GiB"' in shown.content.decode()
        wrong = admin_client.post(page("sizelimit_change", limit.pk), add | {"limit": "much"})
        assert "no size" in str(wrong.context["adminform"].form.errors["limit"])
        assert "1.5 TiB" in admin_client.get(page("sizelimit_changelist")).content.decode()

    def test_lists_are_filtered_by_what_the_instance_is(
        self, admin_client: Client, fill: Any, today: date, clock: SettableClock
    ) -> None:
        first = fill("first", {0: 1}, dialect="mysql", environment="test")
        fill("other", {0: 1, 20: 1})
        first.tags.set([Tag.objects.create(name="gold")])
        Instance.objects.filter(pk=first.pk).update(status="failed")

        def rows(query: str, name: str = "instancesize") -> list[str]:
            found = admin_client.get(page(f"{name}_changelist") + query).context["cl"].result_list
            return sorted(getattr(row, "instance", row).name for row in found)

        assert rows("") == ["first", "other", "other"]
        for query in ("?dialect=mysql", "?environment=test", "?tag=gold", "?instance_state=failed"):
            assert rows(query) == ["first"], query
        assert rows("?since=7") == ["first", "other"]
        assert rows("?since=7", "instance") == ["first", "other"]
        Instance.objects.filter(pk=first.pk).update(updated_at=clock.now() - timedelta(days=9))
        assert rows("?since=7", "instance") == ["other"]
        assert rows("?tag=none") == []

    def test_jumps_up_and_down(self, admin_client: Client, make_instance: Any, today: date) -> None:
        jump = dict.fromkeys(("daily_bytes", "usual_bytes", "tolerance_bytes"), 1)
        for name, after in (("up", 9), ("down", 1)):
            SizeAnomaly.objects.create(
                instance=make_instance(name), database="d", date=today, before_date=today, before_bytes=5,
                after_bytes=after, found_at="2026-06-01T00:00Z", **jump,
            )  # fmt: skip
        address = page("sizeanomaly_changelist")
        for word in ("up", "down"):
            found = admin_client.get(f"{address}?jump={word}").context["cl"].result_list
            assert [row.instance.name for row in found] == [word]


def test_growers_of_a_choice(make_instance: Any, today: date) -> None:
    from instances.services import growth

    same = dict.fromkeys(
        ("samples", "first_bytes", "last_bytes", "min_bytes", "max_bytes", "average_bytes"), 1
    )
    for name, dialect in (("a", "mysql"), ("b", "postgresql")):
        DatabaseSizeAggregate.objects.create(
            instance=make_instance(name, dialect=dialect), database="d", period="week", start=today, end=today,
            final=True, first_date=today, last_date=today, change_bytes=5, computed_at="2026-06-01T00:00Z", **same,
        )  # fmt: skip
    chosen = fleet.Choice(dialect="mysql").instances()
    assert [row.instance.name for row in growth.fastest("week", today, 9, chosen)] == ["a"]
    assert len(growth.fastest("week", today)) == 2
