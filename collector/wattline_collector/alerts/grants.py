"""Grants that hold, and how far they are used: held against their size and their time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from wattline_collector.alerts.book_days import MS_PER_DAY, Day
from wattline_collector.capability.burn_down import burn_down
from wattline_collector.kpi.grants import granted_hours
from wattline_collector.profile import law
from wattline_collector.profile.schema import FactoryProfile

MS_PER_HOUR = 3_600_000
PACE_DAYS = 28
"""The pace of a grant is that of its last four weeks."""
_DIGITS = 12

GRANTS = pl.Schema(
    {
        "system": pl.String(),
        "project": pl.String(),
        "start_ms": pl.Int64(),
        "end_ms": pl.Int64(),
        "granted_hours": pl.Float64(),
    }
)


def grants_of(projects: pl.DataFrame | None, now_ms: int) -> pl.DataFrame:
    """The grants that hold now, as `GRANTS`.

    A project with several accounts has a row for each; see `kpi.grants.granted_hours`.
    """
    if projects is None:
        return pl.DataFrame(schema=GRANTS)
    since, until = pl.col("valid_from_ms"), pl.col("valid_until_ms")
    return (
        projects.filter((since <= now_ms) & (now_ms < until) & (pl.col("gpu_hours_granted") > 0))
        .group_by("system", "project", since.alias("start_ms"), until.alias("end_ms"))
        .agg(granted_hours().alias("granted_hours"))
        .sort("system", "project", "start_ms")
        .select(GRANTS.names())
        .cast(GRANTS)
    )


def figures(
    days: Sequence[Day], grants: pl.DataFrame, profile: FactoryProfile | None, now_ms: int
) -> pl.DataFrame:
    """How far grants are used: `system` (empty: all), `project` and the columns of `series.GRANT`.

    Args:
        days: Days of the books, in order.
        grants: `grants_of`.
        profile: What the factory says of itself.
        now_ms: Up to when the days go.
    """
    used: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for day in days:
        by_project = (
            day.used.drop_nulls("project").group_by("system", "project").agg(pl.col("ms").sum())
        )
        for system, project, ms in by_project.sort("system", "project").iter_rows():
            used.setdefault((system, project), []).append((day.start_ms, ms / MS_PER_HOUR))
    first_ms = days[0].start_ms if days else now_ms
    least = law.burn_down_least(profile)
    rows = []
    for grant in grants.iter_rows(named=True):
        of = [
            one
            for (system, project), all_of in used.items()
            if project == grant["project"] and grant["system"] in (None, system)
            for one in all_of
        ]
        rows.append(_grant(grant, of, least, now_ms, is_whole=first_ms <= grant["start_ms"]))
    names = ("used_ratio", "elapsed_ratio", "behind", "left_seconds")
    schema = {"system": pl.String(), "project": pl.String(), **dict.fromkeys(names, pl.Float64())}
    # Of one project's grants that hold at once, the fullest is told of.
    return (
        pl.DataFrame(rows, schema=schema, orient="row")
        .sort("used_ratio", descending=True, nulls_last=True, maintain_order=True)
        .unique(["system", "project"], keep="first", maintain_order=True)
        .sort("system", "project")
    )


def _grant(
    grant: Mapping[str, object],
    use: Iterable[tuple[int, float]],
    least: float,
    now_ms: int,
    *,
    is_whole: bool,
) -> dict[str, object]:
    start_ms, end_ms = int(str(grant["start_ms"])), int(str(grant["end_ms"]))
    by_day: dict[int, float] = {}
    for day_ms, hours in use:
        if day_ms + MS_PER_DAY > start_ms:
            by_day[day_ms] = by_day.get(day_ms, 0.0) + hours
    found = burn_down(
        float(str(grant["granted_hours"])),
        list(_added_up(by_day, now_ms)),
        start_ms=start_ms,
        end_ms=end_ms,
        now_ms=now_ms,
        window_days=PACE_DAYS,
    )
    share = None if found.used_share is None else round(found.used_share, _DIGITS)
    # What was used before the books began is not known: of such a grant nobody says too little.
    behind = None
    if is_whole and share is not None:
        behind = float(found.elapsed_share >= 0.5 and share < least)
    ends = found.exhausted_ms
    left = None if ends is None or ends <= now_ms else (ends - now_ms) / 1000
    return {
        "system": grant["system"] or "",
        "project": grant["project"],
        "used_ratio": share,
        "elapsed_ratio": found.elapsed_share,
        "behind": behind,
        "left_seconds": left,
    }


def _added_up(by_day: Mapping[int, float], now_ms: int) -> Iterator[tuple[int, float]]:
    total = 0.0
    for day_ms in sorted(by_day):
        total += by_day[day_ms]
        yield min(day_ms + MS_PER_DAY, now_ms), total
