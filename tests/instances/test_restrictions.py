"""Whom an instance is shown to: who may say so, by which ways, and what nobody can do to herself.

That it does not exist for everybody else is shown in tests/faces/test_restricted.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse

from instances.models import Instance, Restriction, StatementRun, Tag
from instances.models.restriction import of_visible
from instances.services import exchange, fleet, instances, statements
from scheduling.services.actor import SYSTEM, Actor
from tests.api.conftest import Api, errors
from tests.instances.servers import TRUSTED
from tests.instances.test_admin import instance_form
from tests.instances.test_admin import url as page_of

pytestmark = pytest.mark.django_db
RIGHTS = ("view_instance", "add_instance", "change_instance", "delete_instance", "use_credential")


@pytest.fixture
def roles() -> dict[str, Group]:
    return {name: Group.objects.create(name=name) for name in ("red", "blue", "a; b", "[x")}


def person(name: str, *groups: Group, rights: tuple[str, ...] = (*RIGHTS, "restrict_instance")) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="instances", codename__in=rights)
    )
    user.groups.set(groups)
    return user


def restricted_to(instance: Instance) -> set[str]:
    return set(instance.restricted_to.values_list("name", flat=True))


def seen_by(user: Any) -> set[str]:
    return set(Instance.objects.visible_to(user).values_list("name", flat=True))


def test_who_sees_what(make_instance: Any, roles: dict[str, Group]) -> None:
    for name, names in (("open", []), ("red", ["red"]), ("both", ["red", "blue"]), ("blue", ["blue"])):
        instances.restrict(make_instance(name), names, actor=TRUSTED)
    everything = {"open", "red", "both", "blue"}
    assert seen_by(person("eve")) == {"open"}
    assert seen_by(person("rita", roles["red"])) == {"open", "red", "both"}
    assert seen_by(person("max", roles["red"], roles["blue"])) == everything
    assert seen_by(AnonymousUser()) == {"open"}
    assert seen_by(None) == everything
    root = User.objects.create_superuser("root")
    assert seen_by(root) == everything
    root.is_active = False
    assert seen_by(root) == {"open"}


class TestWhoMaySaySo:
    def test_only_with_the_permission(self, make_instance: Any, roles: dict[str, Group]) -> None:
        instance = make_instance()
        actor = Actor(person("eve", roles["red"], rights=RIGHTS), "api")
        with pytest.raises(PermissionDenied, match="restrict_instance"):
            instances.restrict(instance, ["red"], actor=actor)
        instances.restrict(instance, [], actor=actor)  # as it is already
        instances.restrict(instance, ["red"], actor=TRUSTED)
        with pytest.raises(PermissionDenied, match="restrict_instance"):
            instances.restrict(instance, [], actor=actor)
        assert restricted_to(instance) == {"red"}

    def test_nobody_locks_herself_out(self, make_instance: Any, roles: dict[str, Group]) -> None:
        instance = make_instance()
        rita = person("rita", roles["red"])
        with pytest.raises(ValidationError) as refused:
            instances.restrict(instance, ["blue"], actor=Actor(rita, "api"))
        assert "one of your own roles" in refused.value.message_dict["restricted_to"][0]
        instances.restrict(instance, ["blue", "red"], actor=Actor(rita, "api"))
        assert restricted_to(instance) == {"blue", "red"}
        root = User.objects.create_superuser("root")
        instances.restrict(instance, ["blue"], actor=Actor(root, "api"))
        assert restricted_to(instance) == {"blue"}

    def test_nobody_opens_what_is_hidden_from_her(self, make_instance: Any, roles: dict[str, Group]) -> None:
        instance = make_instance()
        instances.restrict(instance, ["red"], actor=TRUSTED)
        for names in ([], ["blue"], ["blue", "red"]):
            with pytest.raises(PermissionDenied):
                instances.restrict(
                    instance, names, actor=Actor(person(f"b{len(names)}", roles["blue"]), "api")
                )
        assert restricted_to(instance) == {"red"}

    def test_an_unknown_role_is_named(self, make_instance: Any, roles: dict[str, Group]) -> None:
        with pytest.raises(ValidationError) as refused:
            instances.restrict(make_instance(), ["red", "bleu"], actor=TRUSTED)
        assert "“bleu”. Did you mean 'blue'?" in refused.value.message_dict["restricted_to"][0]

    def test_a_change_moves_the_moment_of_the_last_edit(
        self, make_instance: Any, roles: dict[str, Group], clock: Any
    ) -> None:
        instance = make_instance()
        before = instance.updated_at
        clock.move(seconds=60)
        instances.restrict(instance, [], actor=TRUSTED)
        assert Instance.objects.get().updated_at == before
        instances.restrict(instance, ["red"], actor=TRUSTED)
        assert Instance.objects.get().updated_at > before


class TestRoles:
    def test_one_that_restricts_something_cannot_go(
        self, make_instance: Any, roles: dict[str, Group], admin_client: Client
    ) -> None:
        """Its instances would be open to everybody."""
        instance = make_instance("secret one")
        instances.restrict(instance, ["red"], actor=TRUSTED)
        with pytest.raises(ProtectedError):
            roles["red"].delete()
        address = reverse("admin:auth_group_delete", args=[roles["red"].pk])
        for answer in (admin_client.get(address), admin_client.post(address, {"post": "yes"})):
            page = answer.content.decode()
            assert f"of the instance with the number {instance.pk}" in page
            assert "secret one" not in page
        roles["blue"].delete()
        assert restricted_to(instance) == {"red"}
        instance.delete()
        assert not Restriction.objects.exists()

    def test_one_without_members_is_for_superusers(self, make_instance: Any, roles: dict[str, Group]) -> None:
        rita = person("rita", roles["red"])
        instances.restrict(make_instance(), ["red"], actor=TRUSTED)
        rita.groups.clear()
        assert seen_by(rita) == set()


class TestApi:
    def test_names_in_and_out(self, make_instance: Any, roles: dict[str, Group]) -> None:
        make_instance("one")
        api = Api(person("rita", roles["red"]))
        body = {
            "name": "two", "dialect": "postgresql", "host": "h", "credential": "ops", "restricted_to": ["red", "blue"],
        }  # fmt: skip
        Instance.objects.get().credential.__class__.objects.update(allowed_hosts=["h"])
        answer = api.post("instances/", body)
        assert (answer.status_code, answer.data["restricted_to"]) == (201, ["blue", "red"])
        place = f"instances/{answer.data['id']}/"
        answer = api.patch(place, {"restricted_to": ["blue"]})
        assert (answer.status_code, "your own roles" in errors(answer)["restricted_to"]) == (400, True)
        answer = api.patch(place, {"restricted_to": ["reed"]})
        assert "Did you mean 'red'" in errors(answer)["restricted_to"]
        for wrong in ("red", [1], {"red": 1}, None, ["x" * 200]):
            assert api.patch(place, {"restricted_to": wrong}).status_code == 400, wrong
        assert api.patch(place, {"description": "x"}).data["restricted_to"] == ["blue", "red"]
        assert api.patch(place, {"restricted_to": []}).data["restricted_to"] == []
        assert [row["restricted_to"] for row in api.get("instances/").data["results"]] == [[], []]

    def test_without_the_permission(self, make_instance: Any, roles: dict[str, Group]) -> None:
        place = f"instances/{make_instance().pk}/"
        api = Api(person("eve", roles["red"], rights=RIGHTS))
        assert api.patch(place, {"restricted_to": [], "description": "x"}).status_code == 200
        answer = api.patch(place, {"restricted_to": ["red"], "description": "y"})
        assert (answer.status_code, "restrict_instance" in answer.content.decode()) == (403, True)
        assert Instance.objects.get().description == "x"


class TestPage:
    def post(self, client: Client, instance: Instance, **values: Any) -> Any:
        form = instance_form(name=instance.name, **values)
        return client.post(page_of("instance", "change", instance.pk), form)

    def test_the_form_offers_the_roles(
        self, make_instance: Any, roles: dict[str, Group], client: Client
    ) -> None:
        instance = make_instance()
        client.force_login(person("rita", roles["red"]))
        page = client.get(page_of("instance", "change", instance.pk)).content.decode()
        assert "Restricted to" in page
        assert self.post(client, instance, restricted_to=[roles["red"].pk]).status_code == 302
        assert restricted_to(instance) == {"red"}
        page = client.get(page_of("instance", "change", instance.pk)).content.decode()
        assert "Restricted to: red" in " ".join(page.split())
        assert f'<option value="{roles["red"].pk}" selected>red</option>' in page
        answer = self.post(client, instance, restricted_to=[roles["blue"].pk])
        assert "your own roles" in str(answer.context["adminform"].form.errors["restricted_to"])
        assert self.post(client, instance).status_code == 302
        assert restricted_to(instance) == set()
        history = client.get(page_of("instance", "history", instance.pk)).content.decode()
        assert "Restricted to." in history

    def test_without_the_permission_it_is_told_and_stays(
        self, make_instance: Any, roles: dict[str, Group], client: Client
    ) -> None:
        instance = make_instance()
        instances.restrict(instance, ["red"], actor=TRUSTED)
        client.force_login(person("eve", roles["red"], rights=RIGHTS))
        page = client.get(page_of("instance", "change", instance.pk)).content.decode()
        assert "Restricted to: red" in " ".join(page.split())
        assert "restricted_to" not in page
        answer = self.post(client, instance, restricted_to=[roles["blue"].pk], description="x")
        assert answer.status_code == 302, answer.context["adminform"].form.errors
        instance.refresh_from_db()
        assert (restricted_to(instance), instance.description) == ({"red"}, "x")

    def test_tags_stay_and_go_as_before(self, make_instance: Any, admin_client: Client) -> None:
        instance = make_instance()
        first, second = (Tag.objects.create(name=name) for name in ("first", "second"))
        assert self.post(admin_client, instance, tags=[first.pk]).status_code == 302
        page = admin_client.get(page_of("instance", "change", instance.pk)).content.decode()
        assert f'<option value="{first.pk}" selected>first</option>' in page
        assert f'<option value="{second.pk}">second</option>' in page
        assert self.post(admin_client, instance, tags=[second.pk]).status_code == 302
        assert list(instance.tags.all()) == [second]
        assert self.post(admin_client, instance, tags=[99]).status_code == 200


class TestFiles:
    @pytest.mark.parametrize("format_", exchange.FORMATS)
    @pytest.mark.parametrize("names", [["red"], ["blue", "red"], ["a; b", "red"], ["[x", "red"]])
    def test_out_and_in_again(
        self, format_: str, names: list[str], make_instance: Any, roles: dict[str, Group]
    ) -> None:
        instances.restrict(make_instance(), names, actor=TRUSTED)
        text = exchange.export(Instance.objects.all(), format_)
        (fate,) = exchange.load(text, format_, actor=TRUSTED, update=True)
        assert fate.fate == "unchanged"
        Instance.objects.all().delete()
        (fate,) = exchange.load(text, format_, actor=TRUSTED)
        assert (fate.fate, fate.problems) == ("created", [])
        assert restricted_to(Instance.objects.get()) == set(names)

    @pytest.mark.parametrize(
        ("cell", "words"),
        [("bleu", "Did you mean 'blue'"), ("red;reed", "“reed”"), ("[1]", "JSON list"), ("[", "JSON")],
    )
    def test_what_is_no_role_is_named(
        self, cell: str, words: str, make_instance: Any, roles: dict[str, Group]
    ) -> None:
        make_instance("one")
        (fate,) = exchange.load(f"name,restricted_to\none,{cell}\n", "csv", actor=TRUSTED, update=True)
        assert (fate.fate, words in fate.problems[0]) == ("refused", True), fate.problems
        assert restricted_to(Instance.objects.get()) == set()

    def test_the_rules_are_the_same(self, make_instance: Any, roles: dict[str, Group]) -> None:
        make_instance("one")

        def fate(cell: str, user: User) -> tuple[str, str]:
            text = f"name,restricted_to,description\none,{cell},by {user}\n"
            (row,) = exchange.load(text, "csv", actor=Actor(user, "admin"), update=True)
            return row.fate, " ".join(row.problems)

        rita, eve = person("rita", roles["red"]), person("eve", roles["red"], rights=RIGHTS)
        outcome, problem = fate("red", eve)
        assert (outcome, "restrict_instance" in problem) == ("refused", True)
        outcome, problem = fate("blue", rita)
        assert (outcome, "your own roles" in problem) == ("refused", True)
        assert Instance.objects.get().description == ""
        assert fate("red", rita) == ("updated", "")
        assert fate("red", eve) == ("updated", "")
        assert fate("", eve)[0] == "unchanged"

    def test_what_is_hidden_is_not_updated_and_not_named_where_its_server_is_taken(
        self, make_instance: Any, roles: dict[str, Group]
    ) -> None:
        hidden = make_instance("hidden", host="h1")
        hidden.credential.__class__.objects.update(allowed_hosts=["h1", "h2"])
        instances.restrict(hidden, ["red"], actor=TRUSTED)
        text = "name,dialect,host,credential\nhidden,postgresql,h2,ops\nother,postgresql,h1,ops\n"
        eve = Actor(person("eve"), "admin")
        fates = exchange.load(text, "csv", actor=eve, update=True)
        assert [row.problems for row in fates] == [
            ["name: Instance with this Name already exists."],
            ["host: An instance that is not shown to you is the same server and database."],
        ]
        hidden.refresh_from_db()
        assert hidden.host == "h1"


def test_a_statement_is_shown_to_who_sees_all_that_it_ran_on(
    make_instance: Any, roles: dict[str, Group], tmp_path: Any
) -> None:
    chosen = []
    for name in ("open", "red"):
        path = tmp_path / "files" / name
        path.touch()
        chosen.append(make_instance(name, dialect="sqlite", host="", database=str(path)))
    instances.restrict(chosen[1], ["red"], actor=TRUSTED)
    for these in (chosen, chosen[:1], chosen[1:]):
        statements.run(these, "SELECT 1", actor=SYSTEM)
    shown = {
        user.username: [row["instances"] for row in _statements_of(user)]
        for user in (person("eve"), person("rita", roles["red"]))
    }
    assert shown == {"eve": [["open"]], "rita": [["red"], ["open"], ["open", "red"]]}


def _statements_of(user: User) -> list[dict[str, Any]]:
    return list(of_visible(StatementRun.objects.all(), user, "asked_of").values("instances"))


def test_the_fleet_adds_up_what_is_seen(make_instance: Any, roles: dict[str, Group], clock: Any) -> None:
    instances.restrict(make_instance("red"), ["red"], actor=TRUSTED)
    make_instance("open")
    today = clock.now().date()
    members = [
        {one.name for one in fleet.summary(fleet.Choice(viewer=user), 30, today=today).members}
        for user in (person("eve"), person("rita", roles["red"]), None)
    ]
    assert members == [{"open"}, {"open", "red"}, {"open", "red"}]
