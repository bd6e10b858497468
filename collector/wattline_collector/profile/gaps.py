"""What a profile does not say, and which KPI or report waits for it.

Most of it is declared at the keys themselves (`serves`). What hangs on more than one key stands
here: meters by indicator, and peaks of models that Wattline does not know by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wattline_collector.efficiency.peaks import Peak, peak
from wattline_collector.profile import law
from wattline_collector.profile.declare import Key, Named, Numbers, Part, declared
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.words import KPIS, REPORTS

_METERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "S01": (("E_DC",),),
    "S02": (("E_IT",),),
    "S03": (("E_DC",), ("E_IT",)),
    "S04": (("W_IN",), ("E_IT",)),
    "S05": (("E_REUSE",), ("E_DC",)),
    "S06": (("E_RES-GOO", "E_RES-PPA", "E_RES-OS"), ("E_DC",)),
    "S07": (("E_DC",), ("E_IT",), ("W_IN",), ("E_REUSE",), ("T_WH",)),
    "S08": (("E_DC",), ("E_IT",)),
    "S14": (("E_IT",),),
    "eed": (("E_DC",), ("E_IT",), ("W_IN",), ("E_REUSE",), ("T_WH",)),
}
"""Indicators that must be metered; of those in one bracket, one will do."""

_CONTRACT_CODES = {
    "guarantee_of_origin": "E_RES-GOO",
    "purchase_agreement": "E_RES-PPA",
    "on_site": "E_RES-OS",
}


def gaps(profile: FactoryProfile) -> dict[str, list[str]]:
    """The keys that are missing, by the id of the KPI or report that waits for them.

    Returns:
        In the order of the dictionary, then the reports; only ids that lack something. Of a table
        that is not there at all its keys are named, with `NAME` for what people would call it.
    """
    found: dict[str, list[str]] = {}
    for id, place in (*_keys(FactoryProfile, profile, ()), *_metered(profile), *_agreed(profile)):
        if not _is_known(profile, place):
            keys = found.setdefault(id, [])
            if (key := ".".join(place)) not in keys:
                keys.append(key)
    if law.must_report_energy(profile) is False:
        found.pop("eed", None)
        found.pop("S07", None)
    order = (*KPIS, *REPORTS)
    return {id: _without_tables(found[id]) for id in sorted(found, key=order.index)}


def _without_tables(keys: list[str]) -> list[str]:
    """Keys without the tables of which keys are named anyway."""
    return [key for key in keys if not any(other.startswith(f"{key}.") for other in keys)]


def served(cls: type = FactoryProfile) -> set[str]:
    """Every id that a key of the profile is declared to serve, or that a meter does."""
    found = set(_METERS) | {"A08"}
    for one in declared(cls):
        match one.member:
            case Key(serves=serves) | Numbers(value=Key(serves=serves)):
                found |= set(serves)
            case Part(table=below):
                found |= served(below)
            case Named(table=below, serves=serves):
                found |= set(serves) | served(below)
    return found


_Place = tuple[str, ...]
_NAME = "NAME"
"""Stands for what people would call a table that is not there yet."""


def _keys(cls: type, table: Any, place: _Place) -> Iterator[tuple[str, _Place]]:
    """Ids and keys that a table lacks; `table` is None where there is no such table."""
    for one in declared(cls):
        at = (*place, one.key)
        said = None if table is None else getattr(table, one.attribute)
        match one.member:
            case Key(serves=serves):
                # An empty list of refrigerants says something; one of holidays says nothing.
                if said is None or (said == () and one.attribute != "refrigerants"):
                    yield from ((id, at) for id in serves)
            case Numbers(value=Key(serves=serves)):
                if not said:
                    yield from ((id, at) for id in serves)
            case Part(table=below):
                yield from _keys(below, said, at)
            case Named(table=below, serves=serves):
                if not said and serves:
                    yield from ((id, (*at, _NAME)) for id in serves)
                    yield from _keys(below, None, (*at, _NAME))
                for name, entry in (said or {}).items():
                    yield from _keys(below, entry, (*at, name))


def _metered(profile: FactoryProfile) -> Iterator[tuple[str, _Place]]:
    there = {meter.eed for meter in profile.meters.values()}
    there |= {_CONTRACT_CODES.get(contract.kind) for contract in profile.contracts.values()}
    for id, wanted in _METERS.items():
        for codes in wanted:
            if there.isdisjoint(codes):
                yield id, (f'meter.{_NAME} with eed = "{codes[0]}"',)
    cooling = {m.quantity for m in profile.meters.values() if m.boundary == "cooling"}
    for quantity in ("energy", "heat"):
        if quantity not in cooling:
            yield "S09", (f'meter.{_NAME} with quantity = "{quantity}", boundary = "cooling"',)


def _agreed(profile: FactoryProfile) -> Iterator[tuple[str, _Place]]:
    of_systems = [system.sla for system in profile.systems.values()]
    for id in ("A01", "A02"):
        if any(id in sla for sla in (profile.sla, *of_systems)):
            return
    yield "A08", ("sla", "A01")


def _is_known(profile: FactoryProfile, place: _Place) -> bool:
    """Whether Wattline knows by itself what the profile does not say, or it is not wanted."""
    match place:
        case ("system", system, "device", device, "peaks") if system in profile.systems:
            one = profile.systems[system].devices.get(device)
            return one is not None and isinstance(peak(one.model, "bf16"), Peak)
        case ("finance", _, "operating_eligible_euro" | "operating_union_euro"):
            # Of an upgrade the Union pays additional costs alone.
            return profile.track == 2
    return False
