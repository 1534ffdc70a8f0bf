#!/usr/bin/env python3
"""Django's command line, with Jobsite's settings."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        sys.exit(f"Django is not installed here ({error}). Set everything up with: python3 deploy/start.py")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
