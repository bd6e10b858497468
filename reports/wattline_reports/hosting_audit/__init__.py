"""The yearly access-time report under a hosting agreement, due on 31 January."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattline_reports.kinds import YEAR, Kind

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report


def _build(asked: Asked) -> Report:
    from wattline_reports.hosting_audit.whole import of

    return of(asked)


KIND = Kind(
    name="hosting-audit",
    title="Access-time report",
    help="access time granted and used in a year, for the Governing Board by 31 January",
    description=(
        "The access-time report of a calendar year under Council Regulation (EU) 2021/1173,\n"
        "Article 10(2)(k): granted and used, by access mode, Participating State and user\n"
        "category, the commercial share of the Union's total time, and the audit statement with\n"
        "restatements. With --as-of DATE it is as it was told then, beside what holds now."
    ),
    build=_build,
    periods=(YEAR,),
    default=YEAR,
    needs_entries=False,
)
