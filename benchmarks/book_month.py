"""How long a month of 1,000 GPUs takes to book from raw telemetry, and every KPI to compute.

The month is a simulated factory's: 125 nodes of 8 GPUs, one row a minute, jobs, faults and all; it
is written into a store of its own first, which is not part of the time. Booking is what `wattline
import` and the collector do; computing is every KPI of the dictionary once, and the overview behind
the first page and the report. `--nodes 1000` is a factory of 8,000 GPUs; a few days tell what a
month takes, as hours are booked one after another.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from wattline_collector.memory import keep_pages

keep_pages()  # as the commands do that book in bulk; before anything imports Polars

from wattline_collector.history import write_history  # noqa: E402
from wattline_collector.kpi.query import overview  # noqa: E402
from wattline_collector.kpi.registry import REGISTRY, evaluate  # noqa: E402
from wattline_collector.kpi.view import View, load  # noqa: E402
from wattline_collector.ledger.booking import book  # noqa: E402
from wattline_collector.simulated.schedule import plan  # noqa: E402
from wattline_collector.simulated.shape import DAY_MS, Shape  # noqa: E402
from wattline_collector.store.store import Store  # noqa: E402

NOVEMBER_2025_MS = 1_761_955_200_000
DEVICES = 8

T = TypeVar("T")


def timed(what: str, work: Callable[[], T]) -> T:
    """Do it, and print how long it took, its processor time, and the most memory so far."""
    began, used = time.perf_counter(), time.process_time()
    result = work()
    took, spent = time.perf_counter() - began, time.process_time() - used
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {what:<34} {took:7.1f} s {spent:8.1f} CPU s {most:6.2f} GiB at most", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=30, help="days of history (30)")
    parser.add_argument("--nodes", type=int, default=125, help="nodes of 8 GPUs (125)")
    arguments = parser.parse_args()
    days = max(1, arguments.days)

    end_ms = NOVEMBER_2025_MS + days * DAY_MS
    shape = Shape(
        nodes=arguments.nodes, devices=DEVICES, seed=7,
        start_ms=NOVEMBER_2025_MS, present_ms=end_ms, end_ms=end_ms + DAY_MS,
    )  # fmt: skip
    print(f"book: {arguments.nodes * DEVICES:,} GPUs, {days} days, one row a minute")
    with tempfile.TemporaryDirectory(prefix="wattline-bench-") as folder:
        path = Path(folder) / "store"
        with Store.open(path, write=True) as store:
            rows = timed("writing the history (not counted)", lambda: history(store, shape, end_ms))
            hours = timed("booking", lambda: book(store, until_ms=end_ms))
        view = timed("loading the books", lambda: load(path, None))
        figures = timed("computing every KPI", lambda: every_kpi(view))
        told = timed("computing the overview", lambda: overview(path))
    print(f"  {rows:,} rows, {hours:,} hours booked, {figures} figures of {len(REGISTRY)} KPIs")
    if not told.figures:
        sys.exit("the overview is empty: the benchmark is at fault")


def history(store: Store, shape: Shape, end_ms: int) -> int:
    return write_history(store, plan(shape), shape.start_ms, end_ms)


def every_kpi(view: View) -> int:
    return sum(len(evaluate(kpi, view)) for kpi in REGISTRY.values())


if __name__ == "__main__":
    main()
