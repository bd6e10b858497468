"""One job, for its owner: what it used, what it made, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattline_reports.kinds import OWN, Kind, Of, Option

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report


def _build(asked: Asked) -> Report:
    from wattline_reports.job.whole import of

    return of(asked)


KIND = Kind(
    name="job",
    title="Job report",
    help="one job, for its owner: what it used and made, and what to change",
    description=(
        "What `wattline job` says of a job, as a document: whether it used what it was given, its\n"
        "devices over time, waste with the minutes it happened in, what it made, energy, and\n"
        "advice. People see their own jobs; root and the store's owner see all. Without --period\n"
        "it is of all of the job's time."
    ),
    build=_build,
    default=OWN,
    of=Of("JOB", "the job's id: 123, 123_4, 123+1, namespace/pod"),
    options=(Option("--system", "where the job ran, if several systems have the id", "NAME"),),
    needs_entries=False,
)
