"""What starting a Python process of our own takes, wherever it is started."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from pathlib import Path

import wattline_agents

NOT_FOR_IT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Neither the terminal's nor the service manager's signals: it ends when its work does, or when
who started it is done with it."""


def module_places() -> list[str]:
    """Where it finds modules: where we do, and ourselves even if an import hook found us."""
    package = str(Path(wattline_agents.__file__).parents[1])
    places = [place for place in sys.path if place.startswith("/")]
    return places if package in places else [*places, package]


def out_of_the_way(descriptor: int, taken: int) -> int:
    """The same pipe at a number above those that stand for something in that process.

    Args:
        descriptor: Our end or the other; it is closed if it has to move.
        taken: The highest number that stands for something there.
    """
    if descriptor > taken:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, taken + 1)
    os.close(descriptor)
    return moved
