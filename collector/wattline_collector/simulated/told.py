"""Faults that somebody asked for: told one by one, or drawn from the seed at a rate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random

from wattline_agents.errors import UsageError
from wattline_agents.nearest import instead
from wattline_collector.simulated.faults import Fault, Mishap, Outage, Spell, plant
from wattline_collector.simulated.shape import DAY_MS, HOUR_MS, MINUTE_MS, Shape

More = Outage | Spell | Mishap

_UNITS_MS = {"s": 1000, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_KEYS: Mapping[Fault, tuple[str, ...]] = {
    Fault.SILENT: ("node", "at", "for"),
    Fault.LOST: ("node", "device", "at", "for"),
    Fault.HOT: ("rack", "at", "for", "share"),
    Fault.FROZEN: ("node", "device", "at", "for"),
    Fault.RESET: ("node", "device", "at"),
    Fault.XID: ("node", "device", "at", "code"),
}
_DEFAULTS = {"node": "0", "device": "0", "rack": "0", "at": "+1m", "for": "10m", "share": "0.6",
             "code": "79"}  # fmt: skip
_LEAST_HOT_MS = 10 * MINUTE_MS
"""A rack grows warm and cools down by the minute."""
_DRAWN = (Fault.LOST, Fault.FROZEN, Fault.RESET, Fault.XID, Fault.SILENT)
_XIDS = (13, 31, 43, 48, 63, 74, 79, 94, 95)
"""Those that sites see: application faults, memory, NVLink, and fallen off the bus."""
MOST_A_DAY = 1000.0


def fault_told(text: str, shape: Shape, from_ms: int | None = None) -> More:
    """One fault as it stands on a command line: `KIND:KEY=VALUE,...`.

    Kinds and their keys: `silent` (node), `lost` and `frozen` (node, device), `hot` (rack, share),
    `reset` (node, device), `xid` (node, device, code); `at` is `+2m` or a time,
    `for` how long. Nodes, devices and racks count from 0.

    Args:
        text: What was told.
        shape: Of the factory.
        from_ms: What `+` counts from; the present, which lies on a minute, if not given.

    Raises:
        UsageError: It is none of these, or names what the factory does not have.
    """
    kind_text, _, rest = text.partition(":")
    kinds = [kind.value for kind in Fault]
    if kind_text not in kinds:
        raise UsageError(f"--fault: no kind {kind_text[:40]!r}; {instead(kind_text, kinds)}")
    kind = Fault(kind_text)
    values = dict(_DEFAULTS)
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in _KEYS[kind]:
            raise UsageError(f"--fault {kind}: not one of its keys: {part[:40]!r}; "
                             f"{instead(key, _KEYS[kind])}")  # fmt: skip
        values[key] = value
    node = _number(kind, "node", values["node"], shape.nodes)
    slot = _number(kind, "device", values["device"], shape.devices)
    start = _moment(kind, values["at"], shape.present_ms if from_ms is None else from_ms)
    length = _length(kind, values["for"])
    if start < shape.present_ms:
        raise UsageError(
            f"--fault {kind}: at: before the present, which is history: {values['at']}"
        )
    device = node * shape.devices + slot
    if kind is Fault.SILENT:
        return Outage(kind, node, None, start, start + length)
    if kind is Fault.LOST:
        return Outage(kind, node, device, start, start + length)
    if kind is Fault.HOT:
        if length < _LEAST_HOT_MS:
            raise UsageError(f"--fault hot: for: at least 10m: {values['for']}")
        rack = _number(kind, "rack", values["rack"], shape.racks)
        return Spell(rack, start, start + length, _share(values["share"]))
    if kind is Fault.FROZEN:
        return Mishap(kind, device, start, start + length)
    return Mishap(kind, device, start, start, _number(kind, "code", values["code"], 1000))


def drawn(shape: Shape, a_day: float, told: Sequence[More] = ()) -> list[More]:
    """Faults at random moments after the present, that many a day over the whole factory.

    The same shape and rate give the same faults. One that would fall into another of its kind on
    the same device or node is left out.
    """
    taken = plant(shape).outages
    rng = Random(f"{shape.seed}/faults/{a_day}")
    faults: list[More] = []
    at = float(shape.present_ms)
    while a_day > 0:
        at += rng.expovariate(a_day) * DAY_MS
        if at >= shape.end_ms:
            break
        kind = rng.choice(_DRAWN)
        node = rng.randrange(shape.nodes)
        device = node * shape.devices + rng.randrange(shape.devices)
        start, end = round(at), round(at + rng.uniform(2, 90) * MINUTE_MS)
        if kind in (Fault.SILENT, Fault.LOST):
            outage = Outage(kind, node, None if kind is Fault.SILENT else device, start, end)
            if not any(clash(outage, other) for other in (*taken, *told, *faults)):
                faults.append(outage)
        elif kind is Fault.FROZEN:
            faults.append(Mishap(kind, device, start, end))
        else:
            faults.append(Mishap(kind, device, start, start, rng.choice(_XIDS)))
    return faults


def checked(more: Sequence[More], shape: Shape) -> Sequence[More]:
    """The faults, if no two outages of one node or device overlap, planted ones included.

    Raises:
        UsageError: Two do.
    """
    outages: list[Outage] = list(plant(shape).outages)
    for one in more:
        if isinstance(one, Outage):
            if any(clash(one, other) for other in outages):
                what = shape.node_name(one.node)
                if one.device is not None:
                    what += f" device {one.device % shape.devices}"
                raise UsageError(f"--fault {one.fault}: {what} already has one at that time")
            outages.append(one)
    return more


def clash(one: Outage, other: More) -> bool:
    """Whether two are of the same kind, for the same node or device, at the same time."""
    return (
        isinstance(other, Outage)
        and (one.fault, one.node, one.device) == (other.fault, other.node, other.device)
        and one.overlaps(other.start_ms, other.end_ms)
    )


def _number(kind: Fault, key: str, text: str, below: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= below:
        raise UsageError(f"--fault {kind}: {key}: not from 0 to {below - 1}: {text[:40]!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 < share <= 0.9:
        raise UsageError(f"--fault hot: share: not over 0 and up to 0.9: {text[:40]!r}")
    return share


def _length(kind: Fault, text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhd])", text)
    if match is None or float(match[1]) == 0:
        raise UsageError(f"--fault {kind}: not a time such as 30s, 10m, 2h or 1d: {text[:40]!r}")
    return round(float(match[1]) * _UNITS_MS[match[2]])


def _moment(kind: Fault, text: str, from_ms: int) -> int:
    if text.startswith("+"):
        return from_ms + _length(kind, text[1:])
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--fault {kind}: at: not +2m or a time such as 2026-11-01T00:00:00Z: {text[:40]!r}"
        ) from error
    return round(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)
