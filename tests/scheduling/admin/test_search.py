"""Tasks by words: the list, the board and the API look in the same places and find the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from scheduling.models import Task
from scheduling.services import tasks
from tests.conftest import TESTER
from tests.scheduling.views.conftest import login

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


def found(text: str) -> list[str]:
    """The keys that the board, the list and the API find: the same, or the test ends here."""
    client = login(superuser=True, name=f"anna-{Task.objects.count()}-{abs(hash(text))}")
    board = client.get("/scheduler/", {"q": text}).context["cards"]
    rows = client.get("/admin/scheduling/task/", {"q": text}).context["cl"].result_list
    api = APIClient()
    api.force_authenticate(client.get("/admin/").wsgi_request.user)
    answer = api.get("/api/v1/tasks/", {"search": text, "ordering": "key"}).data["results"]
    keys = [card.task.key for card in board]
    assert sorted(row.key for row in rows) == keys
    assert [row["key"] for row in answer] == keys
    return keys


@pytest.fixture
def some(make_task: MakeTask) -> None:
    make_task("backup.orders", name="Nightly BACKUP, 订单")
    make_task("backup.stock", name="100% of stock_levels", function="echo", parameters={"values": 1})
    make_task("report", name="O'Neill's \"weekly\" \\ report")
    tasks.delete(make_task("backup.gone").pk, actor=TESTER)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("backup", ["backup.orders", "backup.stock"]),
        ("BACKUP nightly", ["backup.orders"]),  # each word, in any order, whatever the case
        ("订单", ["backup.orders"]),
        ("echo stock", ["backup.stock"]),  # one in the function, one in the key
        ("0% of", ["backup.stock"]),  # a % is a %,
        ("k_l", ["backup.stock"]),  # and a _ a _
        ("k_of", []),
        ("o'neill's", ["report"]),
        ('"weekly" \\', ["report"]),
        ("backup weekly", []),
        ("gone", []),
    ],
)  # fmt: skip
def test_each_word_must_be_in_key_name_or_function(some: None, text: str, keys: list[str]) -> None:
    assert found(text) == keys


def test_an_edit_is_found_by_its_new_words(some: None) -> None:
    task = Task.objects.get(key="report")
    task.name = "Zahlen"
    tasks.edit(task, actor=TESTER)
    assert found("ZAHLEN") == ["report"]
    assert found("weekly") == []
