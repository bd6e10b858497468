"""The one door to the module `amdsmi`; translates its errors."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
from typing import Any

from wattline_agents.errors import ReadFailed

_NOT_SUPPORTED = frozenset((2, 3, 5, 40, 49))
"""NOT_SUPPORTED, NOT_YET_IMPLEMENTED, FAIL_LOAD_SYMBOL, NO_DATA, NO_HSMP_MSG_SUP."""
_NO_PERMISSION = 10
GONE = frozenset((31,))
"""NOT_FOUND: the device is no longer there."""
DRIVER_GONE = frozenset((18, 32, 34))
"""INIT_ERROR, NOT_INIT, DRIVER_NOT_LOADED."""


class AmdFailed(ReadFailed):
    """One call failed; `code` is what the library returned, None if it did not get so far."""

    def __init__(self, call: str, error: BaseException) -> None:
        """Name the call and what came of it."""
        code = getattr(error, "err_code", None)
        self.code = code if isinstance(code, int) else None
        self.is_missing = isinstance(error, AttributeError)
        said = getattr(error, "err_info", None) or str(error).split("\n")[0] or type(error).__name__
        super().__init__(f"{call}: {str(said)[:160]}")

    @property
    def reason(self) -> str:
        """Why what was asked for cannot be read, for people."""
        if self.is_missing:
            return "this amdsmi is too old"
        if self.code in _NOT_SUPPORTED:
            return "not supported"
        if self.code == _NO_PERMISSION:
            return "no permission; the agent's user must be in the groups render and video"
        return str(self)

    @property
    def is_of_all(self) -> bool:
        """Whether the device or the whole driver is gone, so that asking on is of no use."""
        return self.code in GONE or self.code in DRIVER_GONE

    @property
    def is_final(self) -> bool:
        """Whether asking again soon is of no use."""
        return self.is_missing or self.code in _NOT_SUPPORTED or self.code == _NO_PERMISSION


def place() -> str | None:
    """Where ROCm's module is, without loading it; None if nowhere."""
    try:
        found = importlib.util.find_spec("amdsmi")
    except (ImportError, ValueError):
        return None
    return None if found is None else found.origin or ""


def load() -> Any:
    """The module; what its import prints is kept out of the agent's output."""
    with contextlib.redirect_stdout(io.StringIO()):
        return importlib.import_module("amdsmi")


def call(smi: Any, name: str, *arguments: Any) -> Any:
    """Call one function of the library.

    Raises:
        AmdFailed: It failed, is not there, or met something it does not expect itself.
    """
    base = getattr(smi, "AmdSmiException", None)
    expected: tuple[type[BaseException], ...] = (
        AttributeError, KeyError, IndexError, TypeError, ValueError, OSError,
    )  # fmt: skip
    if isinstance(base, type) and issubclass(base, Exception):
        expected = (*expected, base)
    try:
        return getattr(smi, name)(*arguments)
    except expected as error:
        raise AmdFailed(name, error) from error
