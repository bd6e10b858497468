"""Runs a command whose standard output may take no more: a full disk, a reader that has gone."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.EBADF)


def guarded(program: str, work: Callable[[], int]) -> int:
    """Run `work`, and write out all that it printed.

    Args:
        program: What the line on standard error begins with.
        work: Returns the exit code.

    Returns:
        Its exit code; 1 where what it printed could not be written, which is said in one line. A
        reader that has gone (`wattline kpi | head`) has seen what it wanted: then it is 0.
    """
    try:
        try:
            return work()
        finally:
            _flush()
    except OSError as error:
        if not _is_refused(error):
            raise
        # Python would report once more what it cannot write while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0
        print(f"{program}: standard output: {error.strerror}", file=sys.stderr)
        return 1


def _flush() -> None:
    if sys.stdout is not None:  # closed before we began (`>&-`)
        sys.stdout.flush()


def _is_refused(error: OSError) -> bool:
    """Whether it was standard output that failed, and not some other file."""
    if sys.stdout is None:
        return False
    try:
        sys.stdout.flush()
        if error.filename is None and error.errno in _NO_ROOM:
            # What was too large for Python's buffer is not in it any more: one byte tells.
            sys.stdout.write("\n")
            sys.stdout.flush()
    except OSError:
        return True
    return False
