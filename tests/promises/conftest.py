from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests.conftest import database_url
from tests.proxy import Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Stands before the server of the tests' database."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server that could go away; see the test of the held lock")
    url = urlsplit(database_url())
    default = 5432 if connection.vendor == "postgresql" else 3306
    with Proxy(url.hostname or "127.0.0.1", url.port or default) as running:
        yield running
