"""Several factories side by side, from the bundles they sent and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattline_reports.kinds import OWN, Kind, Of, Option

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report


def _build(asked: Asked) -> Report:
    from wattline_reports.network.whole import of

    return of(asked)


KIND = Kind(
    name="network",
    title="Network review",
    help="several factories side by side, from their bundles alone",
    description=(
        "Factories side by side, size-normalised, with the spread between them, what they did\n"
        "together, and how seasons of challenges went. Made of bundles (`wattline bundle`), each\n"
        "verified first with the public keys of --ring; one that does not hold is named and left\n"
        "out. Without --period it is of the period that most of them are of."
    ),
    build=_build,
    default=OWN,
    options=(
        Option("--ring", "the ring of public keys; default: keys.json", "FILE", (), "keys.json"),
        Option("--season", "a challenge's directory, or a season of them", "DIR"),
    ),
    of=Of("BUNDLE", "the bundles of 2 to 19 factories", least=2, most=19),
    needs_store=False,
)
