"""From what one GPU said at one time to rows, and the account of what it did not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from wattline_agents.errors import InputError
from wattline_agents.wire import Value
from wattline_collector.imports import files, smi_fields
from wattline_collector.imports.gathered import Gathering
from wattline_collector.imports.smi_fields import Malformed, Parsed, Values
from wattline_collector.imports.standing_still import Row, Stillness
from wattline_collector.imports.summary import counted

_MOST_DEVICES = 20_000
_SHOWN = 6
_HOLE_MS = 60_000
"""Energy is summed across holes of up to a minute, as the ledger does."""


@dataclass(slots=True)
class Account:
    """What a recording did not say, or what has no place.

    Attributes:
        absent: (field, the reason in the recording's words) -> how often.
        unkept: Names of fields that no column holds.
        repeated: Readings of a device at a time of which there was one.
    """

    absent: Counter[tuple[str, str]] = field(default_factory=Counter)
    unkept: set[str] = field(default_factory=set)
    repeated: int = 0

    def notes(self) -> list[str]:
        """Lines for people."""
        notes = []
        if self.absent:
            most = self.absent.most_common(_SHOWN)
            named = "; ".join(
                f"{name}: {files.shown(why) or 'empty'} ({times:,})" for (name, why), times in most
            )
            more = len(self.absent) - len(most)
            notes.append(f"no value: {named}" + (f"; and {more} more" if more else ""))
        if self.unkept:
            names = [files.shown(name) for name in sorted(self.unkept)[:_SHOWN]]
            more = len(self.unkept) - len(names)
            notes.append(
                f"without a place here: {counted(len(self.unkept), 'field')}, {', '.join(names)}"
                + (f" and {more} more" if more else "")
            )
        if self.repeated:
            notes.append(
                f"{counted(self.repeated, 'reading')} left out: of a time of which there was one"
            )
        return notes


@dataclass(slots=True)
class _Device:
    """What is known of one device while its rows go by."""

    stillness: Stillness = field(default_factory=Stillness)
    info: dict[str, Value] = field(default_factory=dict)
    last_ms: int | None = None
    joules: float | None = None
    before: tuple[int, float] | None = None


class Devices:
    """Sends rows of devices on, in the order of their times, without power that stands still."""

    def __init__(self, gathering: Gathering, account: Account) -> None:
        """Begin without devices."""
        self._gathering, self._account = gathering, account
        self._devices: dict[tuple[str, str], _Device] = {}

    def add(self, node: str, row: Row, info: Mapping[str, Value]) -> bool:
        """Take in a row of `device` and who the device is; False if its time was there before."""
        name, time_ms = str(row["device"]), int(row["time_unix_ms"] or 0)
        device = self._devices.setdefault((node, name), _Device())
        if len(self._devices) > _MOST_DEVICES:
            raise InputError(f"has more than {_MOST_DEVICES} devices")
        if device.last_ms == time_ms:
            self._account.repeated += 1
            return False
        device.last_ms = time_ms
        self._know(node, device, info)
        self._send(node, device, device.stillness.take(row))
        return True

    def finish(self) -> None:
        """Send what still waits."""
        for (node, _), device in self._devices.items():
            self._send(node, device, device.stillness.rest())

    @property
    def joules(self) -> float | None:
        """Energy of all devices by their power, in trapezoids; None where no two readings tell."""
        known = [device.joules for device in self._devices.values() if device.joules is not None]
        return sum(known) if known else None

    @property
    def count(self) -> int:
        """How many devices there are."""
        return len(self._devices)

    def notes(self) -> list[str]:
        """Lines for people on sensors that stood still."""
        return [
            f"{files.shown(name)}: its power sensor stands still: "
            f"the power of {counted(device.stillness.left_out, 'reading')} is left out"
            for (_, name), device in self._devices.items()
            if device.stillness.left_out
        ][:_SHOWN]

    def _know(self, node: str, device: _Device, info: Mapping[str, Value]) -> None:
        new = device.info | dict(info)
        # Whether power is an instant is told by the first reading; a hole in it says nothing new.
        for column in ("power_mode", "power_scope"):
            if device.info.get(column) is not None:
                new[column] = device.info[column]
        same = {column: value for column, value in new.items() if column != "time_unix_ms"}
        before = {
            column: value for column, value in device.info.items() if column != "time_unix_ms"
        }
        if same != before:
            device.info = new
            self._gathering.add(node, "device_info", new)

    def _send(self, node: str, device: _Device, rows: Iterator[Row]) -> None:
        for row in rows:
            self._gathering.add(node, "device", row)
            watts, time_ms = row.get("power_watts"), int(row["time_unix_ms"] or 0)
            before, device.before = device.before, None
            if not isinstance(watts, int | float):
                continue
            device.before = time_ms, watts
            if before is not None and 0 < time_ms - before[0] <= _HOLE_MS:
                piece = (before[1] + watts) / 2 * (time_ms - before[0]) / 1000
                device.joules = (device.joules or 0.0) + piece


def parsed(
    texts: Mapping[str, str],
    parsers: Mapping[str, Callable[[str], Parsed]],
    account: Account,
) -> tuple[Values, bool]:
    """The values of a GPU's fields, and whether it says of itself that it is lost.

    Raises:
        Malformed: A text is neither a value nor a reason for having none; `.args` are the field and
            what is wrong with it.
    """
    values: Values = {}
    lost = False
    for name, text in texts.items():
        why = smi_fields.absent(text)
        if why is not None:
            account.absent[name, why] += 1
            lost = lost or why == smi_fields.LOST
            continue
        try:
            values[name] = parsers[name](text)
        except Malformed as error:
            raise Malformed(name, str(error)) from None
    return values, lost


def rows_of(
    values: Values, lost: bool, run: str, time_ms: int, source: str
) -> tuple[Row, dict[str, Value]]:
    """The rows of `device` and `device_info` that the values make.

    Raises:
        Malformed: The device cannot be told; `.args` as in `parsed`.
    """
    try:
        device = smi_fields.device_name(values, run)
    except Malformed as error:
        raise Malformed("uuid", str(error)) from None
    row = smi_fields.device_row(values, device, time_ms)
    if lost:
        row["up"] = 0
    return row, smi_fields.identity(values, device, time_ms, source)
