"""One row of a device per time, where more than one source knows something of it.

On a node with NVML and dcgm-exporter both read the same GPUs: NVML once a second, and the exporter
knows what NVML cannot tell on older chips, such as how much of the chip works. The source that was
named first owns the device; what only another one knows fills the holes in its rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from wattline_agents.wire import Row, Value

_PERIODS = 3
_LEAST_SECONDS = 10.0
"""A source is believed for three of its periods, as everywhere, and never for less than this."""
_MOST_DEVICES = 1_024
"""Remembered without a look at who is still told of."""
_OWN = frozenset(
    ("time_unix_ms", "device", "up", "sample_age_seconds", "read_seconds", "read_errors_total",
     "read_timeouts_total")
)  # fmt: skip
"""What says how the device was read, by the source that read it."""


class DeviceRows:
    """Puts what several sources know of one device into one row."""

    def __init__(self) -> None:
        """Begin without any device."""
        self._only = -1
        self._are_many = False
        self._known_until = 0.0
        self._owner: dict[str, tuple[int, float]] = {}
        self._beside: dict[str, tuple[dict[str, Value], float]] = {}
        self._given: dict[str, set[str]] = {}

    def merged(self, rank: int, rows: Sequence[Row], period_ms: int, now: float) -> Sequence[Row]:
        """The rows to hand on.

        Args:
            rank: Place of the source among those of the agent; the lowest owns a device.
            rows: Rows of `device` as the source gave them.
            period_ms: How far apart its rows are.
            now: Seconds of a monotonic clock.

        Returns:
            The rows of devices it owns, with holes filled from others; other rows are kept to
            fill those.
        """
        if not self._are_many:
            # The usual case costs nothing: one source knows the devices.
            if self._only in (-1, rank):
                self._only = rank
                return rows
            self._are_many = True
            self._known_until = now + _LEAST_SECONDS
        if len(self._owner) > _MOST_DEVICES:
            self._forget(now)
        until = now + max(_LEAST_SECONDS, _PERIODS * period_ms / 1000)
        handed: list[Row] = []
        for row in rows:
            device = str(row["device"])
            # Whose devices were never looked at, while one source was alone, shows soon.
            first = (self._only, self._known_until) if now <= self._known_until else (rank, until)
            owner, believed = self._owner.get(device, first)
            if rank <= owner or now > believed:
                if rank != owner:
                    self._given.pop(device, None)
                self._owner[device] = (rank, until)
                handed.append(self._filled(device, row, now))
            else:
                known = _known(row)
                self._beside[device] = ({c: known[c] for c in known.keys() - _OWN}, until)
        return handed

    def _forget(self, now: float) -> None:
        """Leave out devices that nobody has told of for long; an exporter may invent new ones."""
        self._owner = {device: one for device, one in self._owner.items() if now <= one[1]}
        self._beside = {device: one for device, one in self._beside.items() if now <= one[1]}
        self._given = {device: one for device, one in self._given.items() if device in self._owner}

    def fills(self, device: str, now: float) -> frozenset[str]:
        """The columns of a device that only a source beside its owner knows."""
        known, until = self._beside.get(device, ({}, 0.0))
        if now > until:
            return frozenset()
        return frozenset(known.keys() - self._given.get(device, set()))

    def _filled(self, device: str, row: Row, now: float) -> Row:
        # What the owner gave once is its own: where it is null now there is a reason, a sensor that
        # stands still for example, and another's word for it would hide that.
        given = self._given.setdefault(device, set())
        given.update(_known(row))
        more = self.fills(device, now)
        # Of a device that does not answer nothing is known, whatever was known a while ago.
        if not more or not row.get("up"):
            return row
        known = self._beside[device][0]
        return {**row, **{column: known[column] for column in more}}


def merged_infos(rows: Sequence[dict[str, Value]]) -> list[dict[str, Value]]:
    """One row of `device_info` per device: the first source's, with holes filled from others."""
    merged: dict[Value, dict[str, Value]] = {}
    for row in rows:
        first = merged.get(row["device"])
        merged[row["device"]] = row if first is None else _known(row) | _known(first)
    return list(merged.values())


def _known(row: Row) -> dict[str, Value]:
    return {column: value for column, value in row.items() if value is not None}
