"""The driver's own ring of power samples, so that a slow reader still sees fast power.

One call a tick: the buffer holds all that the ring can, and the driver is told which samples are
known already.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from functools import lru_cache
from struct import Struct

from wattline_agents.sources.nvml import ids
from wattline_agents.sources.nvml.fields import VALUES
from wattline_agents.sources.nvml.library import Library
from wattline_agents.sources.nvml.off import Asked

TYPE_CHECKING = False  # `typing` costs a mebibyte, and is not needed to run
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Decoder = Callable[[Any], tuple[int, ...]]

_SAMPLE_BYTES = 16
"""c_nvmlSample_t: a time in microseconds, a value of eight bytes."""
_MOST_SAMPLES = 8192
_FIRST_SAMPLES = 128
_MOST_MILLIWATTS = 10_000_000
"""No device draws ten kilowatts; a sample that says so is none."""

Samples = tuple[tuple[int, ...], tuple[int, ...]]
"""Times in microseconds, and milliwatts."""

NO_SAMPLES: Samples = ((), ())


class PowerRing:
    """The ring of one device.

    Attributes:
        asked: What came of asking for it.
        least: The least power of the samples drained last, in milliwatts; None without samples.
        most: The most of it.
    """

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
        self._has_begun, self._drained_ms = False, 0
        self.least: int | None = None
        self.most: int | None = None
        self._make_room(_FIRST_SAMPLES)

    def drain(self, now_ms: int) -> Samples:
        """The samples since the call before, oldest first; none at the first call.

        Raises:
            NvmlFailed: The device or the driver is gone.
        """
        self.least = self.most = None
        if not self.asked.wanted(now_ms):
            return NO_SAMPLES
        is_back, self._drained_ms = now_ms < self._drained_ms, now_ms
        if is_back or not self._has_begun:
            # A clock that was set back takes the driver's times along.
            return self._begin(now_ms)
        self._count.value = self._room
        code = self._get(
            self._handle, self._kind, self._last, self._type_ref, self._count_ref, self._buffer
        )
        if code == ids.INSUFFICIENT_SIZE:
            self._make_room(self._count.value * 2)
            return NO_SAMPLES
        # The ring may hold nothing new; that is an answer.
        if not self.asked.took(ids.SUCCESS if code == ids.NOT_FOUND else code, now_ms):
            self._has_begun = False
            return NO_SAMPLES
        return NO_SAMPLES if code == ids.NOT_FOUND else self._decode()

    def _begin(self, now_ms: int) -> Samples:
        """Learn how much the ring holds, and take note of where it stands."""
        self._last.value = 0
        count = ctypes.c_uint(0)
        args = (self._handle, self._kind, ctypes.c_ulonglong(0), self._type_ref)
        code = self._get(*args, ctypes.byref(count), None)
        if code in (ids.SUCCESS, ids.INSUFFICIENT_SIZE) and count.value > self._room:
            self._make_room(count.value)
        self._count.value = self._room
        code = self._get(*args, self._count_ref, self._buffer)
        if not self.asked.took(ids.SUCCESS if code == ids.NOT_FOUND else code, now_ms):
            return NO_SAMPLES
        if code == ids.SUCCESS:
            self._decode()
        self._has_begun = True
        return NO_SAMPLES

    def _make_room(self, samples: int) -> None:
        self._room = min(max(samples, _FIRST_SAMPLES), _MOST_SAMPLES)
        self._buffer = ctypes.create_string_buffer(_SAMPLE_BYTES * self._room)

    def _decode(self) -> Samples:
        count = min(self._count.value, self._room)
        if count == 0:
            return NO_SAMPLES
        decode_times, decode_powers = _decoders(count, self._type.value)
        times, powers = decode_times(self._buffer), decode_powers(self._buffer)
        last = self._last.value
        if times[0] <= last:
            # Some drivers give again what they were told is known.
            new = bisect_right(times, last)
            times, powers = times[new:], powers[new:]
            if not times:
                return NO_SAMPLES
        self._last.value = times[-1]
        # Power rises and falls in runs, so it sorts faster than its least and most are found.
        ordered = sorted(powers)
        if ordered[0] <= 0 or ordered[-1] > _MOST_MILLIWATTS:
            pairs = [pair for pair in zip(times, powers, strict=True)
                     if 0 < pair[1] <= _MOST_MILLIWATTS]  # fmt: skip
            if not pairs:
                return NO_SAMPLES
            times, powers = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
            ordered = sorted(powers)
        self.least, self.most = ordered[0], ordered[-1]
        return times, powers


@lru_cache(maxsize=16)
def _decoders(count: int, type_: int) -> tuple[Decoder, Decoder]:
    """What takes times and powers out of a buffer of so many samples; the same for all devices."""
    value = VALUES.get(type_, "I4x")
    return Struct("=" + "Q8x" * count).unpack_from, Struct("=" + f"8x{value}" * count).unpack_from
