"""A project's use of its grant, for whoever leads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattline_reports.kinds import Kind, Of

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report


def _build(asked: Asked) -> Report:
    from wattline_reports.project.whole import of

    return of(asked)


KIND = Kind(
    name="project",
    title="Project report",
    help="one project, for its lead: grant, efficiency, outcomes, energy, people",
    description=(
        "How a project used its grant: the burn-down with a forecast of each grant that runs at\n"
        "the end of the period, where its GPU time went, how its jobs ended, energy, carbon and\n"
        "cost, and who used what. Root and the store's owner see every project; others those that\n"
        "their jobs are charged to, and of the people in it themselves alone."
    ),
    build=_build,
    of=Of("PROJECT", "the project's id, or the account that its jobs are charged to"),
)
