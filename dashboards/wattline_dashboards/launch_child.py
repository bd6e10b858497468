"""Runs `wattline ...` as a child that ends when the one that started it does.

    python -P -m wattline_dashboards.launch_child PARENT_PID COMMAND ...

A launcher that is killed outright cannot end its children. On Linux the kernel is asked to do it;
elsewhere a thread looks whether the parent is still there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 1.0


def end_with(parent: int) -> None:
    """Have SIGTERM sent to this process when the parent ends."""
    asked = sys.platform == "linux" and _ask_kernel()
    if not asked:
        threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()
    # It may have ended before anybody was asked.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def _ask_kernel() -> bool:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return bool(prctl(_PR_SET_PDEATHSIG, signal.SIGTERM.value, 0, 0, 0) == 0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Tie this process to its parent and run the command."""
    end_with(int(sys.argv[1]))
    from wattline_agents.cli import main as wattline

    return wattline(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
