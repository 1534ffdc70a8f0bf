"""Pages that belong to no app."""

from __future__ import annotations

from functools import cache

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

PLAIN = "text/plain; charset=utf-8"


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """This web process answers. It asks nothing of the database: a restart would not mend that one."""
    return HttpResponse("ok\n", content_type=PLAIN)


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """This web process can serve: its database answers, and has the tables. A scheduler is another matter."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        ready = _is_migrated()
    except DatabaseError:
        return HttpResponse("the database does not answer\n", status=503, content_type=PLAIN)
    if not ready:
        _is_migrated.cache_clear()
        return HttpResponse("the database lacks migrations\n", status=503, content_type=PLAIN)
    return HttpResponse("ok\n", content_type=PLAIN)


@cache
def _is_migrated() -> bool:
    """Asked until it is so; tables do not go back while a process lives."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
