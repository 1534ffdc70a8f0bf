"""P9: how long pages and API lists take on a filled database (benchmarks/history.py), and how many queries they ask.

Each address is asked in this process, as a superuser, after one round that warms up. The list of executions is asked
once more for each filter that its own page offers.
"""

from __future__ import annotations

import argparse
import html
import re
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import contest

MOST_MS = 300
MOST_QUERIES = 12
#: Links of a page that are followed, at most for each parameter.
LINKS_EACH = 3
HEAD = f"  {'page':<66} http  sql  p50 ms   p95 ms      KiB"


@dataclass(frozen=True)
class Figures:
    name: str
    status: int
    queries: int
    p50: float
    p95: float
    kib: float

    @property
    def is_fine(self) -> bool:
        return self.status == 200 and self.p95 <= MOST_MS and self.queries <= MOST_QUERIES

    def line(self) -> str:
        mark = " " if self.is_fine else "!"
        shown = self.name if len(self.name) <= 66 else self.name[:65] + "…"
        numbers = f"{self.status}  {self.queries:>3}  {self.p50:>7.0f}  {self.p95:>7.0f}  {self.kib:>7.0f}"
        return f"{mark} {shown:<66} {numbers}"


def addresses() -> Iterator[tuple[str, str]]:
    """What is measured: name and address."""
    from django.urls import NoReverseMatch, reverse

    from scheduling.models import Execution, ExecutionLog, Node, State, Task

    task = Task.objects.present().order_by("-pk")[1_000]
    newest = {
        state: Execution.objects.filter(state=state).order_by("-id").values_list("pk", flat=True).first()
        for state in (State.SUCCEEDED, State.FAILED, State.RUNNING)
    }
    logged = ExecutionLog.objects.order_by("-execution_id").values_list("execution_id", flat=True).first()
    node = Node.objects.order_by("-started_at").values_list("pk", flat=True).first()
    pages: list[tuple[str, str, list[Any], str]] = [
        ("home", "admin:index", [], ""),
        ("board", "board", [], ""),
        ("board, searched", "board", [], "q=task 77"),
        ("tasks", "admin:scheduling_task_changelist", [], ""),
        ("tasks, page 40", "admin:scheduling_task_changelist", [], "p=40"),
        ("tasks, searched", "admin:scheduling_task_changelist", [], "q=bench.0777"),
        ("tasks, searched in vain", "admin:scheduling_task_changelist", [], "q=nothing-like-it"),
        ("task", "admin:scheduling_task_change", [task.pk], ""),
        ("task, new", "admin:scheduling_task_add", [], ""),
        ("task, versions", "admin:scheduling_task_history", [task.pk], ""),
        ("executions", "admin:scheduling_execution_changelist", [], ""),
        ("executions of a task", "admin:scheduling_execution_changelist", [], f"q={task.key}"),
        *(
            (f"execution, {state}", "admin:scheduling_execution_change", [pk], "")
            for state, pk in newest.items()
            if pk
        ),
        ("execution, long log", "admin:scheduling_execution_change", [logged], ""),
        ("groups", "admin:scheduling_group_changelist", [], ""),
        ("pools", "admin:scheduling_pool_changelist", [], ""),
        ("nodes", "admin:scheduling_node_changelist", [], ""),
        ("node", "admin:scheduling_node_change", [node], ""),
        ("changes", "admin:scheduling_taskversion_changelist", [], ""),
        ("instances", "admin:instances_instance_changelist", [], ""),
        ("sizes", "admin:instances_databasesize_changelist", [], ""),
        ("sessions", "admin:instances_syncsession_changelist", [], ""),
    ]
    for name, view, arguments, query in pages:
        try:
            address = reverse(view, args=arguments)
        except NoReverseMatch:
            print(f"  {name}: no such page", file=sys.stderr)
            continue
        yield name, address + (f"?{urlencode(parse_qsl(query))}" if query else "")
    api = "/api/v1/"
    paths = """
        tasks/ tasks/?search=bench.0777 tasks/?group=team-3&enabled=true tasks/{key}/ executions/
        executions/?state=failed executions/?task={key} executions/?task={key}&state=failed executions/?origin=manual
        executions/{newest}/ executions/{logged}/log/ groups/ pools/ nodes/ functions/ stats/ stats/tasks/{key}/
        instances/ sizes/ sync-sessions/
    """
    for path in paths.format(key=task.key, newest=newest[State.SUCCEEDED], logged=logged).split():
        yield f"api {path}", api + path


def links(client: Any, address: str) -> Iterator[tuple[str, str]]:
    """The filters that a list offers: the links of its page to itself, some for each parameter; and its last ones."""
    page = client.get(address).content.decode()
    seen: dict[frozenset[str], int] = {}
    base = address.partition("?")[0]
    for target in dict.fromkeys(re.findall(r'href="(\?[^"]+)"', page)):
        query = html.unescape(target)
        names = frozenset(name for name, _value in parse_qsl(query, keep_blank_values=True))
        if names and seen.get(names, 0) < LINKS_EACH:
            seen[names] = seen.get(names, 0) + 1
            yield f"  executions {query[:50]}", base + query


def measure(client: Any, name: str, address: str, rounds: int) -> Figures:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(address)  # warms up
    with CaptureQueriesContext(connection) as asked:
        client.get(address, follow=True)
    queries, taken = len(asked), []
    for _ in range(rounds):
        began = time.perf_counter()
        answer = client.get(address, follow=True)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        taken.append((time.perf_counter() - began) * 1000)
    p95 = statistics.quantiles(taken, n=20)[-1] if len(taken) > 1 else taken[0]
    return Figures(name, answer.status_code, queries, statistics.median(taken), p95, len(content) / 1024)


def superuser() -> Any:
    """A client that is logged in as one."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    from jobsite.memory import keep_what_is_loaded

    users = get_user_model()._default_manager
    user = users.filter(username="benchmark").first() or users.create_superuser("benchmark", password=None)
    client = Client(raise_request_exception=False, SERVER_NAME="localhost")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    keep_what_is_loaded()  # as each process of a web server does
    return client


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="addresses whose name has this in it")
    options = parser.parse_args()
    contest.set_up(wipes=False)
    from django.db import connection

    import jobsite.wsgi  # noqa: F401  (what a web process loads, and how it keeps it)

    client = superuser()
    found = list(addresses())
    listed = next((address for name, address in found if name == "executions"), "")
    found += links(client, listed) if listed else []
    print(
        f"{connection.vendor}: at most {MOST_MS} ms at p95 and {MOST_QUERIES} queries; ! marks what takes more"
    )
    print(HEAD)
    results = []
    for name, address in found:
        if options.only in name:
            results.append(measure(client, name, address, options.rounds))
            print(results[-1].line(), flush=True)
    late = [result.name.strip() for result in results if not result.is_fine]
    worst = max((result.p95 for result in results), default=0)
    print(
        f"{len(results)} addresses, worst p95 {worst:.0f} ms, {len(late)} over the mark: {', '.join(late) or 'none'}"
    )
    sys.exit(bool(late))


if __name__ == "__main__":
    main()
