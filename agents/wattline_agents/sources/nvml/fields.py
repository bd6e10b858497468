"""Many readings in one call: the fields of nvmlDeviceGetFieldValues.

The buffer that asks for them is made once and filled by every call; one precompiled format takes
all values out of it. Fields that are refused leave the buffer, for good or for minutes.
"""

from __future__ import annotations

import ctypes
from struct import Struct

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import NEVER_MS, REFUSED_MS, Asked, Ledger, Off, why_off

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Iterable

ENTRY = Struct("=IIqqIi8s")
"""c_nvmlFieldValue_t: field, scope, time, latency, type of value, return code, value."""
_TYPE_OFFSET = 24

VALUES = {
    ids.TYPE_DOUBLE: "d",
    ids.TYPE_UNSIGNED_INT: "I4x",
    ids.TYPE_UNSIGNED_LONG: "Q",
    ids.TYPE_UNSIGNED_LONG_LONG: "Q",
    ids.TYPE_SIGNED_LONG_LONG: "q",
    ids.TYPE_SIGNED_INT: "i4x",
    ids.TYPE_UNSIGNED_SHORT: "H6x",
}
"""How the eight bytes of a value are read, by its type."""


class Field:
    """One field that is wanted.

    Attributes:
        asked: What came of asking for it.
        name: What it is, as in the answer of `Fields.read`.
        number: The field's number.
        scope: What part of the device it is asked of.
        type: The type its value had; None before the first.
    """

    __slots__ = ("asked", "name", "number", "scope", "type")

    def __init__(self, asked: Asked, number: int, scope: int = 0) -> None:
        """Name it by what it is asked for."""
        self.asked, self.name = asked, asked.name
        self.number, self.scope = number, scope
        self.type: int | None = None


class Fields:
    """Fields of one device that are read together."""

    def __init__(
        self, library: Library, handle: object, ledger: Ledger, wanted: Iterable[Field]
    ) -> None:
        """Want these; the first reading finds out which there are."""
        self._get = library.function("nvmlDeviceGetFieldValues")
        self._handle, self._ledger = handle, ledger
        self._wanted = list(wanted)
        self._arrange(0)

    def read(self, now_ms: int) -> dict[str, float]:
        """What answered, by name.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if now_ms >= self._again_ms or now_ms < self._before_ms:
            self._arrange(now_ms)
        if not self._fields:
            return {}
        code = self._get(self._handle, self._count, self._buffer)
        if code:
            self._refused(code, now_ms)
            return {}
        if self._decoder is not None:
            answer = self._decoder.unpack_from(self._buffer)
            if answer[0::2] == self._expected:
                self._ledger.answers += 1
                return dict(zip(self._names, answer[1::2], strict=True))
        return self._sort_out(now_ms)

    def type_of(self, name: str) -> int | None:
        """The type of the value that a field had last; None if it has not answered."""
        return next((field.type for field in self._fields if field.name == name), None)

    def forget(self, *names: str) -> None:
        """Do not want these any more: something better stands in their place."""
        for field in self._wanted:
            if field.name in names:
                self._ledger.forget(field.asked)
        self.drop(*names)

    def drop(self, *names: str) -> None:
        """Do not ask for these any more; why not is for the caller to say."""
        self._wanted = [field for field in self._wanted if field.name not in names]
        self._arrange(0)

    def _arrange(self, now_ms: int) -> None:
        """Make the buffer for what is to be asked now."""
        self._fields = [field for field in self._wanted if field.asked.wanted(now_ms)]
        self._again_ms = min(
            (f.asked.again_ms for f in self._wanted if f not in self._fields), default=NEVER_MS
        )
        # Earlier than this is a clock that was set back: by it they would wait for too long.
        self._before_ms = 0 if self._again_ms == NEVER_MS else self._again_ms - REFUSED_MS
        self._count = len(self._fields)
        self._buffer = ctypes.create_string_buffer(ENTRY.size * max(1, self._count))
        for place, field in enumerate(self._fields):
            ENTRY.pack_into(
                self._buffer, place * ENTRY.size, field.number, field.scope, 0, 0, 0, 0, b""
            )
        self._names = tuple(field.name for field in self._fields)
        self._learn()

    def _learn(self) -> None:
        """Make the one format that reads all values, once every field's type is known."""
        types = [field.type for field in self._fields]
        self._decoder: Struct | None = None
        known = [type_ for type_ in types if type_ is not None]
        if len(known) < len(types):
            return
        # Type and return code of a field are read as one number: right if the code is 0.
        formats = (f"{_TYPE_OFFSET}xQ{VALUES[type_]}" for type_ in known)
        self._decoder = Struct("=" + "".join(formats))
        self._expected = tuple(known)

    def _sort_out(self, now_ms: int) -> dict[str, float]:
        found: dict[str, float] = {}
        changed = False
        for field, entry in zip(self._fields, ENTRY.iter_unpack(self._buffer), strict=True):
            _number, _scope, _time, _latency, type_, code, raw = entry
            if code == ids.SUCCESS and type_ not in VALUES:
                code = ids.INVALID_ARGUMENT
            if field.asked.took(code, now_ms):
                (found[field.name],) = Struct("=" + VALUES[type_]).unpack(raw)
                changed |= field.type != type_
                field.type = type_
        if any(not field.asked.wanted(now_ms) for field in self._fields):
            self._arrange(now_ms)
        elif changed:
            self._learn()
        return found

    def _refused(self, code: int, now_ms: int) -> None:
        """The call as a whole failed."""
        errors = self._ledger.errors
        for field in self._fields:
            field.asked.refuse(code, now_ms)
        if why_off(code) is Off.FAILED:
            self._ledger.errors = errors + 1  # it was one call
        self._arrange(now_ms)
