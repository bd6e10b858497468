"""How allocators behave in work that takes long.

The one under Polars is told through the environment, which it reads when Polars is first imported:
`keep_pages` and `share_pages` are to be called before. What the environment says already stays.
"""

from __future__ import annotations

import ctypes
import os

_VARIABLE = "_RJEM_MALLOC_CONF"
_MOST_ARENAS = -8
"""`M_ARENA_MAX` of glibc's `malloc.h`."""


def keep_pages() -> None:
    """Let freed memory stay with the process for ten seconds.

    Polars' allocator gives freed pages back after half a second and faults them in again for the
    next frame: in booking a month that was a fifth of all processor time.
    """
    os.environ.setdefault(_VARIABLE, "dirty_decay_ms:10000,muzzy_decay_ms:10000")


def share_pages() -> None:
    """Let threads take what others freed, and freed memory stay for two seconds.

    The allocator has four arenas for each core, and what is freed in one is of no use in another.
    With one for each, a year's report faults in two fifths less, and holds no more.
    """
    arenas = f"narenas:{os.cpu_count() or 1}"
    os.environ.setdefault(_VARIABLE, f"{arenas},dirty_decay_ms:2000,muzzy_decay_ms:2000")


def share_arenas() -> bool:
    """Let threads take from the C library what others gave back to it.

    It has eight arenas for each core, and what is given back to one is of no use in another: a
    server of sixteen threads held a fifth more with each of them in use, and went on growing. To be
    called before there are threads.

    Returns:
        Whether it took that; a C library other than glibc has no such setting.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_MOST_ARENAS, 2))
    except (OSError, AttributeError):
        return False
