"""The list of executions: found along indexes, in pages by cursor; what it says beside the rows costs three queries."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from jobsite import zones
from jobsite.admin_base import HistoryList
from jobsite.keyset import AFTER, BEFORE, KeysetPaginator
from jobsite.templatetags.jobsite import state_label
from scheduling import clock
from scheduling.admin.execution import filters
from scheduling.models import Execution, Node, Origin, State, Task
from scheduling.services import history

#: What rows show; parameters, results and tracebacks are for the page of one.
UNSEEN = ("parameters", "result", "message", "traceback")
MOST_NODES = 50


class ExecutionList(HistoryList):
    """``before``/``after`` in the address are ids, as in the services: older than, newer than."""

    chosen: filters.Chosen
    searched_to: int | None = None

    def get_filters(self, request: HttpRequest) -> Any:
        """None of Django's: whatever the address says is read by ours."""
        return [], False, {}, False, False

    def get_queryset(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> QuerySet[Any]:
        """What is wanted, for actions on a few chosen rows of it."""
        self.filter_params = {}
        self.chosen = filters.read(request.GET, clock.refresh(), zones.current())
        rows: QuerySet[Any] = self.root_queryset
        return self.chosen.wanted.narrow(rows.order_by("-id"))

    def get_results(self, request: HttpRequest) -> None:
        wanted = self.chosen.wanted.resolved()
        page = history.page(
            wanted,
            before=_id(request, BEFORE),
            after=_id(request, AFTER),
            size=self.list_per_page,
        )
        rows = self.root_queryset.filter(pk__in=page.ids).defer(*UNSEEN).order_by("-id")
        self.result_list = _named(list(rows) if page.ids else [])
        self.result_count = self.full_result_count = len(page.ids)
        self.show_full_result_count, self.show_admin_actions = False, True
        self.can_show_all = self.multi_page = False
        self.paginator = KeysetPaginator(self.result_list)
        self._link(page)
        self.states = self._states(history.counts(wanted))
        self.nodes = _nodes(self.result_list, wanted.node_id)

    def _link(self, page: history.Page) -> None:
        self.searched_to = page.searched_to
        first, last = (page.ids[0], page.ids[-1]) if page.ids else (None, None)
        self.newest_url = self.chosen.address()
        if page.older:
            oldest = page.searched_to if page.searched_to is not None else last
            if oldest is not None:
                self.older_url = self.chosen.address(**{BEFORE: [str(oldest)]})
        if page.newer and first is not None:
            self.newer_url = self.chosen.address(**{AFTER: [str(first)]})
        elif page.newer:
            self.newer_url = self.newest_url

    def _states(self, counted: dict[str, int]) -> list[dict[str, Any]]:
        """One entry a state for the bar above the list."""
        return [
            {
                "value": state,
                "label": state_label(state),
                "chosen": state in self.chosen.wanted.states,
                "number": counted.get(state),
                "address": self.chosen.toggled("state", state),
            }
            for state in State.values
        ]

    @property
    def most(self) -> int:
        return history.MOST_COUNTED

    @property
    def within(self) -> list[tuple[str, Any, bool]]:
        one = self.chosen.one("within")
        return [
            (
                self.chosen.address(**{"within": [] if name == one else [name], "from": [], "to": []}),
                label,
                name == one,
            )
            for name, (_length, label) in filters.WITHIN.items()
        ]

    @property
    def origins(self) -> list[tuple[str, Any]]:
        return [(value, label) for value, label in Origin.choices]


def _id(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _named(rows: list[Any]) -> list[Any]:
    """Gives each row its task (``task_now``), which may have been deleted since."""
    tasks = Task.objects.only("key", "name", "deleted_at").in_bulk({row.task_id for row in rows})
    for row in rows:
        row.task_now = tasks.get(row.task_id)
    return rows


def _nodes(rows: list[Execution], chosen: Any) -> list[Node]:
    """The nodes to choose from: those that live, those of the rows, and the one that is chosen."""
    ids = {row.node_id for row in rows if row.node_id} | ({chosen} if chosen else set())
    found = Node.objects.filter(Q(pk__in=ids) | Q(state__in=Node.LIVE)).order_by("host", "pid")
    nodes = list(found.only("host", "pid", "state")[:MOST_NODES])
    by_id = {node.pk: node for node in nodes}
    for row in rows:
        row.node_now = by_id.get(row.node_id)  # type: ignore[attr-defined, arg-type]
    return nodes
