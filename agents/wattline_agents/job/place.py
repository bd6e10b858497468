"""Where a job and its node's agent meet: one Unix socket, found by both in the same way.

Where a job cannot reach a socket, a directory both are told of takes its place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "WATTLINE_JOB_SOCKET"
DIRECTORY_VARIABLE = "WATTLINE_JOB_DIRECTORY"
NAME = "job.sock"
SYSTEM_PLACE = Path("/run/wattline") / NAME


def places(environment: Mapping[str, str]) -> list[Path]:
    """Where the socket may be for this user, the first first."""
    if told := environment.get(VARIABLE):
        return [Path(told)]
    found = []
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        found.append(Path(runtime) / "wattline" / NAME)
    return [*found, SYSTEM_PLACE, Path(f"/tmp/wattline-{os.getuid()}") / NAME]


def agent_place(environment: Mapping[str, str]) -> Path:
    """Where an agent of this user listens if not told."""
    if told := environment.get(VARIABLE):
        return Path(told)
    # systemd makes this directory for a service that asks for one.
    if runtime := environment.get("RUNTIME_DIRECTORY"):
        return Path(runtime.split(":")[0]) / NAME
    if os.getuid() == 0:
        return SYSTEM_PLACE
    own = [place for place in places(environment) if place != SYSTEM_PLACE]
    return own[0]


def is_trusted(socket: Path) -> bool:
    """Whether the socket's directory belongs to the system or to this user.

    Under /tmp anybody may make a directory; counts are not for anybody to collect.
    """
    try:
        owner = socket.parent.stat().st_uid
    except OSError:
        return False
    return owner in (0, os.getuid()) or socket == SYSTEM_PLACE
