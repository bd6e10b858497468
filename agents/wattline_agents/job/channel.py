"""How messages leave a job: as datagrams to a socket, or as a file that is replaced.

Neither ever waits for anyone. The socket is the usual way; the file is for jobs that cannot reach
it, such as one in a container that shares a directory with its node and nothing else.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from wattline_agents.job.message import Message
from wattline_agents.job.place import DIRECTORY_VARIABLE, is_trusted, places

SUFFIX = ".job.json"
"""Of the files in a directory of messages; what is being written ends otherwise."""


class Outcome(Enum):
    """What became of a message."""

    SENT = auto()
    FULL = auto()
    """Somebody listens and has no room now."""
    NOBODY = auto()


class Channel(Protocol):
    """Takes messages to whichever agent is there, if one is."""

    every_seconds: float

    def send(self, message: Message) -> Outcome:
        """Send, without waiting; never raises."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class SocketChannel:
    """Sends datagrams to the first agent found."""

    every_seconds = 1.0

    def __init__(self, path: Path | None, environment: Mapping[str, str]) -> None:
        """Look for no one yet.

        Args:
            path: Where the agent listens, if told.
            environment: Says where agents may listen otherwise.
        """
        self._paths = places(environment) if path is None else [path]
        self._is_told = path is not None or len(self._paths) == 1
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, message: Message) -> Outcome:
        """Send one datagram."""
        for path in self._paths:
            if not self._is_told and not is_trusted(path):
                continue
            try:
                self._socket.sendto(message.encode(), str(path))
            except BlockingIOError:
                return Outcome.FULL
            except OSError:
                # No agent, or one that is being restarted, or a path too long for a socket: a job
                # must run the same without one, and the next datagram holds all that this one did.
                continue
            return Outcome.SENT
        return Outcome.NOBODY

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class FileChannel:
    """Keeps one file per process, replaced as a whole; its directory is the agent's to empty."""

    every_seconds = 5.0

    def __init__(self, directory: Path) -> None:
        """Write nothing yet."""
        self._directory = directory

    def send(self, message: Message) -> Outcome:
        """Replace the file."""
        final = self._directory / f"{message.member}{SUFFIX}"
        draft = self._directory / f".{message.member}.tmp"
        try:
            # Not through a link somebody put there, and not readable for the curious.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(draft, flags, 0o600)
            text = message.encode()
            try:
                is_whole = os.write(file, text) == len(text)
            finally:
                os.close(file)
            if not is_whole:
                return Outcome.NOBODY  # no room; the last whole file stays
            os.replace(draft, final)
        except OSError:
            return Outcome.NOBODY
        return Outcome.SENT

    def close(self) -> None:
        """Nothing: the last file says how it ended, and the agent takes it away."""


def open_channel(
    path: Path | None, directory: Path | None, environment: Mapping[str, str]
) -> Channel:
    """The way that was told, or the usual one.

    Args:
        path: A socket, if told.
        directory: A directory for files, if told.
        environment: Says more, under the names that `place` lists.
    """
    if directory is not None:
        return FileChannel(directory)
    if path is None and (told := environment.get(DIRECTORY_VARIABLE)):
        return FileChannel(Path(told))
    return SocketChannel(path, environment)
