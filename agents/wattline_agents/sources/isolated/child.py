"""The process that reads: makes the source, and walks its parts each time it is asked.

It says which part it is about to read before it reads it, so that the agent knows where a driver
hangs. It ends when the agent closes its commands, which the system does for an agent that died.

Its memory is counted with the agent's, so what is imported here and in a source read here is kept
to what is needed: no dataclasses, no `typing`, no `enum` of our own.
"""

from __future__ import annotations

import os
import select
import sys
import time

from wattline_agents.descriptors import close_above
from wattline_agents.errors import ReadFailed, RestartNeeded, SourceUnavailable, WattlineError
from wattline_agents.lean import settled
from wattline_agents.sources.isolated import frames
from wattline_agents.sources.settings import SourceConfig

TYPE_CHECKING = False  # see above
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

COMMANDS, BELL, DATA = 0, 3, 4
"""The descriptors it is started with."""

START = "start"
"""The part in which the source is imported and made."""
DESCRIBE = "describe"
"""The part in which it is asked for its info rows."""

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


class Ended(Exception):
    """There is nothing more to do here."""


class Child:
    """Does what it is asked to."""

    def __init__(self, commands: int, data: int, bell: int, now: Callable[[], float]) -> None:
        """Take the descriptors.

        Args:
            commands: Where it is asked; it waits here.
            data: Where it answers.
            bell: Rung (one byte) when an answer is whole, so that the agent wakes once for it.
            now: The monotonic clock, which all processes of a machine share.
        """
        self._commands, self._data, self._bell, self._now = commands, data, bell, now
        # Of the end of the commands it is told in any case.
        self._awake = select.poll()
        self._awake.register(commands, 0)
        self._packer = frames.Packer()
        self._out: list[bytes] = []
        self._source: Any = None
        self._unread: list[str] | None = None
        self._period_seconds = 0.0

    def run(self) -> None:
        """Work until the agent has nothing more to ask."""
        splitter = frames.Splitter()
        try:
            while data := os.read(self._commands, 65536):
                for kind, payload in splitter.feed(data):
                    if kind == frames.OPEN:
                        self._begin(START)
                        self._part(lambda payload=payload: self._open(payload))  # type: ignore[misc]
                    elif kind == frames.READ:
                        now_ms, describe, skip, at = frames.read_asked(payload)
                        self._sleep(at)
                        self._read(now_ms, describe, skip)
                        settled()
                        if at:
                            # It is asked for the next one soon, and need not wake up for that.
                            self._sleep(at + self._period_seconds)
        except (Ended, BrokenPipeError):
            pass
        if self._source is not None:
            self._source.close()

    def _sleep(self, until: float) -> None:
        """Sleep until then, or until the agent is gone."""
        left = until - self._now()
        if left > 0 and self._awake.poll(left * 1000):
            raise Ended

    def _open(self, payload: bytes) -> dict[str, Any]:
        place, system, node, rack, period_seconds, options = frames.open_asked(payload)
        self._period_seconds = period_seconds
        module, _, attribute = place.partition(":")
        __import__(module)
        kind = getattr(sys.modules[module], attribute)
        config = SourceConfig(system, node, rack, period_seconds, options)
        self._source = kind.from_config(config)
        _end_with_parent()
        return {}

    def _read(self, now_ms: int, describe: bool, skip: list[str]) -> None:
        try:
            for name, action in self._source.parts(now_ms):
                if name not in skip:
                    self._begin(name)
                    self._part(action)
        except (Ended, BrokenPipeError):
            raise
        except Exception as error:  # of the source's own walk, between two parts
            self._failed(error)
        if describe and DESCRIBE not in skip:
            self._begin(DESCRIBE)
            self._part(lambda: self._described(now_ms))
        self._tell_unread()
        self._out.append(frames.frame(frames.END))
        self._flush()
        self._ring()

    def _tell_unread(self) -> None:
        if hasattr(self._source, "unread"):
            names = list(self._source.unread())
            if names != self._unread:
                self._unread = names
                self._out.append(frames.unread_frame(names))

    def _described(self, now_ms: int) -> dict[str, Any]:
        found = dict(self._source.describe(now_ms))
        if hasattr(self._source, "why_not"):
            found["capability"] = [
                {
                    "time_unix_ms": now_ms,
                    "source": self._source.name,
                    "device": device or None,
                    "column": column,
                    "reason": reason,
                }
                for device, columns in self._source.why_not().items()
                for column, reason in columns.items()
            ]
        return found

    def _begin(self, name: str) -> None:
        self._out.append(frames.part_frame(name, self._now()))
        self._flush()

    def _part(self, action: Callable[[], dict[str, Any]]) -> None:
        try:
            for table, rows in action().items():
                for row in rows:
                    self._out.append(self._packer.row(table, row))
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        why, message = frames.BROKEN, f"{type(error).__name__}: {error}"
        if isinstance(error, RestartNeeded):
            why, message = frames.RESTART_NEEDED, str(error)
        elif isinstance(error, SourceUnavailable):
            why, message = frames.UNAVAILABLE, str(error)
        elif isinstance(error, ReadFailed | WattlineError):
            why, message = frames.READ_FAILED, str(error)
        self._out.append(frames.failed_frame(why, message))
        # Without a source, or with one whose library is of no more use, there is nothing to do.
        if self._source is None or why == frames.RESTART_NEEDED:
            self._flush()
            raise Ended

    def _flush(self) -> None:
        data = b"".join(self._out)
        self._out.clear()
        while data:
            try:
                data = data[os.write(self._data, data) :]
            except BlockingIOError:
                # The pipe is full: the agent is to empty it now and not at its next tick.
                self._ring()
                os.set_blocking(self._data, True)
                data = data[os.write(self._data, data) :]
                os.set_blocking(self._data, False)

    def _ring(self) -> None:
        try:
            os.write(self._bell, b"\0")
        except BlockingIOError:
            pass  # it was rung before, and not heard yet


def main() -> None:
    """Work with the descriptors this process was started with."""
    close_above(DATA)
    for descriptor in (BELL, DATA):
        # A driver's library may start helpers of its own (nvidia-modprobe).
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
    Child(COMMANDS, DATA, BELL, time.monotonic).run()


def _end_with_parent() -> None:
    """Have the system end this process with the agent, even inside a call that hangs.

    Costs nothing where the source brought `ctypes` along, and is left to the closed commands where
    it did not.
    """
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
