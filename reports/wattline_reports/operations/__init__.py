"""The operations report: what ran, what broke, whom to look at, and how far to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattline_reports.kinds import ANY, MONTH, Kind

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report


def _build(asked: Asked) -> Report:
    from wattline_reports.operations.whole import of

    return of(asked)


KIND = Kind(
    name="operations",
    title="Operations report",
    help="for who runs the machine: availability, incidents, nodes to look at, heat, data quality",
    description=(
        "What was out of service and why, nodes that fail more often than others, devices that\n"
        "jobs held without work, heat and throttling, and where data are missing. It names nodes\n"
        "and stays with the operators."
    ),
    build=_build,
    periods=ANY,
    default=MONTH,
)
