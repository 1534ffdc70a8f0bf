"""axe finds no fault of WCAG A or AA on any page, light or dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Person

PAGES = ("/admin/", "/admin/scheduling/task/", "/admin/scheduling/task/add/", "/admin/scheduling/execution/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_barriers(scheme: str, person: Callable[..., Person]) -> None:
    somebody = person(color_scheme=scheme)
    found = []
    for path in PAGES:
        somebody.visit(path)
        found += somebody.barriers()
    assert not found, "\n".join(found)
