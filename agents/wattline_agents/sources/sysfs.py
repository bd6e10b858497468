"""Reading the small files by which the kernel tells of hardware."""

from __future__ import annotations

import os
from pathlib import Path

_MOST_BYTES = 4096
"""What one attribute of sysfs can hold at most: a page of memory."""


def read_bytes(path: str | Path) -> bytes:
    """What the file holds now, at most a page of it.

    Raises:
        OSError: It is not there, may not be read, or its hardware does not answer.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def read_text(path: str | Path) -> str | None:
    """What the file says, without the space around it; None where it cannot be read."""
    try:
        return read_bytes(path).decode("ascii", errors="replace").strip()
    except OSError:
        return None


def read_count(path: str | Path) -> int | None:
    """The whole number from 0 that the file holds; None where it holds none."""
    text = read_text(path)
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def reason(error: OSError) -> str:
    """Why a file could not be read, for people."""
    return error.strerror or str(error)
