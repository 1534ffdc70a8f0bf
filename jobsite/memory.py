"""The garbage collector of processes that stay."""

from __future__ import annotations

import gc


def keep_what_is_loaded() -> None:
    """Whatever exists by now stays until the process ends, and the collector looks at it no more.

    Modules, models, pages: 165 000 objects in a web process. Looking at all of them stops every thread for a fifth of
    a second, each time. Call it once, when everything has been loaded.
    """
    gc.collect()
    gc.freeze()
