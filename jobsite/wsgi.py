"""What a web server loads (WSGI)."""

from __future__ import annotations

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from jobsite.memory import keep_what_is_loaded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
application = get_wsgi_application()
import_module(settings.ROOT_URLCONF)  # all pages, before somebody waits for the first one
keep_what_is_loaded()
