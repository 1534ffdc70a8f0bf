"""Pages of the history: short walks along indexes, however long it is (``services.history``)."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from jobsite.rest.pagination import Keyset, link
from scheduling.models import Execution
from scheduling.services import history


class HistoryPages(Keyset):
    """A page may be short, or empty, and still have a next: then the search has come so far."""

    def find(self, request: Any, wanted: history.Wanted, orderings: Any) -> list[int]:
        """The ids of the page, in its order."""
        self._request = request
        limit, name = self.asked(request, orderings)
        cursor = _cursor(request.query_params.get("cursor"))
        if name == "id":
            page = history.page(wanted, after=cursor or 0, size=limit)
            ids, more = page.ids[::-1], page.newer
        else:
            page = history.page(wanted, before=cursor, size=limit)
            ids, more = page.ids, page.older
        self._at = page.searched_to if page.searched_to is not None else (ids[-1] if more and ids else None)
        return ids

    def get_paginated_response(self, data: Any) -> Response:
        following = None if self._at is None else link(self._request, str(self._at))
        return Response({"next": following, "results": data})


def _cursor(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ValidationError({"cursor": [_("This is no cursor of this list: begin without one.")]})
    return int(text)


def rows_of(ids: list[int]) -> list[Execution]:
    """The executions with these ids, in their order, without what only their own page shows."""
    rows = Execution.objects.defer("traceback", "result", "parameters").in_bulk(ids)
    return [rows[id] for id in ids if id in rows]
