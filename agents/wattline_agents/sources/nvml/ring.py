"""The driver's own ring of power samples, so that a slow reader still sees fast power.

One call a tick: the buffer holds all that the ring can, and the driver is told which samples are
known already.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from struct import Struct

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.fields import VALUES
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import Asked

_SAMPLE_BYTES = 16
"""c_nvmlSample_t: a time in microseconds, a value of eight bytes."""
_MOST_SAMPLES = 8192
_FIRST_SAMPLES = 128
_MOST_MILLIWATTS = 10_000_000
"""No device draws ten kilowatts; a sample that says so is none."""

Samples = tuple[tuple[int, ...], tuple[int, ...]]
"""Times in microseconds, and milliwatts."""

_NONE: Samples = ((), ())


class PowerRing:
    """The ring of one device."""

    def __init__(self, library: Library, handle: object, kind: int, asked: Asked) -> None:
        """Nothing is read yet.

        Args:
            library: The open library.
            handle: The device.
            kind: Which ring, one of `ids.SAMPLES_...`.
            asked: Keeps what comes of it.
        """
        self.asked = asked
        self._get = library.function("nvmlDeviceGetSamples")
        self._handle, self._kind = handle, kind
        self._last = ctypes.c_ulonglong(0)
        self._type, self._count = ctypes.c_uint(0), ctypes.c_uint(0)
        self._type_ref, self._count_ref = ctypes.byref(self._type), ctypes.byref(self._count)
        self._has_begun = False
        self._decoders: dict[tuple[int, int], Struct] = {}
        self._make_room(_FIRST_SAMPLES)

    def drain(self, now_ms: int) -> Samples:
        """The samples since the call before, oldest first; none at the first call.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        if not self.asked.wanted(now_ms):
            return _NONE
        if not self._has_begun:
            return self._begin(now_ms)
        self._count.value = self._room
        code = self._get(
            self._handle, self._kind, self._last, self._type_ref, self._count_ref, self._buffer
        )
        if code == ids.INSUFFICIENT_SIZE:
            self._make_room(self._count.value * 2)
            return _NONE
        # The ring may hold nothing new; that is an answer.
        if not self.asked.took(ids.SUCCESS if code == ids.NOT_FOUND else code, now_ms):
            self._has_begun = False
            return _NONE
        return _NONE if code == ids.NOT_FOUND else self._decode()

    def _begin(self, now_ms: int) -> Samples:
        """Learn how much the ring holds, and take note of where it stands."""
        count = ctypes.c_uint(0)
        args = (self._handle, self._kind, ctypes.c_ulonglong(0), self._type_ref)
        code = self._get(*args, ctypes.byref(count), None)
        if code in (ids.SUCCESS, ids.INSUFFICIENT_SIZE) and count.value > self._room:
            self._make_room(count.value)
        self._count.value = self._room
        code = self._get(*args, self._count_ref, self._buffer)
        if not self.asked.took(ids.SUCCESS if code == ids.NOT_FOUND else code, now_ms):
            return _NONE
        if code == ids.SUCCESS:
            self._decode()
        self._has_begun = True
        return _NONE

    def _make_room(self, samples: int) -> None:
        self._room = min(max(samples, _FIRST_SAMPLES), _MOST_SAMPLES)
        self._buffer = ctypes.create_string_buffer(_SAMPLE_BYTES * self._room)

    def _decode(self) -> Samples:
        count = min(self._count.value, self._room)
        if count == 0:
            return _NONE
        key = count, self._type.value
        decoder = self._decoders.get(key)
        if decoder is None:
            value = VALUES.get(self._type.value, "I4x")
            if len(self._decoders) > 64:
                self._decoders.clear()
            decoder = self._decoders[key] = Struct("=" + f"Q{value}" * count)
        numbers = decoder.unpack_from(self._buffer)
        times, powers = numbers[0::2], numbers[1::2]
        last = self._last.value
        if times[0] <= last:
            # Some drivers give again what they were told is known.
            new = bisect_right(times, last)
            times, powers = times[new:], powers[new:]
            if not times:
                return _NONE
        self._last.value = times[-1]
        if min(powers) <= 0 or max(powers) > _MOST_MILLIWATTS:
            pairs = [pair for pair in zip(times, powers, strict=True)
                     if 0 < pair[1] <= _MOST_MILLIWATTS]  # fmt: skip
            times, powers = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
        return times, powers
