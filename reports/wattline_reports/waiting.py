"""What a person reads who waits: nothing for a short wait, what is being done for a long one."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 2.0
"""After this long a person wants to know that something is happening, and what."""


@contextmanager
def said(command: str, what: str) -> Iterator[None]:
    """Say what is being done, once it has taken long enough to wonder."""
    timer = threading.Timer(
        PATIENCE_SECONDS, lambda: print(f"{command}: {what} ...", file=sys.stderr, flush=True)
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def counted(command: str, what: str) -> Callable[[int, int], None]:
    """A progress callback that speaks at most once per while."""
    spoken = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= PATIENCE_SECONDS:
            spoken = time.monotonic()
            print(f"{command}: {what}: {done} of {total}", file=sys.stderr, flush=True)

    return progress
