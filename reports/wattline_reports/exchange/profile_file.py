"""`profile.json`: what of a factory's profile others need to read its figures.

What stands there and what was promised: systems with their devices and dense peaks, whose time it
is, service levels, targets, and what the Union pays at most. No person, host, node, rack, partition
or project; no price and no contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from wattline_collector.profile import law
from wattline_collector.profile.peaks import peak_of
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.facility import DataCentre
from wattline_collector.profile.schema.money import Ceilings
from wattline_collector.profile.schema.service import Sla, Target
from wattline_collector.profile.schema.system import Device, Entitlement, System
from wattline_collector.profile.schema.words import DTYPES
from wattline_reports.exchange import canonical
from wattline_reports.exchange.checked import check
from wattline_reports.exchange.plain import plain

FILE = "profile.json"
SCHEMA = "wattline-profile-v1"

_CEILINGS = tuple(one.name for one in fields(Ceilings) if one.name.endswith("_share"))


def of(profile: FactoryProfile) -> dict[str, Any]:
    """The part of a profile that may leave, in base units; null where nobody said it."""
    return {
        "schema": SCHEMA,
        "is_gigafactory": profile.is_gigafactory,
        "systems": [_system(one, profile) for _, one in sorted(profile.systems.items())],
        "sla": _promises(profile.sla),
        "targets": [_target(one) for _, one in sorted(profile.targets.items())],
        # What is not told is as the law has it for the track.
        "ceilings": _named(law.ceilings(profile), _CEILINGS),
        "data_centre": _data_centre(profile.data_centre),
    }


def products(profile: FactoryProfile) -> frozenset[str]:
    """Words of its devices' names, in lower case: a project may well be named after a product."""
    texts = (
        text
        for system in profile.systems.values()
        for device in system.devices.values()
        for text in (plain(device.model), plain(device.vendor))
        if text is not None
    )
    return frozenset(word for text in texts for word in text.lower().split())


def read(data: bytes, path: object) -> Mapping[str, Any]:
    """What a bundle's file says.

    Raises:
        Refused: It is not as `of` makes it.
    """
    value = canonical.loads(data, path)
    check("profile", value, path)
    found: Mapping[str, Any] = value
    return found


def _system(system: System, profile: FactoryProfile) -> dict[str, Any]:
    nodes = [part.nodes for part in system.partitions.values()]
    return {
        "id": system.id,
        "kind": system.kind,
        "in_service": _day(system.in_service),
        "until": _day(system.until),
        "nodes": sum(nodes) if nodes else None,
        "rated_power_watts": system.rated_power_watts,
        "cooling": system.cooling,
        "interconnect": plain(system.interconnect),
        "storage_bytes": system.storage_bytes,
        "rmax_flops": system.rmax_flops,
        "devices": [_device(one, profile) for _, one in sorted(system.devices.items())],
        "entitlement": _entitlement(system.entitlement, system.kind),
        "sla": _promises(system.sla),
    }


def _device(device: Device, profile: FactoryProfile) -> dict[str, Any]:
    found = {dtype: peak_of(profile, device.model, dtype) for dtype in DTYPES}
    peaks = {dtype: one.flops for dtype, one in found.items() if not isinstance(one, str)}
    return {
        "model": plain(device.model),
        "vendor": plain(device.vendor),
        "count": device.count,
        "memory_bytes": device.memory_bytes,
        "memory_bandwidth_bytes_per_second": device.memory_bandwidth_bytes_per_second,
        "tdp_watts": device.tdp_watts,
        "link_bytes_per_second": device.link_bytes_per_second,
        "peak_flops": peaks,
        "stated_peaks": sorted(device.peaks),
    }


def _entitlement(told: Entitlement | None, kind: str | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {
        "gpu_hours_per_year": told.gpu_hours_per_year,
        "accounting_unit": told.accounting_unit,
        "union_share": told.union_share,
        "union_share_most": None if kind is None else law.union_share_most(kind),
        "host_share": told.host_share,
        "national": dict(told.national),
        "commercial_share_most": law.commercial_share_most(told),
    }


def _promises(told: Mapping[str, Sla]) -> list[dict[str, Any]]:
    names = ("direction", "threshold", "target", "full_service", "period")
    return [{"id": id, **_named(one, names)} for id, one in sorted(told.items())]


def _target(one: Target) -> dict[str, Any]:
    return {"id": one.id, "direction": one.direction, "value": one.value, "by": _day(one.by)}


def _data_centre(centre: DataCentre | None) -> dict[str, Any] | None:
    if centre is None:
        return None
    redundancy = centre.redundancy
    return {
        "rated_it_power_watts": centre.rated_it_power_watts,
        "in_operation": centre.in_operation,
        "redundancy": None
        if redundancy is None
        else {one.name: getattr(redundancy, one.name) for one in fields(redundancy)},
    }


def _named(thing: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
