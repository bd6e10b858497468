"""The binding `pynvml`, at half of what importing it takes."""

from __future__ import annotations

import sys
from types import ModuleType

from wattline_agents.lean import load_when_used

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from typing import Any

_UTIL, _STRING = "ctypes.util", "string"


def binding() -> Any:
    """The module `pynvml`.

    It imports `ctypes.util`, whose one function it does not call on Linux, and that imports
    subprocess, tempfile, random and the compressors: 1.4 MiB in a process that is to stay small.
    And it imports `string` for a function of one line, which has regular expressions come along.
    Modules that load these when they are called for stand in while the import lasts.
    """
    if "pynvml" in sys.modules or _UTIL in sys.modules:
        import pynvml

        return pynvml
    stand_in = ModuleType(_UTIL)
    stand_in.__dict__["find_library"] = _find_library
    sys.modules[_UTIL] = stand_in
    string = None
    if _STRING not in sys.modules:
        load_when_used(_STRING)
        string = sys.modules[_STRING]
        string.__dict__["capwords"] = _capwords
    try:
        import pynvml
    finally:
        del sys.modules[_UTIL]
        if string is not None and sys.modules.get(_STRING) is string:
            del sys.modules[_STRING]
    return pynvml


def _capwords(text: str, between: str) -> str:
    return between.join([word.capitalize() for word in text.split(between)])


def _find_library(name: str) -> str | None:
    from ctypes.util import find_library

    return find_library(name)
