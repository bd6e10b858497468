"""How the allocator under Polars behaves in work that takes long.

It is told through the environment, which it reads when Polars is first imported: these are to be
called before. What the environment says already stays.
"""

from __future__ import annotations

import os

_VARIABLE = "_RJEM_MALLOC_CONF"


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
