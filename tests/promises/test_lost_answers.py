"""Pains 5 and 27: a network that delays, and that loses the answer to a commit. Nothing is lost, nothing runs twice."""

from __future__ import annotations

import time

import pytest

from tests.conftest import Nodes, await_, database_url, in_seconds
from tests.promises import story
from tests.proxy import Proxy, through

pytestmark = pytest.mark.processes

BURST = 200


def await_burst(nodes: Nodes) -> None:
    await_(lambda: story.count(state="succeeded") == BURST, 60, "all have run")
    assert nodes.started[0].stop() == 0
    assert story.check(nodes, BURST) == {"succeeded": BURST}
    assert story.count(attempt=1) == BURST
    assert "Traceback" not in nodes.started[0].said()


@pytest.mark.parametrize("stored", [True, False], ids=["after it is stored", "before it is stored"])
def test_the_answers_to_commits_are_lost(nodes: Nodes, proxy: Proxy, stored: bool) -> None:
    """P1 to P3, pain 27: the node cannot know whether its admission, its claim or its results were committed."""
    nodes.start_ready(
        "--threads", "8", DATABASE_URL=through(proxy, database_url()), JOBSITE_POLL_SECONDS="0.1"
    )
    proxy.lose_commits(every=3, stored=stored)
    for _ in range(4):
        story.make_due(BURST // 4, in_seconds(0), nodes)
        known = proxy.lost
        await_(lambda known=known: proxy.lost > known, what="an answer is lost in the midst of it")
    await_(lambda: proxy.lost >= 6, what="six answers were lost")
    proxy.lose_commits(0, stored=stored)
    await_burst(nodes)


def test_a_slow_network(nodes: Nodes, proxy: Proxy) -> None:
    """Each word takes 20 ms in each direction: the work is slower, and otherwise the same."""
    nodes.start_ready(DATABASE_URL=through(proxy, database_url()))
    proxy.delay(0.02)
    story.make_due(BURST, in_seconds(0), nodes)
    await_burst(nodes)


def test_a_server_that_never_answers_at_the_start(nodes: Nodes, proxy: Proxy) -> None:
    """Pain 43: the start ends, with 1 and the reason, after the connect timeout of 3 s."""
    proxy.silence()
    began = time.monotonic()
    node = nodes.start(DATABASE_URL=through(proxy, database_url()))
    assert node.process.wait(60) == 1
    assert "cannot start without the database" in node.said()
    assert "Traceback" not in node.said()
    assert time.monotonic() - began < 30
