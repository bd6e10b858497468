"""What a person reads who waits: nothing for a short wait, what is being done for a long one."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 2.0
"""After this long a person wants to know that something is happening, and what."""

_AT_ONCE_SECONDS = 0.5
"""Between two numbers, for somebody who wants to be told all."""
_patience = PATIENCE_SECONDS


def say_at_once() -> None:
    """From now on tell every step as it begins: somebody follows it on a page."""
    global _patience
    _patience = 0.0


@contextmanager
def said(command: str, what: str) -> Iterator[None]:
    """Say what is being done, once it has taken long enough to wonder."""

    def tell() -> None:
        print(f"{command}: {what} ...", file=sys.stderr, flush=True)

    if not _patience:
        tell()
        yield
        return
    timer = threading.Timer(_patience, tell)
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
        if time.monotonic() - spoken >= (_patience or _AT_ONCE_SECONDS):
            spoken = time.monotonic()
            print(f"{command}: {what}: {done} of {total}", file=sys.stderr, flush=True)

    return progress
