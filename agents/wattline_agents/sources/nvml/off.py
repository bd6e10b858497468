"""Why something cannot be read, and when to ask again.

Each thing a device is asked for keeps what came of it. What is not supported is not asked again,
what is refused is asked again after minutes, what failed at the next reading.
"""

from __future__ import annotations

from wattline_agents.errors import ReadFailed
from wattline_agents.sources.nvml import ids


class Off:
    """Why something cannot be read. Each has another cure."""

    NOT_SUPPORTED = "this device has no such sensor"
    OLD_DRIVER = "the driver is too old to know it"
    NO_PERMISSION = "the driver refuses it to this user"
    FAILED = "reading it failed"
    DISABLED = "it is switched off on this device"
    MIG = "MIG is on: the driver gives it for no device as a whole"
    WRAPS = "the driver's counter begins again too soon to be followed"
    OTHER_SCOPE = "the energy counter and the power sensor do not meter the same"
    NOT_YET = "not yet: it needs half a minute of readings"
    STALE = "the power sensor stands still"


class Capability:
    """Whether one thing of one device can be read.

    Attributes:
        device: The device's UUID; empty for what belongs to the node.
        name: What it is: `power`, `energy`, `gpm`, ...
        off: Why it cannot be read, one of `Off`; None if it can.
    """

    __slots__ = ("device", "name", "off")

    def __init__(self, device: str, name: str, off: str | None) -> None:
        """Name all three."""
        self.device, self.name, self.off = device, name, off


class NvmlFailed(ReadFailed):
    """One call of NVML failed; `code` is what it returned."""

    def __init__(self, code: int, call: str, text: str = "failed") -> None:
        """Name the call and what NVML said."""
        self.code = code
        super().__init__(f"{call}: {text} (NVML {code})")

    @property
    def off(self) -> str:
        """Why the thing asked for cannot be read."""
        return why_off(self.code)

    @property
    def device_gone(self) -> bool:
        """The device itself no longer answers."""
        return self.code in _DEVICE_GONE

    @property
    def driver_gone(self) -> bool:
        """The whole library must be opened again."""
        return self.code in _DRIVER_GONE


_DEVICE_GONE = frozenset((ids.GPU_IS_LOST, ids.RESET_REQUIRED, ids.GPU_NOT_FOUND))
_DRIVER_GONE = frozenset((ids.UNINITIALIZED, ids.DRIVER_NOT_LOADED, ids.LIB_RM_VERSION_MISMATCH))
_GONE = _DEVICE_GONE | _DRIVER_GONE

_OFF = {
    ids.NOT_SUPPORTED: Off.NOT_SUPPORTED,
    # What an older driver answers for a field or struct version it does not know.
    ids.INVALID_ARGUMENT: Off.OLD_DRIVER,
    ids.ARGUMENT_VERSION_MISMATCH: Off.OLD_DRIVER,
    ids.FUNCTION_NOT_FOUND: Off.OLD_DRIVER,
    ids.DEPRECATED: Off.NOT_SUPPORTED,
    ids.NO_PERMISSION: Off.NO_PERMISSION,
}

REFUSED_MS = 300_000
"""Permissions change when an administrator acts: ask again after minutes, not every tick. So too
what answered once: it is there, whatever the driver says of it now."""
NEVER_MS = 1 << 62


def why_off(code: int) -> str:
    """What a return code says about asking again."""
    return _OFF.get(code, Off.FAILED)


def is_due(at_ms: int, wait_ms: int, now_ms: int) -> bool:
    """Whether it is time for what was put off so long, until then.

    A clock set back must not stop anything until it has caught up.
    """
    return not at_ms - wait_ms <= now_ms < at_ms


class Asked:
    """One thing a device is asked for, and what came of it.

    Attributes:
        name: What it is.
        columns: What it fills.
        off: Why it is not read; None while it is.
        again_ms: When it may be asked again.
        answered: Whether it ever answered.
    """

    __slots__ = ("_ledger", "again_ms", "answered", "columns", "name", "off")

    def __init__(self, ledger: Ledger, name: str, columns: tuple[str, ...]) -> None:
        """Nothing was asked yet."""
        self._ledger = ledger
        self.name, self.columns = name, columns
        self.off: str | None = None
        self.again_ms = 0
        self.answered = False

    def wanted(self, now_ms: int) -> bool:
        """Whether to ask now."""
        if self.off is None or now_ms >= self.again_ms:
            return True
        # One too far ahead was reckoned by a clock that has been set back since.
        return now_ms < self.again_ms - REFUSED_MS and self.again_ms != NEVER_MS

    def took(self, code: int, now_ms: int) -> bool:
        """Note what a call returned; whether it brought a value.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if code:
            self.refuse(code, now_ms)
            return False
        self._ledger.answers += 1
        self.answered = True
        self.off = None
        return True

    def refuse(self, code: int, now_ms: int) -> None:
        """Note that a call failed.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if code in _GONE:
            raise NvmlFailed(code, self.name)
        off = why_off(code)
        if off is Off.FAILED:
            self._ledger.errors += 1
            self.off, self.again_ms = off, 0
        else:
            again = off is Off.NO_PERMISSION or self.answered
            self.switch_off(off, now_ms + REFUSED_MS if again else None)

    def switch_off(self, off: str, again_ms: int | None = None) -> None:
        """It is not to be read for this reason, until a time or for good."""
        self.off = off
        self.again_ms = NEVER_MS if again_ms is None else again_ms


class Ledger:
    """Everything one device is asked for.

    Attributes:
        answers: How often anything answered.
        errors: How often anything failed that should not.
    """

    __slots__ = ("_asked", "answers", "errors")

    def __init__(self, errors: int = 0) -> None:
        """Begin empty, with the errors there were before."""
        self.answers = 0
        self.errors = errors
        self._asked: dict[str, Asked] = {}

    def ask_for(self, name: str, *columns: str) -> Asked:
        """The thing of that name, made if it is new; it fills these columns."""
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = Asked(self, name, columns)
        return asked

    def forget(self, asked: Asked) -> None:
        """It is not wanted any more: something better fills its columns."""
        self._asked.pop(asked.name, None)

    def all(self) -> list[Asked]:
        """Everything that was asked for, in the order it was first wanted."""
        return list(self._asked.values())
