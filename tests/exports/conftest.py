"""Both doors: the admin's and the API's."""

from __future__ import annotations

from tests.api.conftest import api, make_credential, make_instance  # noqa: F401  (fixtures)
