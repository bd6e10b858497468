"""Factories compared by one measure: each by its own bundle, the network, and the spread."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Figure, Period, Status
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.merge import WEIGHTED, Merged
from wattline_reports.network.measures import Measure, Told
from wattline_reports.quoted import COMFORT, Quoted, quoted, stated
from wattline_reports.words import grouped

FOR_MEDIAN, FOR_QUARTILES, FOR_OUTLIERS = 3, 4, 5
"""Fewest factories with a value for each: of fewer it would say nothing but who is who."""

FENCE = 1.5
"""Apart is what lies further from the quartiles than so many times their distance (Tukey 1977)."""

HIDDEN = "hides it: too few stand behind it"
_WHY = {
    "suppressed": HIDDEN,
    "withheld": "withholds it: too little was observed",
    "unknown": "says that it is not known",
}
_ABSENT = "does not have it"


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of every factory.

    Attributes:
        measure: Which.
        factories: A figure of each factory, in the order of their ids.
        network: Of all of them: sums over sums.
        median: The middle one of those that are known.
        low: The lower quartile.
        high: The upper quartile.
        outliers: Those that lie apart from the others, and rest on enough to say so.
    """

    measure: Measure
    factories: tuple[Quoted, ...]
    network: Quoted
    median: Quoted
    low: Quoted
    high: Quoted
    outliers: tuple[Quoted, ...]

    @property
    def figures(self) -> tuple[Quoted, ...]:
        """All of them."""
        return (*self.factories, self.network, self.median, self.low, self.high)

    @property
    def known(self) -> int:
        """How many factories have a value."""
        return sum(one.value is not None for one in self.factories)


def factory_of(one: Quoted) -> str:
    """Whose figure it is."""
    return one.figure.dims["factory"]


def is_hidden(one: Quoted) -> bool:
    """Whether a factory knows the figure and does not show it."""
    return one.value is None and one.figure.note.endswith(HIDDEN)


def compare(measure: Measure, bundles: Sequence[Bundle], merged: Merged) -> Compared:
    """Compare factories by one measure.

    Args:
        measure: Which.
        bundles: One of each, in the order of their ids.
        merged: All of them as one.
    """
    period = bundles[0].manifest.period
    found = tuple(_own(measure, one) for one in bundles)
    network = (
        _merged(measure, merged, period) if measure.is_kpi else _over(measure, bundles, period)
    )
    low, median, high = spread([float(one.value) for one in found if one.value is not None])
    return Compared(
        measure,
        found,
        network,
        _said(measure, "median", median, FOR_MEDIAN, found, period),
        _said(measure, "lower quartile", low, FOR_QUARTILES, found, period),
        _said(measure, "upper quartile", high, FOR_QUARTILES, found, period),
        outliers(found),
    )


def spread(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Lower quartile, median and upper quartile; None where there are too few values.

    Quartiles are interpolated between the values, the least and the greatest included.
    """
    median = statistics.median(values) if len(values) >= FOR_MEDIAN else None
    if len(values) < FOR_QUARTILES:
        return None, median, None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


def outliers(figures: Sequence[Quoted]) -> tuple[Quoted, ...]:
    """Figures that lie apart from the others.

    One that rests on less than enough is not among them: it may lie apart by what was not observed.
    """
    known = [(one, float(one.value)) for one in figures if one.value is not None]
    if len(known) < FOR_OUTLIERS:
        return ()
    low, _, high = spread([value for _, value in known])
    if low is None or high is None or high <= low:
        return ()
    reach = FENCE * (high - low)
    return tuple(
        one
        for one, value in known
        if not low - reach <= value <= high + reach and not _is_thin(one)
    )


def _is_thin(one: Quoted) -> bool:
    coverage = one.figure.coverage
    return one.figure.status is not Status.OK or (coverage is not None and coverage < COMFORT)


# A factory's own


def _own(measure: Measure, one: Bundle) -> Quoted:
    factory = one.manifest.factory
    above, told = measure.above.of(one)
    if measure.below is None:
        return quoted(_as_figure(measure, told, factory, one.manifest.period))
    below, other = measure.below.of(one)
    parts = [part for part in (told, other) if part is not None]
    lacks = next((why for part in (told, other) if (why := _why(part, factory))), "")
    value = above / below * measure.scale if above is not None and below else None
    coverage = [part["coverage"] for part in parts if part["coverage"] is not None]
    return _ratio(
        measure,
        value,
        above,
        below,
        n=(told or {}).get("n") or 0,
        coverage=min(coverage, default=None),
        method="; ".join(dict.fromkeys(part["method"] for part in parts if part["method"])),
        note=""
        if value is not None
        else lacks or f"the bundle of {factory} has nothing below the line",
        dims={"factory": factory},
        period=one.manifest.period,
    )


def _as_figure(measure: Measure, told: Told | None, factory: str, period: Period) -> Figure:
    """A KPI as a bundle has it."""
    none: Told = dict.fromkeys(("value", "numerator", "denominator", "coverage", "low", "high"))
    mine: Mapping[str, Any] = told or none
    value = mine["value"]
    status = mine.get("status", "unknown")
    if value is None:
        status = "withheld" if status in ("withheld", "suppressed") else "unknown"
    return Figure(
        id=measure.key, name=measure.name, unit=mine.get("unit", measure.unit), value=value,
        numerator=mine["numerator"], denominator=mine["denominator"], n=mine.get("n") or 0,
        coverage=mine["coverage"], method=mine.get("method", ""), status=Status(status),
        period=period, note=_why(told, factory), dims={**measure.above.dims, "factory": factory},
        numerator_unit=measure.units[0], denominator_unit=measure.units[1],
        low=mine["low"], high=mine["high"], level=mine.get("level", "measured"),
    )  # fmt: skip


def _why(told: Told | None, factory: str) -> str:
    """Why a bundle shows no value; empty where it does."""
    if told is None:
        return f"the bundle of {factory} {_ABSENT}"
    if told["value"] is not None:
        return ""
    return f"the bundle of {factory} {_WHY.get(told['status'], _WHY['unknown'])}"


# The network


def _merged(measure: Measure, merged: Merged, period: Period) -> Quoted:
    """A KPI over all factories, as `wattline bundle merge` has it."""
    wanted = dict(measure.above.dims)
    told = next(
        (one for one in merged.figures if one["id"] == measure.key and one["dims"] == wanted), None
    )
    of = len(merged.factories)
    method, floor = "sums over sums", 1
    if measure.key in WEIGHTED:
        method, floor = "average weighted by energy, (EU) 2024/1364 Annex IV", 3
    value = None if told is None else told["value"]
    has = 0 if told is None else told["factories"]
    note = "" if has == of else f"of {grouped(has)} of {grouped(of)} factories"
    if value is None:
        note = "no two sums of a factory are known to add"
        if has and floor > 1:
            note = "not given for fewer than three data centres"
    coverage = None if told is None else told["coverage"]
    kpi = registry.find(measure.key)
    return quoted(
        Figure(
            id=measure.key, name=f"{measure.name}, all factories", unit=kpi.unit, value=value,
            numerator=None if told is None else told["numerator"],
            denominator=None if told is None else told["denominator"],
            n=has, coverage=coverage, method=method, status=_status(value, coverage),
            period=period, note=note, dims={**wanted, "over": "all"},
            numerator_unit=measure.units[0], denominator_unit=measure.units[1], level="derived",
        )
    )  # fmt: skip


def _over(measure: Measure, bundles: Sequence[Bundle], period: Period) -> Quoted:
    """Sums over sums, of those factories that tell both."""
    assert measure.below is not None
    both: list[tuple[float, float]] = []
    covered: list[tuple[float, float]] = []
    for one in bundles:
        (above, told), (below, other) = measure.above.of(one), measure.below.of(one)
        if above is None or not below:
            continue
        both.append((above, below))
        shares = [
            part["coverage"] for part in (told, other) if part and part["coverage"] is not None
        ]
        if shares:
            covered.append((min(shares), below))
    above = sum(one for one, _ in both) if both else None
    below = sum(one for _, one in both) if both else None
    weight = sum(below for _, below in covered)
    return _ratio(
        measure,
        above / below * measure.scale if above is not None and below else None,
        above,
        below,
        n=len(both),
        coverage=sum(share * one for share, one in covered) / weight if weight else None,
        method="sums over sums",
        note=f"of {grouped(len(both))} of {grouped(len(bundles))} factories"
        if len(both) != len(bundles)
        else "",
        dims={"over": "all"},
        period=period,
    )


def _ratio(
    measure: Measure,
    value: float | None,
    above: float | None,
    below: float | None,
    *,
    n: int,
    coverage: float | None,
    method: str,
    note: str,
    dims: Mapping[str, str],
    period: Period,
) -> Quoted:
    name = f"{measure.name}, all factories" if "over" in dims else measure.name
    return quoted(
        Figure(
            id=measure.key, name=name, unit=measure.unit, value=value,
            numerator=above, denominator=below, n=n, coverage=coverage, method=method,
            status=Status.WITHHELD if note.endswith(HIDDEN) else _status(value, coverage),
            period=period, note=note, dims=dims,
            numerator_unit=measure.units[0], denominator_unit=measure.units[1], level="derived",
        ),
        is_kpi=False,
    )  # fmt: skip


def _status(value: float | None, coverage: float | None) -> Status:
    if value is None:
        return Status.UNKNOWN
    return Status.PARTIAL if coverage is not None and coverage < COMFORT else Status.OK


def _said(
    measure: Measure,
    word: str,
    value: float | None,
    least: int,
    found: Sequence[Quoted],
    period: Period,
) -> Quoted:
    known = sum(one.value is not None for one in found)
    return stated(
        f"{measure.key}.{word.replace(' ', '_')}",
        f"{measure.name}, {word}",
        # A plain ratio, such as a PUE, and no percentage.
        measure.unit if measure.unit != "1" else "",
        value,
        period=period,
        method="of the factories' own values, none weighted",
        note="" if value is not None else f"{known} of {least} factories that it takes tell it",
        n=known,
        level="derived",
    )
