"""Every verb of the services has three faces: a page of the admin, an address of the API, a command.

A verb is a public function that asks who wants it. A new one fails here until it has its line.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.management import get_commands, load_command_class
from django.urls import URLPattern, get_resolver

import instances.services
import scheduling.services
from tests.api.doors import doors


class Faces(NamedTuple):
    """``-`` and a reason where there is none."""

    admin: str  # "form app.model", "delete app.model", "action app.model NAME", or "page NAME" of an address
    api: str  # a door, as tests.api.doors writes it
    command: str  # with its verb


VERBS: dict[str, Faces] = {
    "scheduling.tasks.create": Faces("form scheduling.task", "POST tasks/", "load_tasks"),
    "scheduling.tasks.edit": Faces("form scheduling.task", "PATCH tasks/{key}/", "load_tasks"),
    "scheduling.tasks.delete": Faces("page task-verb", "DELETE tasks/{key}/", "task delete"),
    "scheduling.tasks.clone": Faces("page scheduling_task_clone", "POST tasks/{key}/clone/", "task clone"),
    "scheduling.tasks.enable": Faces("page task-verb", "POST tasks/{key}/enable/", "task enable"),
    "scheduling.tasks.disable": Faces("page task-verb", "POST tasks/{key}/disable/", "task disable"),
    "scheduling.tasks.pause": Faces("page task-verb", "POST tasks/{key}/pause/", "task pause"),
    "scheduling.tasks.resume": Faces("page task-verb", "POST tasks/{key}/resume/", "task resume"),
    "scheduling.templates.create_task": Faces(
        "page scheduling_task_template", "POST templates/{key}/create-task/", "template create"
    ),
    "scheduling.versions.rollback": Faces(
        "page scheduling_task_rollback", "POST tasks/{key}/rollback/", "task rollback"
    ),
    "scheduling.requests.run_now": Faces("page task-verb", "POST tasks/{key}/run/", "run_task"),
    "scheduling.executions.cancel": Faces(
        "action scheduling.execution cancel", "POST executions/{pk}/cancel/", "execution cancel"
    ),
    "scheduling.executions.retry": Faces(
        "page scheduling_execution_again", "POST executions/{pk}/retry/", "execution retry"
    ),
    "scheduling.definitions.merging.load": Faces(
        "- the board loads the installation's files, others come by API or command",
        "POST tasks/reload/",
        "load_tasks",
    ),
    "scheduling.definitions.defaults.reload": Faces("page board-reload", "POST tasks/reload/", "load_tasks"),
    "scheduling.calendars.save": Faces("form scheduling.calendar", "PATCH calendars/{key}/", "load_tasks"),
    "scheduling.calendars.delete": Faces(
        "delete scheduling.calendar", "DELETE calendars/{key}/", "calendar delete"
    ),
    "scheduling.dependencies.save": Faces(
        "page scheduling_task_dependencies", "PUT tasks/{key}/dependencies/", "task depend"
    ),
    "scheduling.dependencies.add": Faces(
        "page scheduling_task_dependencies", "PUT tasks/{key}/dependencies/", "task depend"
    ),
    "scheduling.dependencies.remove": Faces(
        "page scheduling_task_dependencies", "PUT tasks/{key}/dependencies/", "task undepend"
    ),
    "scheduling.dependencies.set_mode": Faces(
        "page scheduling_task_dependencies", "PUT tasks/{key}/dependencies/", "task depend"
    ),
    "scheduling.groups.save": Faces("form scheduling.group", "PATCH groups/{key}/", "load_tasks"),
    "scheduling.groups.delete": Faces("delete scheduling.group", "DELETE groups/{key}/", "group delete"),
    "scheduling.groups.pause": Faces("page group-verb", "POST groups/{key}/pause/", "group pause"),
    "scheduling.groups.resume": Faces("page group-verb", "POST groups/{key}/resume/", "group resume"),
    "scheduling.pools.save": Faces("form scheduling.pool", "PATCH pools/{key}/", "load_tasks"),
    "scheduling.pools.delete": Faces(
        "delete scheduling.pool", "DELETE pools/{key}/", "- an empty pool harms nobody"
    ),
    "scheduling.pools.pause": Faces("page pool-verb", "PATCH pools/{key}/", "pool pause"),
    "scheduling.pools.resume": Faces("page pool-verb", "PATCH pools/{key}/", "pool resume"),
    "scheduling.queues.pause": Faces("page queue-verb", "POST queues/{name}/pause/", "queue pause"),
    "scheduling.queues.resume": Faces("page queue-verb", "POST queues/{name}/resume/", "queue resume"),
    "scheduling.nodes.drain": Faces("page node-drain", "POST nodes/{pk}/drain/", "node drain"),
    "scheduling.doctor.examine": Faces("page doctor-run", "POST doctor/", "doctor"),
    "instances.credentials.create": Faces(
        "form instances.credential", "POST credentials/", "- a password does not belong on a command line"
    ),
    "instances.credentials.edit": Faces(
        "form instances.credential",
        "PATCH credentials/{pk}/",
        "- a password does not belong on a command line",
    ),
    "instances.credentials.delete": Faces(
        "delete instances.credential", "DELETE credentials/{pk}/", "- it is made by hand and ends by hand"
    ),
    "instances.instances.create": Faces("form instances.instance", "POST instances/", "start"),
    "instances.instances.edit": Faces(
        "form instances.instance", "PATCH instances/{pk}/", "- its credential's password is asked for again"
    ),
    "instances.instances.delete": Faces(
        "delete instances.instance", "DELETE instances/{pk}/", "instance delete"
    ),
    "instances.instances.restore": Faces(
        "page instances_instance_restore", "POST instances/{pk}/restore/", "instance restore"
    ),
    "instances.instances.test_connection": Faces(
        "page instances_instance_test", "POST instances/{pk}/test/", "instance test"
    ),
    "instances.instances.set_tags": Faces(
        "form instances.instance", "PATCH instances/{pk}/", "import_instances"
    ),
    "instances.instances.restrict": Faces(
        "form instances.instance", "PATCH instances/{pk}/", "import_instances"
    ),
    "instances.tags.save": Faces(
        "form instances.tag", "PATCH tags/{name}/", "- an instance's tags come by import"
    ),
    "instances.tags.delete": Faces(
        "delete instances.tag", "DELETE tags/{name}/", "- an unused tag harms nobody"
    ),
    "instances.limits.save": Faces("form instances.sizelimit", "POST size-limits/", "instance limit"),
    "instances.limits.delete": Faces(
        "delete instances.sizelimit", "DELETE size-limits/{pk}/", "instance limit"
    ),
    "instances.exchange.load": Faces(
        "page instances_instance_import", "POST instances/import/", "import_instances"
    ),
    "instances.requests.retry": Faces(
        "page instances_syncsession_retry", "POST sync-sessions/{pk}/retry/", "sync_session retry"
    ),
    "instances.requests.cancel": Faces(
        "page instances_syncsession_cancel", "POST sync-sessions/{pk}/cancel/", "sync_session cancel"
    ),
    "instances.statements.run": Faces("page instances_sql", "POST sql/", "run_sql"),
    "instances.requests.look_after_partitions": Faces(
        "page instances_partitions", "POST partitions/{name}/", "partitions"
    ),
    "instances.requests.collect_sizes": Faces(
        "page instances_instance_collect", "POST instances/{pk}/sync-sizes/", "instance collect"
    ),
    "instances.requests.collect_accounts": Faces(
        "page instances_instance_collect", "POST instances/{pk}/sync-accounts/", "instance collect"
    ),
}
#: Parts of verbs, called by the verb that stands beside them.
INSIDE = {
    "scheduling.permits.check": "scheduling.tasks.create",
    "scheduling.dependencies.cut": "scheduling.tasks.delete",
    "scheduling.requests.run_again": "scheduling.executions.retry",
    "scheduling.tasks.change": "scheduling.tasks.edit",
    "scheduling.tasks.edit_many": "scheduling.definitions.merging.load",
    "scheduling.changes.record": "scheduling.tasks.edit",
    "scheduling.imports.candidates.write": "scheduling.tasks.create",
    "scheduling.changes.version_of": "scheduling.tasks.edit",
    "instances.aggregation.run": "scheduling.requests.run_now",
    "instances.collection.collect": "scheduling.requests.run_now",
    "instances.credentials.check_edit": "instances.credentials.edit",
    "instances.credentials.require_password": "instances.credentials.edit",
    "instances.credentials.require_permission": "instances.credentials.edit",
    "instances.instances.check_connection": "instances.instances.edit",
    "instances.instances.check_place": "instances.instances.edit",
    "instances.instances.check_restriction": "instances.instances.restrict",
    "instances.instances.test_connections": "instances.instances.test_connection",
    "instances.viewers.is_operator": "instances.instances.restrict",
    "instances.viewers.viewer_of": "instances.instances.restrict",
    "instances.sessions.create": "scheduling.requests.run_now",
    "instances.sessions.request_cancel": "instances.requests.cancel",
}


def public_verbs() -> set[str]:
    found = set()
    for package in (scheduling.services, instances.services):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(info.name)
            found |= {
                f"{info.name.replace('.services', '')}.{name}"
                for name, function in vars(module).items()
                if inspect.isfunction(function)
                and function.__module__ == module.__name__
                and not name.startswith("_")
                and "actor" in inspect.signature(function).parameters
            }
    return found


def test_every_verb_has_its_line() -> None:
    assert public_verbs() == {*VERBS, *INSIDE}
    assert set(INSIDE.values()) <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_faces(verb: str) -> None:
    faces = VERBS[verb]
    for face, exists in ((faces.admin, in_admin), (faces.api, in_api), (faces.command, in_commands)):
        if face.startswith("-"):
            assert len(face) > 10, "say why"
        else:
            assert exists(face), face


def in_api(door: str) -> bool:
    return door in {str(each) for each in doors()}


def in_commands(line: str) -> bool:
    name, _space, verb = line.partition(" ")
    app = get_commands().get(name)
    if app is None:
        return False
    command: Any = load_command_class(str(app), name)
    return not verb or verb in command.verbs


def in_admin(face: str) -> bool:
    kind, _space, where = face.partition(" ")
    if kind == "page":
        return where in set(names(get_resolver()))
    label, _space, action = where.partition(" ")
    page: Any = admin.site._registry[apps.get_model(label)]
    if kind == "action":
        return action in page.actions
    verb = {"form": "save_model", "delete": "delete_model"}[kind]
    return verb in vars(type(page))


def names(resolver: Any) -> Iterator[str]:
    for each in resolver.url_patterns:
        if isinstance(each, URLPattern):
            yield each.name or ""
        else:
            yield from names(each)
