"""The product's settings, and an app whose tasks and clocks are odd: for scheduler processes that tests start."""

from __future__ import annotations

from jobsite.settings import *  # noqa: F403  (whatever it has)
from jobsite.settings import INSTALLED_APPS as PRODUCT

INSTALLED_APPS = [*PRODUCT, "tests.promises.oddities"]
