"""A planted year of 1,024 devices: written, booked, every KPI computed and held against its truth.

The year is a simulated factory's in which outages, failures, restarts, a commercial project over
its limit, meters of a known PUE and holes in the data are planted; see docs/simulation.md. Prints
what every figure must be and what was found, with processor time and peak memory, and ends with
exit code 1 if one of them is not what it must be. Fewer days are a part of such a year.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from wattline_collector.memory import keep_pages

keep_pages()  # as the commands do that book in bulk; before anything imports Polars

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.measure import timed  # noqa: E402

from wattline_agents.errors import UsageError  # noqa: E402
from wattline_collector.kpi.registry import REGISTRY, evaluate  # noqa: E402
from wattline_collector.kpi.view import View, load  # noqa: E402
from wattline_collector.ledger.audit import audit  # noqa: E402
from wattline_collector.ledger.booking import book  # noqa: E402
from wattline_collector.simulated.year.check import (  # noqa: E402
    Compared,
    compare,
    expectations,
)
from wattline_collector.simulated.year.extent import TICK_MS, Extent  # noqa: E402
from wattline_collector.simulated.year.plan import plan  # noqa: E402
from wattline_collector.simulated.year.truth import Happened, happened  # noqa: E402
from wattline_collector.simulated.year.write import write_year  # noqa: E402
from wattline_collector.store.store import Store  # noqa: E402

YEAR_2025_MS = 1_735_689_600_000
SLOW_SECONDS = 0.5


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=128, help="how many nodes (128)")
    parser.add_argument("--devices", type=int, default=8, help="devices a node (8)")
    parser.add_argument("--days", type=int, default=365, help="days (365)")
    parser.add_argument("--seed", type=int, default=7, help="chooses one year of many (7)")
    parser.add_argument("--store", type=Path, help="keep it there; one that is there is read")
    parser.add_argument("--audit", action="store_true", help="audit every hour too")
    arguments = parser.parse_args()
    try:
        extent = Extent(
            arguments.nodes, arguments.devices, arguments.seed, YEAR_2025_MS, arguments.days
        )
    except UsageError as error:
        parser.error(str(error))
    print(
        f"year: {extent.nodes * extent.devices:,} GPUs, {extent.days} days, one sample every "
        f"{TICK_MS // 60_000} minutes"
    )
    where = (
        tempfile.TemporaryDirectory(prefix="wattline-year-")
        if arguments.store is None
        else nullcontext(arguments.store)
    )
    with where as folder:
        path = Path(folder) / "store" if arguments.store is None else Path(folder)
        found = made(path, extent)
        problems = timed("auditing", lambda: audit(path)) if arguments.audit else []
        if arguments.audit:
            print(f"  {len(problems)} hours or files do not balance", *problems[:5], sep="\n    ")
        view = timed("loading the year", lambda: load(path, None))
        timed("computing every KPI", lambda: all_figures(view))
        compared = timed(
            "holding them against the truth",
            lambda: list(compare(expectations(found), view, REGISTRY)),
        )
    table(compared)
    missed = [one for one in compared if not one.holds]
    print(f"{len(compared)} figures of {len({one.expected.id for one in compared})} KPIs,"
          f" {len(missed)} of them not what they must be, or without a truth")  # fmt: skip
    return 1 if missed or problems else 0


def made(path: Path, extent: Extent) -> Happened:
    """The year in a store, written and booked unless it is there."""
    planned = timed("planning", lambda: plan(extent))
    if path.exists():
        return timed("adding the plan up", lambda: happened(planned))
    with Store.open(path, write=True) as store:
        found, rows = timed(
            "writing telemetry and registers",
            lambda: write_year(store, planned, datetime.now(UTC)),
        )
        hours = timed("booking", lambda: book(store, until_ms=extent.end_ms))
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 2**30
    print(f"  {len(planned.jobs):,} jobs, {rows:,} rows, {hours:,} hours booked, {size:.1f} GiB")
    return found


def all_figures(view: View) -> None:
    """Compute every KPI once, and say which take long."""
    for id, kpi in REGISTRY.items():
        began = time.perf_counter()
        evaluate(kpi, view)
        took = time.perf_counter() - began
        if took >= SLOW_SECONDS:
            print(f"    {id:<8} {took:6.1f} s", flush=True)


def table(compared: list[Compared]) -> None:
    print(f"\n{'KPI':<8} {'of':<42} {'truth':>16} {'found':>16} {'tolerance':>12}")
    for one in compared:
        wanted = one.expected
        value = one.value
        of = ", ".join(wanted.dims.values()) + (" (numerator)" if wanted.side != "value" else "")
        truth, found = ("unknown" if v is None else f"{v:.8g}" for v in (wanted.value, value))
        print(f"{wanted.id:<8} {of:<42.42} {truth:>16} {found:>16}"
              f" {wanted.tolerance:>12.3g}  {'ok' if one.holds else 'MISS'}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
