"""What a page of the admin computes is what it shows: Django takes a model's own field of that name first."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin


@pytest.mark.parametrize("page", admin.site._registry.values(), ids=lambda page: page.model._meta.label)
def test_no_column_is_hidden_by_a_field(page: ModelAdmin[Any]) -> None:
    computed = {
        name
        for kind in type(page).__mro__
        for name, value in vars(kind).items()
        if hasattr(value, "short_description") or (name in page.list_display and callable(value))
    }
    assert computed & {field.name for field in page.model._meta.fields} == set()
