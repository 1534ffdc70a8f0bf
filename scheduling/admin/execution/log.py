"""The log of an execution: its end on the page, followed by a cursor, and all of it as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.loader import render_to_string

from scheduling.admin.execution.access import execution_for
from scheduling.models import ACTIVE, Execution, ExecutionLog

#: Pieces (8 KiB each at most) that the page begins with, and that one answer adds at most.
SHOWN, ADDED = 100, 100
#: What the page begins with holds at most so many characters.
MOST_CHARACTERS = 256 * 1024
CURSOR = re.compile(r"(\d{1,9})\.(-?\d{1,9})", re.ASCII)


def begin(execution: Execution) -> tuple[list[ExecutionLog], bool]:
    """The newest pieces, oldest first, and whether there are earlier ones."""
    rows = list(
        ExecutionLog.objects.filter(execution_id=execution.pk).order_by("-attempt", "-seq")[: SHOWN + 1]
    )
    shown: list[ExecutionLog] = []
    characters = 0
    for row in rows[:SHOWN]:
        characters += len(row.text)
        if shown and characters > MOST_CHARACTERS:
            break
        shown.append(row)
    return shown[::-1], len(rows) > len(shown)


def cursor_of(rows: list[ExecutionLog], before: str = "0.0") -> str:
    return f"{rows[-1].attempt}.{rows[-1].seq}" if rows else before


def follow(request: HttpRequest, execution_id: int) -> HttpResponse:
    """What was said after the cursor ``(attempt, seq)``; 204 while nothing was. ``X-Ended``: nothing more comes."""
    execution = execution_for(request, execution_id)
    cursor = request.GET.get("cursor", "0.0")
    found = CURSOR.fullmatch(cursor)
    attempt, seq = (int(found[1]), int(found[2])) if found else (0, 0)
    rows = ExecutionLog.objects.filter(execution_id=execution_id)
    rows = rows.filter(attempt__gte=attempt).filter(Q(attempt=attempt, seq__gt=seq) | Q(attempt__gt=attempt))
    news = list(rows.order_by("attempt", "seq")[:ADDED])
    if news:
        before = attempt if found else 0
        html = render_to_string("scheduling/execution/lines.html", {"lines": news, "attempt_before": before})
        response = HttpResponse(html)
    else:
        response = HttpResponse(status=204)
    response["X-Cursor"] = cursor_of(news, cursor if found else "0.0")
    response["Cache-Control"] = "no-store"
    if execution.state not in ACTIVE and len(news) < ADDED:
        response["X-Ended"] = "1"
    return response


def download(request: HttpRequest, execution_id: int) -> StreamingHttpResponse:
    """All that is kept, a line for each line."""
    execution = execution_for(request, execution_id)
    response = StreamingHttpResponse(_text(execution), content_type="text/plain; charset=utf-8")
    name = re.sub(r"[^a-z0-9_.-]", "_", execution.task_key)
    response["Content-Disposition"] = f'attachment; filename="{name}-{execution.pk}.log"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _text(execution: Execution) -> Iterator[str]:
    rows = ExecutionLog.objects.filter(execution_id=execution.pk).order_by("attempt", "seq")
    for row in rows.iterator(chunk_size=100):
        at = row.at.astimezone(UTC).isoformat(timespec="milliseconds")
        head = f"{at} {row.attempt} {row.level:8} "
        yield "".join(f"{head}{line}\n" for line in row.text.split("\n"))
