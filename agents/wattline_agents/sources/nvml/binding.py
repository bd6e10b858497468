"""The binding `pynvml`, at two thirds of what importing it takes."""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from typing import Any

_UTIL = "ctypes.util"


def binding() -> Any:
    """The module `pynvml`.

    It imports `ctypes.util`, whose one function it does not call on Linux, and that imports
    subprocess, tempfile, random and the compressors: 1.4 MiB in a process that is to stay small.
    A module that imports them when they are called for stands in while the import lasts.
    """
    if "pynvml" in sys.modules or _UTIL in sys.modules:
        import pynvml

        return pynvml
    stand_in = ModuleType(_UTIL)
    stand_in.__dict__["find_library"] = _find_library
    sys.modules[_UTIL] = stand_in
    try:
        import pynvml
    finally:
        del sys.modules[_UTIL]
    return pynvml


def _find_library(name: str) -> str | None:
    from ctypes.util import find_library

    return find_library(name)
