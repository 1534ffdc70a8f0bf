"""Job stores beside our own: named in the settings, run by one node of several, refused where they are wrong."""

from __future__ import annotations

import pickle
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.base import BaseScheduler
from django.core.checks import run_checks
from django.db import connection
from redis import Redis
from redis.exceptions import RedisError

from scheduling import clock, job_stores
from scheduling.engine.jobstore import in_turn
from scheduling.models import Node
from scheduling.services import nodes as node_service
from tests.conftest import Nodes, await_
from tests.scheduling.engine.conftest import HandNode

ADDRESS = {"host": "127.0.0.1", "port": 6379}


@pytest.fixture
def keys() -> Iterator[dict[str, str]]:
    """Names of this test's own in the Redis that the tests use."""
    redis = Redis(**ADDRESS, socket_connect_timeout=2)
    try:
        redis.ping()
    except Exception:
        pytest.skip("no Redis answers on 127.0.0.1:6379")
    name = f"jobsite-test-{uuid.uuid4().hex}"
    made = {"jobs_key": f"{name}.jobs", "run_times_key": f"{name}.times"}
    yield made
    redis.delete(*made.values())


@pytest.fixture
def configured(settings: Any, keys: dict[str, str]) -> dict[str, str]:
    store = {"kind": "redis", "url": "redis://127.0.0.1:6379/0", **keys}
    settings.SCHEDULER = settings.SCHEDULER | {"job_stores": {"redis": store}}
    return keys


def said(found: list[Any]) -> str:
    return " ".join(str(each.msg) for each in found if each.id in ("scheduling.E012", "scheduling.E014"))


def start(node: HandNode) -> None:
    """Without a thread: the tests tick."""
    node.scheduler._event = threading.Event()
    BaseScheduler.start(node.scheduler)


@pytest.fixture
def ready(configured: dict[str, str], node: HandNode) -> Iterator[HandNode]:
    """A node that has the store, as ``Process`` gives it."""
    node.scheduler.add_jobstore(in_turn(job_stores.build("redis")), "redis")
    start(node)
    yield node
    BaseScheduler.shutdown(node.scheduler, wait=False)


def touch(path: Path, id: str = "once") -> None:
    """A job that is due at once, put there as another process would."""
    job_stores.add_job("redis", "pathlib:Path.touch", args=[path], id=id)


def test_a_job_in_redis_is_run(ready: HandNode, configured: dict[str, str], tmp_path: Path) -> None:
    touch(tmp_path / "made")
    assert Redis(**ADDRESS).hlen(configured["jobs_key"]) == 1
    assert not (tmp_path / "made").exists(), "who puts it there does not run it"
    ready.tick_until((tmp_path / "made").exists, "the job runs")
    ready.tick_until(lambda: not Redis(**ADDRESS).hlen(configured["jobs_key"]), "it is done with")


def test_it_has_the_defaults_of_the_settings(configured: dict[str, str], settings: Any) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"job_defaults": {"misfire_grace_time": 77}}
    job_stores.add_job("redis", "pathlib:Path.touch", "interval", hours=1, args=["/nowhere"], id="hourly")
    [stored] = Redis(**ADDRESS).hvals(configured["jobs_key"])
    job = pickle.loads(stored)
    assert (job["misfire_grace_time"], job["coalesce"], job["max_instances"]) == (77, True, 1)


def test_one_node_of_several_runs_it(ready: HandNode, tmp_path: Path) -> None:
    elder = node_service.register(
        clock.refresh() - timedelta(hours=1),
        queues=["default"],
        functions=[],
        seats={"thread": 1},
        lease_seconds=15,
    )
    Node.objects.filter(pk=elder.pk).update(state="active", heartbeat_at=clock.now())
    touch(tmp_path / "made")
    for _ in range(5):
        ready.scheduler._others_due = 0.0
        ready.tick()
    assert not ready.scheduler.in_turn
    assert not (tmp_path / "made").exists()
    Node.objects.filter(pk=elder.pk).update(heartbeat_at=clock.now() - timedelta(seconds=16))
    ready.scheduler._others_due = 0.0
    ready.tick_until((tmp_path / "made").exists, "the next in age has its turn")


def test_what_cannot_be_read_stays(ready: HandNode, configured: dict[str, str], tmp_path: Path) -> None:
    redis = Redis(**ADDRESS)
    redis.hset(configured["jobs_key"], "broken", b"no pickle")
    redis.zadd(configured["run_times_key"], {"broken": 1.0})
    touch(tmp_path / "made")
    ready.tick_until((tmp_path / "made").exists, "the other one runs")
    assert redis.hexists(configured["jobs_key"], "broken")
    assert ready.scheduler._others_due > time.monotonic(), "and the tick does not spin"


def test_a_node_that_drains_leaves_them_to_others(
    ready: HandNode, configured: dict[str, str], tmp_path: Path
) -> None:
    ready.state.draining = True
    touch(tmp_path / "made")
    ready.scheduler._others_due = 0.0
    ready.tick()
    assert not (tmp_path / "made").exists()
    assert Redis(**ADDRESS).hlen(configured["jobs_key"]) == 1


def test_a_redis_that_is_away_is_no_trouble_of_the_nodes(settings: Any, node: HandNode) -> None:
    store = {"kind": "redis", "url": "redis://127.0.0.1:1/0"}
    settings.SCHEDULER = settings.SCHEDULER | {"job_stores": {"redis": store}}
    node.scheduler.add_jobstore(in_turn(job_stores.build("redis")), "redis")
    start(node)
    try:
        begun = time.monotonic()
        node.tick()
        assert time.monotonic() - begun < 20, "it waited for a server that is not there"
        assert node.state.trouble == ""
    finally:
        BaseScheduler.shutdown(node.scheduler, wait=False)


@pytest.mark.processes
def test_in_runapscheduler(nodes: Nodes, settings: Any) -> None:
    """The whole process, its store given by the environment. Its jobs lie under APScheduler's usual names there."""
    if connection.vendor != "sqlite":
        pytest.skip("the store is no matter of the database")
    redis, names = (
        Redis(**ADDRESS, db=9, socket_connect_timeout=2),
        ("apscheduler.jobs", "apscheduler.run_times"),
    )
    url = "redis://127.0.0.1:6379/9"
    settings.SCHEDULER = settings.SCHEDULER | {"job_stores": {"redis": {"kind": "redis", "url": url}}}
    try:
        if redis.exists(*names):
            pytest.skip("database 9 of the Redis is in use")
    except RedisError:
        pytest.skip("no Redis answers on 127.0.0.1:6379")
    beside = nodes.folder / "made"
    try:
        touch(beside)
        node = nodes.start_ready(JOBSITE_REDIS_JOB_STORE=url)
        await_(beside.exists, what="the job runs")
        assert node.stop() == 0
    finally:
        redis.delete(*names)


@pytest.mark.parametrize(
    ("stores", "words"),
    [
        ({"one": {}}, "'one' needs a mapping with a kind"), ({"one": "redis"}, "needs a mapping"),
        ({"tasks": {"kind": "memory"}}, "a name other than 'tasks'"), ({"default": {"kind": "memory"}}, "other than"),
        ({"one": {"kind": "rediss"}}, "no kind 'rediss'"),
        ({"one": {"kind": "redis", "url": "http://x"}}, "cannot be made"),
        ({"one": {"kind": "redis", "db": "x"}}, "cannot be made"),
        ({"one": {"kind": "memory", "x": 1}}, "cannot be made"),
        ({"one": {"kind": "pathlib.Path"}}, "no subclass"), ({"one": {"kind": "no.such.Store"}}, "cannot be made"),
        ({"one": {"kind": "django_apscheduler.jobstores.DjangoJobStore"}}, "Jobsite's own database"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(settings: Any, stores: Any, words: str) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"job_stores": stores}
    assert words in said(run_checks(tags=["scheduling"]))


def test_our_own_database_is_no_store(settings: Any) -> None:
    ours = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{ours['NAME']}"
    else:
        scheme = {"postgresql": "postgresql+psycopg2", "mysql": "mysql"}[connection.vendor]
        url = f"{scheme}://somebody@{ours['HOST']}:{ours['PORT']}/{ours['NAME']}"
    settings.SCHEDULER = settings.SCHEDULER | {"job_stores": {"one": {"kind": "sqlalchemy", "url": url}}}
    assert "nothing is ever unpickled" in said(run_checks(tags=["scheduling"]))


def test_defaults_come_from_the_settings(settings: Any, node: HandNode) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"job_defaults": {"max_instances": 3}, "job_threads": 2}
    scheduler = type(node.scheduler)(node.state, died=lambda: None)
    assert scheduler._job_defaults == {"coalesce": True, "max_instances": 3, "misfire_grace_time": 300}
    settings.SCHEDULER = settings.SCHEDULER | {"job_defaults": {"max_instance": 3}}
    assert "'max_instance' is not known" in said(run_checks(tags=["scheduling"]))


def test_good_ones_pass(configured: dict[str, str], settings: Any) -> None:
    stores = settings.SCHEDULER["job_stores"] | {"memory": {"kind": "memory"}}
    settings.SCHEDULER = settings.SCHEDULER | {"job_stores": stores}
    assert said(run_checks(tags=["scheduling"])) == ""
    assert not job_stores.is_shared(job_stores.build("memory"))
