"""The EuroHPC coordination review: what was made, where hours and energy went, what to trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattline_reports.kinds import Kind

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report


def _build(asked: Asked) -> Report:
    from wattline_reports.review.whole import of

    return of(asked)


KIND = Kind(
    name="review",
    title="EuroHPC coordination review",
    help="what the factory made, where its GPU-hours and energy went, how far to trust the figures",
    description=(
        "What the factory made, where its GPU-hours and its energy went, and how far the figures\n"
        "can be trusted. Says on its first page whether the books balance."
    ),
    build=_build,
)
