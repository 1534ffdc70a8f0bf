#!/usr/bin/env python3
"""The first command: set up what is missing, then start Jobsite. Options are those of ``manage.py start``."""

from __future__ import annotations

import os
import sys

import environment


def main() -> None:
    try:
        python = str(environment.prepare("requirements.txt"))
    except environment.SetupError as error:
        environment.fail(error)
    except KeyboardInterrupt:
        sys.exit(130)
    # In this process's place, so that Ctrl-C and exit codes are those of the command itself.
    os.execv(python, [python, str(environment.ROOT / "manage.py"), "start", *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    main()
