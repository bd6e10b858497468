"""Every KPI by id, and how a declared one becomes figures.

The declarations stand in `dictionary`, one file for each group. Dividing, rounding off and
withholding is done here, the same for all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wattline_agents.errors import UsageError
from wattline_collector.kpi.declare import COMFORT, Kpi
from wattline_collector.kpi.dictionary import KPIS
from wattline_collector.kpi.dimensions import with_dimensions
from wattline_collector.kpi.figure import Figure, Status
from wattline_collector.kpi.view import View

REGISTRY: Mapping[str, Kpi] = MappingProxyType({kpi.id: kpi for kpi in KPIS})
"""All KPIs by id."""


def find(id: str) -> Kpi:
    """The KPI of that id, upper or lower case.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    kpi = REGISTRY.get(id.upper())
    if kpi is None:
        raise UsageError(f"no KPI {id[:20]!r}; there are {', '.join(REGISTRY)}")
    return kpi


def explain(id: str) -> dict[str, object]:
    """What a KPI is, for people.

    Raises:
        UsageError: There is no such KPI.
    """
    kpi = find(id)
    names = (
        "id", "name", "formula", "unit", "numerator", "numerator_unit", "denominator",
        "denominator_unit", "direction", "audience", "authority", "floor", "note",
    )  # fmt: skip
    return {name: getattr(kpi, name) for name in names} | {
        "by": list(kpi.by),
        "parts": list(kpi.parts),
        "level": kpi.level.value,
        "comfort": COMFORT,
    }


def evaluate(kpi: Kpi, view: View, by: Sequence[str] = (), most: int | None = None) -> list[Figure]:
    """Compute a KPI.

    Args:
        kpi: Which.
        view: From what.
        by: Dimensions to split by; one figure for all if empty.
        most: Figures that there may be; any number if None.

    Raises:
        UsageError: It cannot be split by that, or there are more figures than there may be.
    """
    for dimension in by:
        if dimension not in kpi.by:
            raise UsageError(
                f"{kpi.id} cannot be split by {dimension[:20]!r}; it can be by {', '.join(kpi.by)}"
            )
    rows = kpi.compute(with_dimensions(view, by), list(by))
    if most is not None and rows.height > most:
        raise UsageError(
            f"too many figures: {kpi.id} alone has {rows.height:,} more where {max(most, 0):,} are "
            "left of what one answer may hold; ask for a shorter period, fewer KPIs, or split less"
        )
    if by:
        rows = rows.sort(by, maintain_order=True)
    return [_figure(kpi, view, by, row) for row in rows.iter_rows(named=True)]


def _figure(kpi: Kpi, view: View, by: Sequence[str], row: Mapping[str, object]) -> Figure:
    numerator, denominator = _number(row["numerator"]), _number(row["denominator"])
    coverage = _number(row["coverage"])
    note = str(row["note"] or "")
    value = _number(row.get("value"))
    if value is None and numerator is not None:
        if not kpi.denominator:
            value = numerator if kpi.scale == 1 else numerator * kpi.scale
        elif denominator:
            value = numerator / denominator * kpi.scale
    status = Status.OK
    if value is None:
        status = Status.UNKNOWN
        note = note or "nothing in this period to compute it from"
    elif coverage is not None and coverage < kpi.floor:
        status, value = Status.WITHHELD, None
        note = _join(
            note, f"withheld: {coverage:.0%} of the time was covered, under {kpi.floor:.0%}"
        )
    elif coverage is not None and coverage < COMFORT:
        status = Status.PARTIAL
    return Figure(
        id=kpi.id,
        name=kpi.name,
        unit=str(row.get("unit") or kpi.unit),
        value=value,
        numerator=numerator,
        denominator=denominator,
        n=int(_number(row["n"]) or 0),
        coverage=coverage,
        method=str(row["method"] or ""),
        status=status,
        period=view.period,
        note=note,
        dims={name: str(row[name]) for name in (*by, *kpi.parts)},
        numerator_unit=kpi.numerator_unit,
        denominator_unit=kpi.denominator_unit,
        low=None if value is None else _number(row.get("low")),
        high=None if value is None else _number(row.get("high")),
        level=kpi.level.value,
    )


def _number(value: object) -> float | int | None:
    """A number; None where it is none, or not finite: nought over nought is not known."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
