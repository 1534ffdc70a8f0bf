"""Tasks by words: each must be in the key, the name or the function."""

from __future__ import annotations

from functools import reduce
from operator import and_

from django.db.models import Q

from scheduling.models import Task

#: Matches that a list shows; nobody turns more pages, and the database is not asked for more.
MOST_FOUND = 1_000
#: Words that are looked for.
MOST_WORDS = 8


def matching(words: list[str]) -> Q:
    return reduce(
        and_,
        (
            # Keys have no capitals; names and functions are found whatever the case.
            Q(key__contains=word.lower()) | Q(name__icontains=word) | Q(function__icontains=word)
            for word in words[:MOST_WORDS]
        ),
    )


def first_matches(words: list[str]) -> list[int]:
    """Their ids, in the order of the keys: read from the index ``task_search`` alone."""
    rows = Task.objects.present().filter(matching(words)).order_by("key")
    return list(rows.values_list("pk", flat=True)[:MOST_FOUND])
