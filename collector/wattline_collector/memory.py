"""How the allocator under Polars behaves in bulk work."""

from __future__ import annotations

import os

_VARIABLE = "_RJEM_MALLOC_CONF"
_SETTING = "dirty_decay_ms:10000,muzzy_decay_ms:10000"


def keep_pages() -> None:
    """Let freed memory stay with the process for ten seconds.

    Polars' allocator gives freed pages back after half a second and faults them in again for the
    next frame: in booking a month that was a fifth of all processor time. To be called before
    Polars is first imported, which is when it is read; what the environment says already stays.
    """
    os.environ.setdefault(_VARIABLE, _SETTING)
