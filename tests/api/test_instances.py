"""Instances, credentials, sizes and sessions by API."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from instances.models import Credential, DatabaseSize, Instance, Tag
from instances.services import collection, sizes
from scheduling import clock
from scheduling.models import Execution
from scheduling.services import definitions
from tests.api.conftest import Api, errors
from tests.instances.servers import PASSWORD

NEW = {"name": "one", "dialect": "postgresql", "host": "db.example.com", "credential": "ops"}


class TestCredential:
    def test_the_password_goes_in_and_never_comes_out(self, api: Api) -> None:
        answer = api.post("credentials/", {"name": "ops", "username": "root", "new_password": PASSWORD})
        assert (answer.status_code, answer.data["has_password"]) == (201, True)
        place = f"credentials/{answer.data['id']}/"
        said = [answer, api.get("credentials/"), api.get(place), api.patch(place, {"username": "x"})]
        assert all(PASSWORD not in each.content.decode() for each in said)
        assert all("password" not in each.data for each in said[:1])
        credential = Credential.objects.get()
        assert (credential.username, credential.reveal_password()) == ("x", PASSWORD)
        assert api.patch(place, {"new_password": " new one "}).status_code == 200
        assert Credential.objects.get().reveal_password() == " new one "

    def test_a_further_host_needs_the_present_password(self, api: Api, make_credential: Any) -> None:
        place = f"credentials/{make_credential().pk}/"
        body = {"allowed_hosts": ["evil.example.com"]}
        assert "present password" in errors(api.patch(place, body))["password"]
        assert api.patch(place, body | {"password": PASSWORD}).status_code == 200

    def test_what_is_wrong_is_named(self, api: Api, make_credential: Any) -> None:
        make_credential()
        body = {
            "name": "ops",
            "username": "",
            "new_password": "x\ty",
            "allowed_hosts": ["a,b"],
            "active": "yes",
        }
        assert set(errors(api.post("credentials/", body))) == {*body}
        assert Credential.objects.count() == 1

    def test_one_in_use_stays(self, api: Api, make_instance: Any) -> None:
        place = f"credentials/{make_instance().credential_id}/"
        assert "is used by: one" in errors(api.delete(place))["non_field_errors"]
        Instance.objects.all().delete()
        assert api.delete(place).status_code == 204


class TestInstance:
    def test_create_needs_the_password_of_the_credential(self, api: Api, make_credential: Any) -> None:
        make_credential()
        assert "credential_password" in errors(api.post("instances/", NEW))
        answer = api.post("instances/", NEW | {"credential_password": PASSWORD})
        assert (answer.status_code, answer.data["status"], answer.data["credential"]) == (
            201,
            "unknown",
            "ops",
        )
        assert PASSWORD not in answer.content.decode()
        assert "already exists" in errors(api.post("instances/", NEW))["name"]

    @pytest.mark.parametrize("may", [True, False])
    def test_putting_a_credential_behind_an_instance_needs_its_permission(
        self, make_api: Any, make_credential: Any, may: bool
    ) -> None:
        make_credential(allowed_hosts=["db.example.com"])
        permissions = ("instances.add_instance", *(("instances.use_credential",) if may else ()))
        answer = make_api(*permissions).post("instances/", NEW)
        assert answer.status_code == (201 if may else 403)
        if not may:
            assert "instances.use_credential" in answer.data["errors"][0]["detail"]

    def test_a_changed_connection_needs_permission_and_password(
        self, api: Api, make_api: Any, make_instance: Any
    ) -> None:
        place = f"instances/{make_instance().pk}/"
        limited = make_api("instances.change_instance", "instances.view_instance")
        assert limited.patch(place, {"description": "free"}).status_code == 200
        answer = limited.patch(place, {"host": "evil.example.com", "credential_password": PASSWORD})
        assert (answer.status_code, "change_connection" in answer.data["errors"][0]["detail"]) == (403, True)
        assert "credential_password" in errors(api.patch(place, {"host": "evil.example.com"}))
        assert Instance.objects.get().host == "db.example.com"
        body = {"host": "db2.example.com", "credential_password": PASSWORD}
        assert api.patch(place, body).data["host"] == "db2.example.com"

    def test_the_recycle_bin(self, api: Api, make_instance: Any) -> None:
        place = f"instances/{make_instance().pk}/"
        assert api.delete(place).status_code == 204
        assert api.get("instances/").data["results"] == []
        assert [row["name"] for row in api.get("instances/", deleted="true").data["results"]] == ["one"]
        assert "recycle bin" in errors(api.patch(place, {"description": "x"}))["non_field_errors"]
        assert api.post(f"{place}restore/").data["deleted_at"] is None
        assert [row["name"] for row in api.get("instances/", search="ON").data["results"]] == ["one"]

    def test_the_test_of_a_connection_tells_what_came_of_it(
        self, api: Api, of_server: Any, make_instance: Any, postgres: Any
    ) -> None:
        good, bad = of_server(postgres, "good"), make_instance("bad", host="127.0.0.1", port=1)
        answer = api.post(f"instances/{good.pk}/test/").data
        assert (answer["ok"], answer["product"], answer["code"]) == (True, "PostgreSQL", "")
        assert answer["rights"]["found"]
        assert api.get(f"instances/{good.pk}/").data["rights"] == answer["rights"]
        answer = api.post(f"instances/{bad.pk}/test/").data
        assert (answer["ok"], answer["code"], bool(answer["error"])) == (False, "unreachable", True)
        assert api.get(f"instances/{bad.pk}/").data["status"] == "failed"
        assert api.get(f"instances/{good.pk}/test/").status_code == 405
        assert api.get(f"instances/{bad.pk}/").data["rights"] is None
        api.delete(f"instances/{bad.pk}/")
        assert "Restore" in errors(api.post(f"instances/{bad.pk}/test/"))["non_field_errors"]

    def test_several_connections_at_once(
        self, api: Api, of_server: Any, make_instance: Any, postgres: Any
    ) -> None:
        of_server(postgres, "good")
        make_instance("bad", host="127.0.0.1", port=1, active=False)
        told = {
            row["instance"]: row for row in api.post("instances/test/", {"instances": ["good", "bad"]}).data
        }
        assert (told["good"]["ok"], told["bad"]["ok"], told["bad"]["code"]) == (True, False, "unreachable")
        assert told["good"]["rights"]["missing"] == []
        answer = api.post("instances/test/", {"instances": ["good", "bda"]})
        assert "'bda'. Did you mean 'bad'" in errors(answer)["instances"]
        assert "50" in errors(api.post("instances/test/", {"instances": ["x"] * 51}))["instances"]

    def test_rights_that_are_missing_come_with_the_statement(
        self, api: Api, of_server: Any, postgres: Any
    ) -> None:
        postgres.run(["CREATE ROLE jobsite_poor LOGIN"])
        try:
            instance = of_server(postgres, "poor", username="jobsite_poor", password="")
            answer = api.post(f"instances/{instance.pk}/test/").data
        finally:
            postgres.run(["DROP ROLE jobsite_poor"])
        assert [one["statement"] for one in answer["rights"]["missing"]] != []
        assert all(one["statement"].startswith("GRANT ") for one in answer["rights"]["missing"])

    def test_tags_are_made_used_and_taken_away(self, api: Api, make_instance: Any) -> None:
        place = f"instances/{make_instance().pk}/"
        assert "no tag" in errors(api.patch(place, {"tags": ["red"]}))["tags"]
        answer = api.post("tags/", {"name": "red", "label": "Red ones", "category": "team"})
        assert (answer.status_code, answer.data["colour"]) == (201, "#6b7280")
        assert list(errors(api.post("tags/", {"name": "red", "colour": "red"}))) == ["name", "colour"]
        assert api.patch(place, {"tags": ["red"]}).data["tags"] == ["red"]
        assert api.patch("tags/red/", {"name": "blue"}).data["label"] == "Red ones"
        assert api.get(place).data["tags"] == ["blue"]
        assert [row["name"] for row in api.get("tags/").data["results"]] == ["blue"]
        assert api.delete("tags/blue/").status_code == 204
        assert api.get(place).data["tags"] == []

    def test_a_kind_that_does_not_exist_is_no_filter(self, api: Api) -> None:
        assert list(errors(api.get("instances/", dialect="postgre"))) == ["dialect"]

    def test_a_collection_is_an_execution(self, api: Api, make_instance: Any) -> None:
        place = f"instances/{make_instance().pk}/sync-sizes/"
        answer = api.post(place)
        assert (answer.status_code, answer.data["errors"][0]["code"]) == (409, "task_missing")
        definitions.reload()
        answer = api.post(place)
        assert (answer.status_code, answer.data["task"]) == (202, "collect_database_sizes")
        assert Execution.objects.get().parameters == {"instances": ["one"]}
        Instance.objects.update(active=False)
        assert api.post(place).data["errors"][0]["code"] == "instance_inactive"


class TestHistory:
    @pytest.fixture
    def instance(self, make_instance: Any) -> Instance:
        instance: Instance = make_instance()
        now = clock.now()
        for day in range(1, 6):
            for name in ("sales", "Sales"):
                DatabaseSize.objects.create(
                    instance=instance,
                    database=name,
                    date=date(2026, 6, day),
                    total_bytes=day,
                    collected_at=now,
                )
        return instance

    def test_sizes_newest_first_by_page_and_filter(self, api: Api, instance: Instance) -> None:
        seen, place = [], "sizes/?limit=3"
        while place:
            page = api.get(place).data
            seen += [(row["date"], row["database"]) for row in page["results"]]
            place = page["next"]
        assert len(seen) == len(set(seen)) == 10
        assert [day for day, _name in seen] == sorted((day for day, _name in seen), reverse=True)
        found = api.get(
            "sizes/", instance=instance.pk, since="2026-06-02", until="2026-06-03", database="Sales"
        )
        assert [row["total_bytes"] for row in found.data["results"]] == [3, 2]
        for query, field in (
            ({"since": "x"}, "since"),
            ({"instance": "9" * 30}, "instance"),
            ({"cursor": "eyJ9"}, "cursor"),
        ):
            assert field in errors(api.get("sizes/", **query))

    def test_totals(self, api: Api, make_instance: Any, postgres: Any, of_server: Any) -> None:
        collection.collect(collection.SIZES, [of_server(postgres, "pg")], origin="schedule")
        (row,) = api.get("sizes/totals/").data["results"]
        assert row["database_count"] >= 1
        assert row["date"] == sizes.day_of(clock.now()).isoformat()
        (session,) = api.get("sync-sessions/", status="completed").data["results"]
        assert (session["succeeded"], session["category"]) == (1, "size")
        assert api.get(f"sync-sessions/{session['id']}/").data == session
        records = f"sync-sessions/{session['id']}/records/"
        (record,) = api.get(records).data["results"]
        assert (record["instance"], record["state"]) == ("pg", "completed")
        assert api.get(records, state="completed").data["results"] == [record]
        assert api.get(records, state="failed").data["results"] == []
        assert api.get(records, instance=Instance.objects.get().pk).data["results"] == [record]
        for query in ({"state": "lost"}, {"instance": "x"}, {"status": "failed"}):
            assert set(errors(api.get(records, **query))) == set(query)
        assert json.dumps(record["details"])


def test_tags_and_import(api: Api, make_instance: Any) -> None:
    Tag.objects.create(name="gold")
    place = f"instances/{make_instance().pk}/"
    assert api.patch(place, {"tags": ["gold"]}).data["tags"] == ["gold"]
    assert "lead" in errors(api.patch(place, {"tags": ["lead"], "description": "x"}))["tags"]
    assert (api.get(place).data["tags"], api.get(place).data["description"]) == (["gold"], "")
    text = "instances:\n- {name: one, dialect: sqlite}\n- {name: two, dialect: sqlite, database: relative}\n"
    answer = api.post("instances/import/", {"text": text, "format": "yaml"})
    assert [row["fate"] for row in answer.data["rows"]] == ["refused", "refused"]
    assert "text" in errors(api.post("instances/import/", {"text": "[", "format": "yaml"}))
    assert Instance.objects.count() == 1
