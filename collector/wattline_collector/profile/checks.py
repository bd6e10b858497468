"""What keys, each right by itself, can have wrong together.

An error is a contradiction: two things in the file cannot both be true. A warning is something that
is unlikely, or beyond what the law allows; the profile holds, and somebody should look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from wattline_agents.nearest import instead
from wattline_collector.efficiency.peaks import Peak, peak
from wattline_collector.profile import aims, law
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.profile.schema.metering import Meter
from wattline_collector.profile.schema.service import Sla
from wattline_collector.profile.schema.system import Device, Entitlement, System
from wattline_collector.registers.schema.meters import CODES, QUANTITIES, UNITS

_ROUNDING = 1e-9
"""Shares that people write with two decimals add up to one only nearly."""

SPARSE = 1.6
"""A peak this many times the known dense one is likely the one with structured sparsity (twice)."""

_CATEGORIES = {"ups_output": 1, "pdu_output": 2, "it_input": 3}

_INDICATORS = {
    "E_DC": ("data_centre_input", "site_input"),
    "E_IT": ("ups_output", "pdu_output", "it_input"),
    "E_REUSE": ("heat_handover",),
}
"""Where an indicator is measured, for those of which the regulation says it."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that does not fit.

    Attributes:
        place: The key it is about.
        reason: What is wrong.
        is_error: Whether the profile cannot hold.
    """

    place: tuple[str, ...]
    reason: str
    is_error: bool = True


def _warning(place: tuple[str, ...], reason: str) -> Found:
    return Found(place, reason, is_error=False)


def check(profile: FactoryProfile) -> Iterator[Found]:
    """Everything that does not fit."""
    for system in profile.systems.values():
        yield from _system(system)
    yield from _one_peak(profile)
    for id, sla in profile.sla.items():
        yield from _sla(sla, ("sla", id))
    for id, target in profile.targets.items():
        yield from _aim(id, target.direction, (("value", target.value),), ("target", id))
    yield from _modes(profile)
    yield from _calendars(profile)
    yield from _guard(profile)
    yield from _tariffs(profile)
    yield from _finance(profile)
    yield from _metering(profile)
    yield from _carbon(profile)


# Systems


def _system(system: System) -> Iterator[Found]:
    at = ("system", system.id)
    yield from _in_order(at, system.in_service, system.until, "in_service")
    installed: dict[str, int] = {}
    for id, partition in system.partitions.items():
        place = (*at, "partition", id)
        if partition.device is None:
            if partition.devices_per_node:
                yield Found(place, "has devices_per_node and names no device")
            continue
        if partition.device not in system.devices:
            yield _unknown((*place, "device"), partition.device, system.devices, (*at, "device"))
        if not partition.devices_per_node:
            yield Found(place, "names a device and has no devices_per_node")
        count = installed.get(partition.device, 0) + partition.nodes * partition.devices_per_node
        installed[partition.device] = count
    for id, device in system.devices.items():
        place = (*at, "device", id)
        if id in installed and installed[id] != device.count:
            reason = f"{device.count}, and its partitions hold {installed[id]}"
            yield _warning((*place, "count"), reason)
        yield from _peaks(device, place)
    for id, rack in system.racks.items():
        if rack.partition is not None and rack.partition not in system.partitions:
            named = (*at, "rack", id, "partition")
            yield _unknown(named, rack.partition, system.partitions, (*at, "partition"))
    if system.entitlement is not None:
        yield from _entitlement(system.entitlement, system.kind, (*at, "entitlement"))
    if system.rmax_flops is not None and system.rmax_source is None:
        yield _warning((*at, "rmax"), "says no rmax_source; a reader will ask where it is from")
    for id, sla in system.sla.items():
        yield from _sla(sla, (*at, "sla", id))


def _peaks(device: Device, at: tuple[str, ...]) -> Iterator[Found]:
    if device.peaks and device.peak_source is None:
        yield Found((*at, "peaks"), "names no peak_source; MFU is only as good as its peak")
    for dtype, flops in device.peaks.items():
        known = peak(device.model, dtype)
        if isinstance(known, Peak) and flops > SPARSE * known.flops:
            yield _warning(
                (*at, "peaks", dtype),
                f"{flops:.4g} FLOP/s is {flops / known.flops:.1f} times the dense peak known of a"
                f" {known.device} ({known.flops:.4g}); is it the one with sparsity?",
            )


def _one_peak(profile: FactoryProfile) -> Iterator[Found]:
    """A model has one peak in a number format, whichever system it stands in."""
    seen: dict[tuple[str, str], tuple[float, str]] = {}
    for system in profile.systems.values():
        for id, device in system.devices.items():
            for dtype, flops in device.peaks.items():
                first = seen.setdefault((device.model, dtype), (flops, f"{system.id}.device.{id}"))
                if first[0] != flops:
                    yield Found(
                        ("system", system.id, "device", id, "peaks", dtype),
                        f"another peak of the same model than in [system.{first[1]}]",
                    )


def _entitlement(one: Entitlement, kind: str | None, at: tuple[str, ...]) -> Iterator[Found]:
    shares = [one.union_share, one.host_share, *one.national.values()]
    total = sum(share for share in shares if share is not None)
    if total > 1 + _ROUNDING:
        yield Found(at, f"its shares add up to {total:g}, more than all of it")
    elif one.union_share is not None and one.national and total < 1 - 1e-6:
        yield _warning(at, f"its shares add up to {total:g}; {1 - total:.4g} is nobody's")
    most = law.union_share_most(kind)
    if one.union_share is not None and one.union_share > most + _ROUNDING:
        what = "any class" if kind is None else kind
        yield _warning(
            (*at, "union_share"),
            f"{one.union_share:g} is over the law's cap of {most:g} for {what}"
            " (Regulation (EU) 2021/1173, Article 17)",
        )
    sold = one.commercial_share_most
    if sold is not None and sold > law.COMMERCIAL_SHARE_MOST:
        yield _warning(
            (*at, "commercial_share_most"),
            f"{sold:g} is over the law's cap of {law.COMMERCIAL_SHARE_MOST:g} (Article 18(3))",
        )


# Service


def _aim(
    id: str, direction: str, told: Iterable[tuple[str, float]], at: tuple[str, ...]
) -> Iterator[Found]:
    for key, reason in aims.wrong(id, direction, told):
        yield Found(at if key is None else (*at, key), reason)


def _sla(one: Sla, at: tuple[str, ...]) -> Iterator[Found]:
    names = ("threshold", "target", "full_service")
    told = [(name, getattr(one, name)) for name in names if getattr(one, name) is not None]
    yield from _aim(one.id, one.direction, told, at)
    sign = 1 if one.direction == "up" else -1
    for (lower, low), (upper, high) in pairwise(told):
        if sign * high < sign * low:
            order = "under" if one.direction == "up" else "over"
            yield Found((*at, upper), f"{high:g} is {order} {lower}, which is {low:g}")


def _modes(profile: FactoryProfile) -> Iterator[Found]:
    for id, mode in profile.access_modes.items():
        at = ("access_mode", id)
        if mode.working_days is not None and mode.days is not None:
            yield Found((*at, "days"), "there is working_days too; one of them")
        if mode.calendar is not None and mode.calendar not in profile.calendars:
            yield _unknown((*at, "calendar"), mode.calendar, profile.calendars, ("calendar",))
        least, most = mode.gpu_hours_least, mode.gpu_hours_most
        if least is not None and most is not None and least >= most:
            yield Found((*at, "gpu_hours_most"), f"{most:g} is not over gpu_hours_least")


def _calendars(profile: FactoryProfile) -> Iterator[Found]:
    for id, calendar in profile.calendars.items():
        at = ("calendar", id)
        if not calendar.week:
            yield Found((*at, "week"), "no day on which anybody works")
        if not calendar.holidays:
            yield _warning(at, "no holidays: working days of no year are known")
            continue
        years = {day.year for day in calendar.holidays}
        holes = sorted(set(range(min(years), max(years))) - years)
        if holes:
            yield _warning((*at, "holidays"), f"none of {', '.join(map(str, holes[:5]))}")


def _guard(profile: FactoryProfile) -> Iterator[Found]:
    levels = profile.guard.commercial_share if profile.guard else None
    if levels is None:
        return
    at = ("guard", "commercial_share")
    if not levels or list(levels) != sorted(levels):
        yield Found(at, "not one or more levels in rising order")
    elif levels[-1] > law.COMMERCIAL_SHARE_MOST:
        yield _warning(at, f"the last level is over the law's {law.COMMERCIAL_SHARE_MOST:g}")


# Money


def _tariffs(profile: FactoryProfile) -> Iterator[Found]:
    from wattline_collector.profile.tariffs import overlapping

    tariffs = sorted(profile.tariffs.values(), key=lambda one: one.since or date.min)
    for before, after in pairwise(tariffs):
        at = ("tariff", after.id)
        if before.until is None or after.since is None or before.until >= after.since:
            yield Found(at, f"holds on days on which [tariff.{before.id}] does; give both ends")
        elif (after.since - before.until).days > 1:
            yield _warning(at, f"no tariff holds between {before.until} and {after.since}")
    for one in tariffs:
        at = ("tariff", one.id)
        yield from _in_order(at, one.since, one.until, "since")
        if one.windows and one.euro_per_kwh is None:
            yield Found(at, "has windows and no euro_per_kwh for the time outside them")
        clash = overlapping(one)
        if clash is not None:
            reason = f"holds at hours at which [tariff.{one.id}.window.{clash[0]}] does"
            yield Found((*at, "window", clash[1]), reason)


def _finance(profile: FactoryProfile) -> Iterator[Found]:
    ceilings = law.ceilings(profile)
    for year, one in profile.finance.items():
        for what in ("acquisition", "upgrade", "operating", "additional_operating"):
            eligible: float | None = getattr(one, f"{what}_eligible_euro")
            paid: float | None = getattr(one, f"{what}_union_euro")
            if not eligible or paid is None:
                continue
            most: float | None = getattr(ceilings, f"{what}_share")
            at = ("finance", year, f"{what}_union_euro")
            if paid > eligible:
                yield Found(at, f"{paid:,.0f} is more than was eligible, {eligible:,.0f}")
            elif most is not None and paid / eligible > most + _ROUNDING:
                yield _warning(
                    at, f"{paid / eligible:.1%} of what was eligible; the ceiling is {most:.0%}"
                )


# Metering


def _metering(profile: FactoryProfile) -> Iterator[Found]:
    for id, point in profile.points.items():
        yield from _in_order(("point", id), point.since, point.until, "since")
    for id, device in profile.measuring_devices.items():
        at = ("measuring_device", id)
        if device.point not in profile.points:
            yield _unknown((*at, "point"), device.point, profile.points, ("point",))
        yield from _in_order(at, device.since, device.until, "since")
    for id, meter in profile.meters.items():
        yield from _meter(profile, meter, ("meter", id))
    if any(meter.eed == "E_IT" for meter in profile.meters.values()):
        used = {m.category for m in profile.meters.values() if m.eed == "E_IT"} - {None}
        if len(used) > 1:
            names = ", ".join(str(category) for category in sorted(used, key=str))
            reason = f"E_IT is measured at categories {names}; one PUE has one category"
            yield _warning(("meter",), reason)


def _meter(profile: FactoryProfile, meter: Meter, at: tuple[str, ...]) -> Iterator[Found]:
    if meter.eed is not None and CODES[meter.eed] != meter.quantity:
        yield Found((*at, "eed"), f"{meter.eed} is of {CODES[meter.eed]}, not {meter.quantity}")
    if meter.unit is not None and UNITS[meter.unit][0] != QUANTITIES[meter.quantity]:
        right = [name for name, (base, _) in UNITS.items() if base == QUANTITIES[meter.quantity]]
        reason = f"{meter.unit} is none of {meter.quantity}: {', '.join(right)}"
        yield Found((*at, "unit"), reason)
    if meter.system is not None and meter.system not in profile.systems:
        yield _unknown((*at, "system"), meter.system, profile.systems, ("system",))
    boundary = meter.boundary
    if meter.point is not None and meter.point not in profile.points:
        yield _unknown((*at, "point"), meter.point, profile.points, ("point",))
    elif meter.point is not None:
        there = profile.points[meter.point].boundary
        if boundary is not None and boundary != there:
            yield Found((*at, "boundary"), f"{boundary}, and its point is at {there}")
        boundary = there
    right_places = _INDICATORS.get(meter.eed or "")
    if right_places and boundary is not None and boundary not in right_places:
        reason = f"{meter.eed} is measured at {' or '.join(right_places)}, not at {boundary}"
        yield _warning((*at, "eed"), reason)
    category = _CATEGORIES.get(boundary or "")
    if meter.quantity == "energy" and None not in (category, meter.category):
        if category != meter.category:
            reason = f"{meter.category}, and {boundary} is category {category}"
            yield Found((*at, "category"), reason)


def _carbon(profile: FactoryProfile) -> Iterator[Found]:
    for id, factor in profile.factors.items():
        if (factor.grams_co2e_per_kwh is None) == (factor.hours_table is None):
            yield Found(("factor", id), "needs grams_co2e_per_kwh or hours_table, one of them")
        elif factor.hours_table is None and factor.year is None:
            yield Found(("factor", id, "year"), "missing: a figure is of a year")
    if profile.carbon is not None:
        for key in ("location", "location_hourly", "residual"):
            at = ("carbon", key)
            for name in getattr(profile.carbon, key):
                if name not in profile.factors:
                    yield _unknown(at, name, profile.factors, ("factor",))
                elif (profile.factors[name].hours_table is not None) != (key == "location_hourly"):
                    kind = "a table of hours" if key == "location_hourly" else "one figure"
                    yield Found(at, f"[factor.{name}] is not {kind}")
    for id, contract in profile.contracts.items():
        at = ("contract", id)
        yield from _in_order(at, contract.since, contract.until, "since")
        if contract.share is not None and contract.energy_per_year_joules is not None:
            yield Found((*at, "share"), "there is energy_per_year too; one of them")
        if len(contract.criteria) < 5:
            yield _warning(
                at, "does not state all five criteria; it cannot lower market-based carbon"
            )


# Shared


def _in_order(
    at: tuple[str, ...], first: date | None, last: date | None, name: str
) -> Iterator[Found]:
    if first is not None and last is not None and last < first:
        yield Found((*at, "until"), f"{last} is before {name}, which is {first}")


def _unknown(
    at: tuple[str, ...], name: str, known: Mapping[str, object], tables: Iterable[str]
) -> Found:
    return Found(at, f"there is no [{'.'.join((*tables, name))}]; {instead(name, known)}")
