"""Several factories as one: sums added, ratios made anew, and where their records do not agree.

A ratio is never an average of ratios: numerators and denominators are added. PUE is published over
several data centres weighted by their energy, as Annex IV of Regulation (EU) 2024/1364 has it, and
only over three or more. What two factories did together both have in their bundles, so it is not
added: their records are held against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wattline_collector.kpi.registry import find
from wattline_collector.kpi.sustainability import published_average
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.cubes import CUBES, EXCHANGES, Row
from wattline_reports.exchange.disclosure.table import Key
from wattline_reports.exchange.exchanged import Mismatch, Record, mismatches, records
from wattline_reports.exchange.refused import Reason, Refused

WEIGHTED = ("S03",)
"""Published as averages that are weighted by the data centres' energy."""

SHARES = ("COVERAGE_RATIO",)
"""Measures that are no sums: of several cells the least holds for all of them."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Several bundles as one.

    Attributes:
        factories: Ids, sorted.
        figures: As in `kpis.json`, with `factories`: how many had a part in it, and `of`: how many
            there are. `value` is null where nobody had a part.
        cubes: Sums of cells; None where any factory hid its part. Exchanges are not among them.
        exchanges: What each factory says it did with others.
        mismatches: Where two of them say it differently.
    """

    factories: tuple[str, ...]
    figures: tuple[Mapping[str, Any], ...]
    cubes: Mapping[str, Mapping[Key, Row | None]]
    exchanges: tuple[Record, ...]
    mismatches: tuple[Mismatch, ...]


def merge(bundles: Sequence[Bundle]) -> Merged:
    """Add bundles of one period up.

    Args:
        bundles: Verified, of different factories, the same period and dictionary.

    Raises:
        Refused: They cannot be added.
    """
    _check_alike(bundles)
    return Merged(
        tuple(sorted(one.manifest.factory for one in bundles)),
        tuple(_figures(bundles)),
        {
            name: _cube(name, bundles)
            for name in CUBES
            if name != EXCHANGES and any(name in one.cubes for one in bundles)
        },
        records(bundles),
        mismatches(bundles),
    )


def _check_alike(bundles: Sequence[Bundle]) -> None:
    if not bundles:
        raise Refused(Reason.UNREADABLE, "nothing to merge")
    first = bundles[0]
    seen: dict[str, Bundle] = {}
    for one in bundles:
        told = one.manifest
        if told.factory in seen:
            raise Refused(
                Reason.REPLAYED,
                f"{seen[told.factory].path} is of {told.factory} too; give the newest alone",
                path=one.path,
            )
        seen[told.factory] = one
        for field, code in (("period", Reason.PERIOD), ("dictionary", Reason.DICTIONARY)):
            if getattr(told, field) != getattr(first.manifest, field):
                raise Refused(
                    code, f"not the {field} of {first.path}; they cannot be added", path=one.path
                )


def _figures(bundles: Sequence[Bundle]) -> list[Mapping[str, Any]]:
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Mapping[str, Any]]] = {}
    for one in bundles:
        for figure in one.figures:
            # A system is one factory's: what is told of it is not of several.
            if "system" not in figure["dims"]:
                key = (figure["id"], tuple(sorted(figure["dims"].items())))
                groups.setdefault(key, []).append(figure)
    return [
        _figure(figures, len(bundles), _weights(bundles) if key[0] in WEIGHTED else None)
        for key, figures in sorted(groups.items())
    ]


def _weights(bundles: Sequence[Bundle]) -> list[tuple[float | None, float | None]]:
    """PUE and energy of each data centre."""
    found: list[tuple[float | None, float | None]] = []
    for one in bundles:
        pue = next((f for f in one.figures if f["id"] == "S03" and not f["dims"]), None)
        if pue is not None:
            found.append((pue["value"], pue["numerator"]))
    return found


def _figure(
    figures: Sequence[Mapping[str, Any]],
    of: int,
    weighted: Sequence[tuple[float | None, float | None]] | None,
) -> Mapping[str, Any]:
    first = figures[0]
    # Only those with both sums have a part: a numerator without its denominator would tilt it.
    is_ratio = any(figure["denominator"] is not None for figure in figures)
    parts = [
        figure
        for figure in figures
        if figure["value"] is not None
        and figure["numerator"] is not None
        and (not is_ratio or figure["denominator"] is not None)
    ]
    numerator = sum(part["numerator"] for part in parts) if parts else None
    denominator = sum(part["denominator"] for part in parts) if parts and is_ratio else None
    value = None
    if numerator is not None and (denominator or not is_ratio):
        value = numerator / (denominator or 1.0) * find(first["id"]).scale
    if weighted is not None:
        value = published_average(weighted)
    counted = [part["n"] for part in parts if part["n"] is not None]
    return {
        **{name: first[name] for name in ("id", "unit", "dims", "level")},
        "value": value,
        "numerator": numerator,
        "denominator": denominator,
        "n": sum(counted) if counted else None,
        "coverage": _coverage(parts),
        "factories": len(parts),
        "of": of,
        "hidden": sum(figure["status"] == "suppressed" for figure in figures),
    }


def _coverage(parts: Sequence[Mapping[str, Any]]) -> float | None:
    """Weighted by what is below the line: what one factory saw is not another's."""
    known = [
        (part["coverage"], part["denominator"] or 1.0)
        for part in parts
        if part["coverage"] is not None
    ]
    whole = sum(weight for _, weight in known)
    return sum(coverage * weight for coverage, weight in known) / whole if whole else None


def _cube(name: str, bundles: Sequence[Bundle]) -> dict[Key, Row | None]:
    cube = CUBES[name]
    tables = [one.cubes[name] for one in bundles if name in one.cubes]
    found: dict[Key, Row | None] = {}
    for key in sorted({key for table in tables for key in table}):
        rows = [table[key] for table in tables if key in table]
        shown = [row for row in rows if row is not None]
        if len(shown) < len(rows):
            found[key] = None
        else:
            found[key] = tuple(
                (_least if measure in SHARES else _sum)([row[place] for row in shown])
                for place, measure in enumerate(cube.measures)
            )
    return found


def _sum(values: Sequence[float | None]) -> float | None:
    """A sum of which a part is not known is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _least(values: Sequence[float | None]) -> float | None:
    """The least of shares; of one that is not known nothing can be said."""
    known = [value for value in values if value is not None]
    return min(known) if known and len(known) == len(values) else None
