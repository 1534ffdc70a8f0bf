"""What a transaction costs beside its statements, as the server counts it."""

from __future__ import annotations

import contextlib

import pytest
from django.db import connection, transaction

from scheduling.models import Pool

pytestmark = pytest.mark.django_db(transaction=True)


def counted(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE %s", [name])
        return int(cursor.fetchone()[1])


def test_a_transaction_is_begun_by_one_statement() -> None:
    if connection.vendor != "mysql":
        pytest.skip("how MySQL and MariaDB begin one")
    names = ("Com_begin", "Com_set_option", "Com_commit")
    before = [counted(name) for name in names]
    for number in range(3):
        with transaction.atomic():
            Pool.objects.create(key=f"pool-{number}", capacity=1)
    after = [counted(name) for name in names]
    assert [late - early for early, late in zip(before, after, strict=True)] == [3, 0, 3]


def test_what_is_not_committed_is_not_there() -> None:
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        Pool.objects.create(key="gone", capacity=1)
        with transaction.atomic():
            Pool.objects.create(key="gone, too", capacity=1)
        raise ZeroDivisionError
    assert (connection.get_autocommit(), Pool.objects.exists()) == (True, False)
    Pool.objects.create(key="kept", capacity=1)
    connection.close()
    assert Pool.objects.get().key == "kept"
