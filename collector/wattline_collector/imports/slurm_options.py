"""What the imports of accounting archives are told, and what they print."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from wattline_agents.clock import SystemClock
from wattline_collector.imports import summary
from wattline_collector.imports.format import Found, plain_name
from wattline_collector.imports.timed import run_name, zone_named

if TYPE_CHECKING:
    import polars as pl

    from wattline_collector.imports.slurm_archive import Archive, Source

_MOST_DAYS = 31
"""Days printed; `--json` has all."""

Progress = Callable[[str], None]


def add_arguments(parser: ArgumentParser) -> None:
    """Add what all of them are told."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE", help="may be gzip's")
    parser.add_argument(
        "--zone", type=zone_named, metavar="ZONE", default=UTC,
        help="time zone of times that name none, such as Europe/Berlin; UTC if not told",
    )  # fmt: skip
    parser.add_argument(
        "--system", type=plain_name, metavar="NAME",
        help="store them as jobs of this system, which may be a live one (recording-<file>)",
    )  # fmt: skip
    parser.add_argument(
        "--set-aside", type=Path, metavar="FILE", help="write records that cannot be used there"
    )
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")


def zone_name(zone: tzinfo) -> str:
    """A zone by its name."""
    return zone.key if isinstance(zone, ZoneInfo) else "UTC"


def archive(
    format: str, arguments: Namespace, sources: Sequence[Source], read_as: object,
    progress: Progress, notes: Sequence[str] = (),
) -> Found:  # fmt: skip
    """Make what is imported of the files.

    Args:
        format: The format's name.
        arguments: What was told.
        sources: The files, opened as far as it takes to know what they are.
        read_as: What else decides what rows come of them.
        progress: Is told how far it is.
        notes: What a person must know beside it.
    """
    from wattline_collector.imports.slurm_archive import (
        Archive,
        SetAside,
        digest,
        known_runs,
        opened_to_write,
    )

    system = arguments.system or f"recording-{run_name(arguments.paths[0])}"
    zone = zone_name(arguments.zone)
    found = Archive(
        system=system,
        source=digest(format, [one.path for one in sources], (zone, read_as), progress),
        sources=sources,
        zone=zone,
        now_ms=SystemClock().unix_ms(),
        known=known_runs(arguments.store, system),
        progress=progress,
        set_aside=SetAside(opened_to_write(arguments.set_aside)),
        notes=list(notes),
    )
    return Found(found, lambda store: told(format, found, store, arguments.json), found.notes)


def told(format: str, archive: Archive, store: Path, as_json: bool) -> str:
    """What was found, and what the store says its jobs used, by day."""
    from wattline_collector.jobs.daily import daily, total

    jobs = stored(store, archive)
    days, all_days = daily(jobs), total(jobs)
    found = archive.counts
    if as_json:
        return json.dumps(
            {
                "format": format, "system": archive.system,
                "files": [str(one.path) for one in archive.sources],
                "jobs": found.records, "never_started": found.never_started,
                "gpu_jobs": found.gpu_jobs, "states": dict(found.states.most_common()),
                "steps": found.steps, "steps_without_job": found.lone_steps,
                "node_states": found.node_states, "damaged": archive.set_aside.count,
                "total": all_days,
                "days": [{**day, "day": str(day["day"])} for day in days.iter_rows(named=True)],
            },
            indent=1,
        )  # fmt: skip
    states = ", ".join(f"{state} {count:,}" for state, count in found.states.most_common())
    rows = [
        ("jobs", f"{found.records:,}", states),
        ("", f"{found.never_started:,}", "never started"),
        ("", f"{found.gpu_jobs:,}", "with devices"),
    ]
    if found.steps > found.lone_steps:
        rows.append(("steps", f"{found.steps - found.lone_steps:,}", "folded into their jobs"))
    if found.node_states:
        rows.append(("node states", f"{found.node_states:,}", ""))
    for name, label in (("gpu_hours", "GPU hours"), ("cpu_hours", "CPU hours"),
                        ("node_hours", "node hours"), ("wall_hours", "hours run"),
                        ("wait_hours", "hours waited")):  # fmt: skip
        rows.append((label, _hours(all_days[name]), ""))
    head = f"{format} as system {archive.system}"
    return "\n".join([head, summary.table(rows), *_by_day(days)])


def stored(store: Path, archive: Archive) -> pl.DataFrame:
    """The jobs of the archive's time as the store has them, in the columns that are summed."""
    import polars as pl

    from wattline_agents.catalogue import ACCOUNTING
    from wattline_collector.jobs.condense import newest
    from wattline_collector.jobs.daily import NEEDED
    from wattline_collector.store.store import Store

    first, last = archive.counts.first_ms or 0, archive.counts.last_ms or 0
    columns = ("system", "time_unix_ms", *NEEDED)
    with Store.open(store, write=False) as opened:
        rows = opened.rows(ACCOUNTING.name, first, last + 1, columns)
    return newest(rows.filter(pl.col("system") == archive.system))


def _by_day(days: pl.DataFrame) -> list[str]:
    if days.is_empty():
        return []
    lines = [
        "",
        f"  {'UTC day':10} {'ended':>9} {'started':>9} {'running':>9} {'GPU h':>13} {'CPU h':>15} "
        f"{'node h':>13} {'waited h':>13}",
    ]
    for day in days.head(_MOST_DAYS).iter_rows(named=True):
        lines.append(
            f"  {day['day']!s:10} {day['jobs_ended']:>9,} {day['jobs_started']:>9,} "
            f"{day['jobs_running']:>9,} {_hours(day['gpu_hours']):>13} "
            f"{_hours(day['cpu_hours']):>15} {_hours(day['node_hours']):>13} "
            f"{_hours(day['wait_hours']):>13}"
        )
    if (more := days.height - _MOST_DAYS) > 0:
        lines.append(f"  and {more:,} days more; --json prints all")
    return lines


def _hours(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4f}"
