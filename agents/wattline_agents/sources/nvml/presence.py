"""Whether there is an NVIDIA driver library here at all, found out without loading it.

The process that asks is not the one that reads: loading takes megabytes, and may hang.
"""

from __future__ import annotations

import os

from wattline_agents.sources.nvml import ids

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CACHE = "/etc/ld.so.cache"
_DIRECTORIES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/lib64",
    "/lib",
    "/usr/lib/wsl/lib",
)


def library_is_here(
    environment: Mapping[str, str] = os.environ,
    cache: str = _CACHE,
    directories: Iterable[str] = _DIRECTORIES,
) -> bool:
    """Whether the dynamic loader would find the library, looking where it looks.

    Args:
        environment: Holds LD_LIBRARY_PATH, if it is set.
        cache: What `ldconfig` wrote.
        directories: Where the loader looks in the end.
    """
    first = filter(None, environment.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":"))
    if any(os.path.exists(os.path.join(place, ids.LIBRARY)) for place in (*first, *directories)):
        return True
    try:
        with open(cache, "rb") as file:
            return ids.LIBRARY.encode() + b"\0" in file.read()
    except OSError:
        return False
