"""An instance that is restricted to roles: to everybody else it does not exist, at any address and by any verb."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from instances.models import Credential, DatabaseSizeAggregate, Instance, StatementRun
from instances.services import instances, sessions
from instances.services.sizes import day_of
from scheduling.clock import SettableClock
from scheduling.services.actor import SYSTEM
from tests.api.doors import PREFIX, doors
from tests.conftest import TESTER
from tests.faces.conftest import World, addresses, everything

#: Occurs in every row of the restricted instance, and nowhere else.
MARK = "Xq7-restricted"
#: Takes the place of a number or a name that does not exist.
NOBODY = "999999999"
#: The API's places → the table whose row stands in the address.
PLACES = {
    "instances": "instances_instance",
    "accounts": "instances_instanceaccount",
    "backups": "instances_backup",
    "size-limits": "instances_sizelimit",
    "sync-sessions": "instances_syncsession",
    "statements": "instances_statementrun",
    "credentials": "instances_credential",
}
#: Rows beside instances, for whoever may see their kind.
FREE = {"syncsession", "credential", "tag"}
#: Columns that tell of an instance.
TEXTS = ("name", "username", "database", "file", "error", "last_error", "description", "host")


@pytest.fixture
def hidden(clock: SettableClock, world: World) -> World:
    """A row of every table that hangs off the restricted instance, each with the mark in its texts.

    Time stands still: a walk takes long enough for pages to begin to warn that nothing runs what is due.
    """
    instance = world.rows["instances_instance"]
    run = world.rows["instances_statementrun"]
    run.asked_of.set([instance])
    StatementRun.objects.update(instances=[MARK], errors={MARK: "no"}, statement=f"SELECT '{MARK}'")
    session = sessions.create("size", "manual_batch", [instance], actor=SYSTEM)
    world.rows["instances_syncsession"] = session
    for row in world.rows.values():
        if row._meta.app_label != "instances" or row._meta.model_name in FREE:
            continue
        for name in TEXTS:
            if name in {field.name for field in row._meta.concrete_fields}:
                type(row)._default_manager.filter(pk=row.pk).update(**{name: MARK})
    # The fleet's page tells of the last day that is over.
    day = day_of(clock.now()) - timedelta(days=1)
    DatabaseSizeAggregate.objects.update(start=day, end=day)
    role = world.rows["auth_group"]
    place = {"dialect": "postgresql", "host": "127.0.0.1", "port": 2, "credential": Credential.objects.get()}
    instances.create(Instance(name="open", **place), actor=TESTER)
    untouched = instances.create(Instance(name=f"{MARK} not collected", **place | {"port": 3}), actor=TESTER)
    for each in (instance, untouched):
        instances.restrict(Instance.objects.get(pk=each.pk), [role.name], actor=SYSTEM)
    return world


def person(name: str, *roles: Role) -> User:
    """Has every permission of both apps."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label__in=("instances", "scheduling", "jobsite"))
    )
    user.groups.set(roles)
    return user


@pytest.fixture
def outsider(hidden: World) -> Client:
    """With a role of her own."""
    client = Client(raise_request_exception=False)
    client.force_login(person("outsider", Role.objects.create(name="others")))
    return client


@pytest.fixture
def member(hidden: World) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person("member", hidden.rows["auth_group"]))
    return client


def row_of(place: str, world: World) -> Any:
    return world.rows[PLACES[place.split("/")[0]]]


def api_addresses(world: World, method: str = "GET") -> Iterator[tuple[str, bool]]:
    """Every place of the API that is about instances, and whether it is that of one restricted row."""
    for door in doors():
        if door.method == method and "instances." in str(getattr(door.view, "needs", "")):
            pk = row_of(door.place, world).pk if "{pk}" in door.place else ""
            bound = "{pk}" in door.place and not set(PLACES[door.place.split("/")[0]].split("_")) & FREE
            yield PREFIX + door.place.replace("{pk}", str(pk)).replace("{name}", "check"), bound


def own_pages(world: World) -> Iterator[tuple[str, Any]]:
    """The admin's pages of each restricted row, and the row."""
    for row in world.rows.values():
        if row._meta.app_label == "instances" and row._meta.model_name not in FREE:
            for verb in ("change", "history", "delete"):
                if row._meta.model_name not in ("syncrecord",):
                    yield reverse(f"admin:instances_{row._meta.model_name}_{verb}", args=[row.pk]), row


def lists(world: World) -> Iterator[str]:
    """Every list, as it is and as somebody asks it for the restricted instance."""
    pk = world.rows["instances_instance"].pk
    for address in addresses(world):
        if re.fullmatch(r"/admin/instances/\w+/(export/)?", address):
            yield from (
                f"{address}?q={MARK}",
                f"{address}?instance__id__exact={pk}",
                f"{address}?bin=deleted",
            )
    for address, _bound in api_addresses(world):
        if not re.search(r"/\d+/|-\w{12}/", address):
            yield from (f"{address}?instance={pk}", f"{address}?name={MARK}", f"{address}?search={MARK}")
            yield from (f"{address}?page_size=100", f"{address}?deleted=true", f"{address}?tag=team-a")
    yield f"{PREFIX}access/?action=write&database={MARK}"
    yield f"{PREFIX}access/?action=write&database=shop&instance={MARK}"
    yield f"{PREFIX}fleet/growers/?period=day&on={DatabaseSizeAggregate.objects.get().start}"
    yield reverse("admin:instances_fleet") + "?period=day"
    yield reverse("admin:instances_fleet") + "?days=90&period=day&tag=team-a"
    yield reverse("admin:instances_sizelimit_add") + f"?instance={pk}"
    for name in (MARK, "shop"):
        yield reverse("admin:instances_who_can") + f"?action=write&database={name}"
    yield reverse("admin:autocomplete") + (
        "?app_label=instances&model_name=sizelimit&field_name=instance&term="
    )


#: What the person has asked for herself stands in fields and addresses of the answer.
ASKED = re.compile(rf'(?:=|%3D|value="){MARK}')


def text_of(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return ASKED.sub("", content.decode(errors="replace"))


def numbers_in(answer: Any) -> set[Any]:
    """Which instances a JSON answer is about: some rows say it by number alone."""

    def walk(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            yield value.get("instance")
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    return set(walk(answer.json())) if is_json else set()


def test_every_table_has_a_row(hidden: World) -> None:
    """A new table that names an instance needs a row here, and its pages the filter."""
    related = {
        f"{field.model._meta.app_label}_{field.model._meta.model_name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.get_fields()
        if getattr(field, "remote_field", None)
        and getattr(field, "related_model", None) is Instance
        and field.concrete
    }
    inside = {"instances_restriction", "instances_instance_tags", "instances_statementrun_asked_of"}
    assert related - inside <= set(hidden.rows)


def test_no_address_tells_an_outsider_of_it(hidden: World, outsider: Client, member: Client) -> None:
    own = {address for address, _row in own_pages(hidden)}
    bound = {address for address, is_bound in api_addresses(hidden) if is_bound}
    everywhere = {
        *(address for address in addresses(hidden) if "logout" not in address and "/api/" not in address),
        *(address for address, _bound in api_addresses(hidden)),
        *lists(hidden),
        *own,
    }
    faults, told, pk = [], 0, hidden.rows["instances_instance"].pk
    for address in sorted(everywhere):
        answer = outsider.get(address)
        text = text_of(answer)
        if answer.status_code >= 500:
            faults.append(f"{address}: {answer.status_code}")
        if MARK in text or pk in numbers_in(answer):
            faults.append(f"{address}: names it")
        if address in own and answer.status_code not in (302, 403):
            faults.append(f"{address}: {answer.status_code}")
        if address in bound and answer.status_code != 404:
            faults.append(f"{address}: {answer.status_code}")
        if PREFIX in address:
            text = text_of(outsider.options(address))
            if MARK in text:
                faults.append(f"OPTIONS {address}: names it")
        answer = member.get(address)
        told += MARK in text_of(answer) or pk in numbers_in(answer)
    assert faults == [], "\n".join(faults)
    assert told > 40, "a member sees it"


def test_a_member_sees_every_row_of_it(hidden: World, member: Client) -> None:
    for address, row in own_pages(hidden):
        answer = member.get(address)
        if address.endswith("/change/"):
            assert answer.status_code == 200, address
            assert MARK in text_of(answer), address
        else:
            assert answer.status_code in (200, 403), (address, row)
    for address, bound in api_addresses(hidden):
        if bound:
            assert member.get(address).status_code == 200, address


def test_its_pages_answer_as_those_of_what_does_not_exist(hidden: World, outsider: Client) -> None:
    for address, row in own_pages(hidden):
        answers = [outsider.get(each) for each in (address, address.replace(f"/{row.pk}/", f"/{NOBODY}/"))]
        assert answers[0].status_code == answers[1].status_code, address
        assert answers[0].headers.get("Location") == answers[1].headers.get("Location")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_verb_of_the_api_reaches_it(method: str, hidden: World, outsider: Client) -> None:
    places = [address for address, bound in api_addresses(hidden, method) if bound]
    assert places
    before = everything()
    for address in places:
        answer = outsider.generic(method, address, "{}", content_type="application/json")
        assert (answer.status_code, MARK in text_of(answer)) == (404, False), address
    assert before == everything()


def bodies(world: World, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What names an instance in the body of a request."""
    yield "sql/", {"instances": [name], "statement": "SELECT 1"}
    yield "size-limits/", {"instance": name, "limit_bytes": 5}
    text = f"instances: [{{name: open}}, {{name: y, dialect: postgresql, host: {name}, credential: ops}}]"
    yield "instances/import/", {"format": "yaml", "dry_run": True, "update": True, "text": text}


def test_named_in_a_body_it_is_as_unknown(hidden: World, outsider: Client) -> None:
    before = everything()
    for (place, body), (_place, other) in zip(bodies(hidden, MARK), bodies(hidden, "nobody"), strict=True):
        answers = [
            outsider.post(PREFIX + place, each, content_type="application/json") for each in (body, other)
        ]
        said = [text_of(answer).replace(MARK, "x").replace("nobody", "x") for answer in answers]
        assert said[0] == said[1]
        assert answers[0].status_code == answers[1].status_code
    assert before == everything()


def test_that_its_name_is_taken_is_all_that_is_told(hidden: World, outsider: Client) -> None:
    body = {"name": MARK, "dialect": "postgresql", "host": "h", "credential": "ops"}
    said = set()
    for instance in (hidden.rows["instances_instance"], None):
        if instance is None:
            Instance.objects.filter(name=MARK).update(deleted_at="2026-01-01T00:00:00Z")
        answer = outsider.post(f"{PREFIX}instances/", body, content_type="application/json")
        assert answer.status_code == 400
        said.add(answer.json()["errors"][0]["detail"])
        text = f"instances: [{{name: {MARK}, dialect: postgresql, host: h, credential: ops}}]"
        asked = {"format": "yaml", "update": True, "text": text}
        (row,) = outsider.post(f"{PREFIX}instances/import/", asked, content_type="application/json").json()[
            "rows"
        ]
        assert row["fate"] == "refused"
        said.add(row["problems"][-1].removeprefix("name: "))
    assert len(said) == 1, said
    assert Instance.objects.filter(host="h").count() == 0


def test_no_form_of_the_admin_reaches_it(hidden: World, outsider: Client) -> None:
    instance, limit = hidden.rows["instances_instance"], hidden.rows["instances_sizelimit"]
    before = everything()
    for verb in ("test", "collect", "accounts", "restore"):
        assert (
            outsider.post(reverse(f"admin:instances_instance_{verb}", args=[instance.pk])).status_code == 404
        )
    for verb in ("change", "delete"):
        for row in (instance, limit):
            address = reverse(f"admin:instances_{row._meta.model_name}_{verb}", args=[row.pk])
            answer = outsider.post(address, {"post": "yes", "limit": "1 GiB", "instance": instance.pk})
            assert answer.status_code == 302
            assert answer.headers["Location"] == "/admin/"
    assert before == everything()
    listed = reverse("admin:instances_instance_changelist")
    for action in ("test_connections", "collect_sizes", "restore_selected", "delete_selected"):
        chosen = {"action": action, "_selected_action": [instance.pk], "post": "yes"}
        text = text_of(outsider.post(listed, chosen, follow=True))
        assert MARK not in text
    answer = outsider.post(
        reverse("admin:instances_sizelimit_add"), {"instance": instance.pk, "database": "", "limit": "1 GiB"}
    )
    assert "instance" in answer.context["adminform"].form.errors
    answer = outsider.post(
        reverse("admin:instances_sql"),
        {"instances": [instance.pk], "statement": "SELECT 1", "max_rows": 5, "seconds": 1},
    )
    assert "instances" in answer.context["form"].errors
    assert MARK not in text_of(answer)
    assert before == everything()


def test_all_that_match_are_all_that_are_seen(hidden: World, outsider: Client) -> None:
    """The open instance goes to the recycle bin, and nothing else."""
    chosen = {
        "action": "delete_selected", "_selected_action": [Instance.objects.get(name="open").pk], "select_across": "1",
        "post": "yes",
    }  # fmt: skip
    outsider.post(reverse("admin:instances_instance_changelist"), chosen)
    assert [row.name for row in Instance.objects.exclude(deleted_at=None)] == ["open"]


def test_a_credential_says_that_others_use_it_and_not_which(hidden: World, outsider: Client) -> None:
    pk = Credential.objects.get().pk
    page = text_of(outsider.get(reverse("admin:instances_credential_change", args=[pk])))
    assert "There are instances that are not shown to you." in page
    assert "1 instance<" in text_of(outsider.get(reverse("admin:instances_credential_changelist")))
    for answer in (
        outsider.post(reverse("admin:instances_credential_delete", args=[pk]), {"post": "yes"}, follow=True),
        outsider.delete(f"{PREFIX}credentials/{pk}/"),
    ):
        text = text_of(answer)
        assert ("instances that are not shown to you" in text, MARK in text) == (True, False)
    assert Credential.objects.count() == 1


def test_a_session_counts_all_and_names_what_is_seen(hidden: World, outsider: Client, member: Client) -> None:
    pk = hidden.rows["instances_syncsession"].pk
    page = text_of(outsider.get(reverse("admin:instances_syncsession_change", args=[pk])))
    assert "0 of 1 instances" in page
    assert "Instances that are not shown to you are counted" in page
    assert "No instance was to be visited" not in page
    assert outsider.get(f"{PREFIX}sync-sessions/{pk}/records/").json()["results"] == []
    page = text_of(member.get(reverse("admin:instances_syncsession_change", args=[pk])))
    assert "not shown to you" not in page


def test_looking_costs_no_query_more(hidden: World, admin_client: Client, member: Client) -> None:
    """What is hidden is left out by the queries that there were before, and superusers' are as before."""
    pk = hidden.rows["instances_instance"].pk
    pages = [
        reverse("admin:instances_instance_changelist"),
        reverse("admin:instances_instance_change", args=[pk]),
        reverse("admin:instances_fleet"),
        reverse("admin:instances_databasesize_changelist"),
        f"{PREFIX}sizes/",
        f"{PREFIX}fleet/",
    ]

    def asked(client: Client, address: str) -> list[str]:
        client.get(address)  # what Django keeps for ever is read once
        with CaptureQueriesContext(connection) as seen:
            assert client.get(address).status_code == 200
        return [one["sql"] for one in seen.captured_queries]

    for address in pages:
        queries = asked(admin_client, address)
        assert len(queries) <= 12, address
        assert not [sql for sql in queries if "_restriction" in sql and "NOT" in sql], address
        assert len(asked(member, address)) == len(queries) + 2, "the permissions, and nothing else"
