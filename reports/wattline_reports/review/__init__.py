"""The EuroHPC coordination review: what was made, where hours and energy went, what to trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattline_reports.kinds import Kind, Option

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report


def _build(asked: Asked) -> Report:
    from wattline_reports.review.whole import of

    return of(asked)


KIND = Kind(
    name="review",
    title="EuroHPC coordination review",
    help="the twelve chapters that a board and the Joint Undertaking ask for",
    description=(
        "What the factory made, who had its time, where GPU-hours and energy went, what it cost,\n"
        "what was done with others, how far the figures can be trusted, and what to decide. The\n"
        "public variant shows no more than a public bundle would; the restricted one is for the\n"
        "Joint Undertaking. Neither names a job, a user or a node."
    ),
    build=_build,
    options=(
        Option(
            "--variant",
            "for whom: small cells are hidden from the public",
            "WORD",
            ("public", "restricted"),
            "public",
        ),
    ),
)
