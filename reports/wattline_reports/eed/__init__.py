"""The yearly return of a data centre under the energy efficiency directive, due on 15 May."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattline_reports.kinds import YEAR, Kind, Option

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report


def _build(asked: Asked) -> Report:
    from wattline_reports.eed.whole import of

    return of(asked)


KIND = Kind(
    name="eed",
    title="Data-centre energy return",
    help="the yearly return under Delegated Regulation (EU) 2024/1364, by 15 May",
    description=(
        "The return of a calendar year under Directive (EU) 2023/1791, Article 12, and Delegated\n"
        "Regulation (EU) 2024/1364: the fields of Annex I and II under their legal names, the\n"
        "indicators of Annex III, measurement points and devices, and the list of gaps. Below\n"
        "500 kW of installed IT power demand it says that there is no obligation."
    ),
    build=_build,
    periods=(YEAR,),
    default=YEAR,
    needs_entries=False,
    options=(
        Option(
            "--schema",
            "whose fields: eed-2024 as in force (default), eed-2026-draft as proposed",
            "SCHEMA",
            ("eed-2024", "eed-2026-draft"),
            "eed-2024",
        ),
    ),
)
