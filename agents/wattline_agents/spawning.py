"""What starting a Python process of our own takes, wherever it is started."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import sys
from collections.abc import Callable
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


def has_one_thread() -> bool:
    """Whether this process has no thread but the one that asks; those of libraries count."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False  # nobody knows


def forked(work: Callable[[], object]) -> int:
    """Have this done by a process that ends with it; returns its number.

    A fork takes along no thread but the one that made it, and every lock as it is: only for who
    `has_one_thread`.

    Raises:
        OSError: There is no room for one more process.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, NOT_FOR_IT)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Garbage of who forked it is left lying: to look for it copies all memory, and a file that
        # goes with it would close another that has its number by now.
        gc.freeze()
        work()
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
