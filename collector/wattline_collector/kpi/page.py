"""The page of documentation about the KPIs, made from the registry."""

from __future__ import annotations

from wattline_collector.kpi.declare import COMFORT
from wattline_collector.kpi.registry import REGISTRY

_INTRODUCTION = f"""\
# The KPIs

Made from the registry by `wattline kpi --page`; a test keeps the two the same.

Every figure is a sum, or a sum over a sum, taken from the [ledger](ledger.md), and carries its two
sums, how many things it is made of, its coverage, its method and its status. A ratio with nothing
below the line is null, never zero. Under {COMFORT:.0%} coverage a figure is `partial`; under its
floor it is `withheld`, with the reason; with nothing to compute it from it is `unknown`.

    wattline kpi S10 --store DIR --explain
"""


def markdown() -> str:
    """The whole page."""
    rows = [
        "| id | name | unit | formula | split by | floor | authority |",
        "|---|---|---|---|---|---|---|",
    ]
    for kpi in REGISTRY.values():
        formula = f"{kpi.formula}. {kpi.note}".replace("|", "\\|").strip()
        by = ", ".join(kpi.by)
        rows.append(
            f"| {kpi.id} | {kpi.name} | {kpi.unit} | {formula} | {by} | {kpi.floor:.0%} "
            f"| {kpi.authority} |"
        )
    return "\n".join([_INTRODUCTION, *rows]) + "\n"
