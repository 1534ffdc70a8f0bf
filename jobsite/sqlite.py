"""What versions of SQLite get wrong."""

from __future__ import annotations

import sqlite3

Version = tuple[int, int, int]

#: A journal of so many pages (64 MiB) gets a checkpoint, whatever else is to be done: sixteen times SQLite's own rule,
#: since the pages of what is claimed and of what ends are written again and again, and each of them goes into the
#: database once a checkpoint.
JOURNAL_PAGES = 16_000


def loses_commits(version: Version = sqlite3.sqlite_version_info) -> bool:
    """Whether that SQLite can lose what was committed in WAL mode, when a checkpoint runs while another process begins
    the journal anew: the "WAL-reset bug" of 3.7.0 to 3.51.2 (https://sqlite.org/wal.html#the_wal_reset_bug).
    """
    if version[:2] == (3, 44):
        return version < (3, 44, 6)
    if version[:2] == (3, 50):
        return version < (3, 50, 7)
    return (3, 7, 0) <= version < (3, 51, 3)
