"""How long a month of 1,000 GPUs takes to book from raw telemetry, and every KPI to compute.

The month is a simulated factory's: 125 nodes of 8 GPUs, one row a minute, jobs, faults and all; it
is written into a store of its own first, which is not part of the time. Booking is what `wattline
import` and the collector do; computing is every KPI of the dictionary once, and the overview behind
the first page and the report. `--nodes 125 1000` shows how that grows up to 8,000 GPUs; a few days
tell what a month takes, as hours are booked one after another.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from wattline_collector.memory import keep_pages

keep_pages()  # as the commands do that book in bulk; before anything imports Polars

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.measure import Step, step, timed  # noqa: E402

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
MINUTES = 24 * 60


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=30, help="days of history (30)")
    parser.add_argument(
        "--nodes", type=int, nargs="+", default=[125], help="nodes of 8 GPUs; several: how it grows"
    )
    arguments = parser.parse_args()
    days = max(1, arguments.days)
    booked = {nodes * DEVICES: measured(nodes, days) for nodes in arguments.nodes}
    if len(booked) > 1:
        print("growth of booking")
        for devices, one in booked.items():
            a_day = one.cpu_seconds / days
            print(f"  {devices:>6,} GPUs {a_day:8.1f} CPU s a day"
                  f" {1e6 * a_day / devices / MINUTES:8.2f} CPU us a GPU and minute"
                  f" {one.bytes_at_most / 2**30:6.2f} GiB at most")  # fmt: skip


def measured(nodes: int, days: int) -> Step[int]:
    """What booking takes of a factory; prints all else that is done with it."""
    end_ms = NOVEMBER_2025_MS + days * DAY_MS
    shape = Shape(
        nodes=nodes, devices=DEVICES, seed=7,
        start_ms=NOVEMBER_2025_MS, present_ms=end_ms, end_ms=end_ms + DAY_MS,
    )  # fmt: skip
    print(f"book: {nodes * DEVICES:,} GPUs, {days} days, one row a minute")
    with tempfile.TemporaryDirectory(prefix="wattline-bench-") as folder:
        path = Path(folder) / "store"
        with Store.open(path, write=True) as store:
            rows = timed("writing the history (not counted)", lambda: history(store, shape, end_ms))
            booked = step("booking", lambda: book(store, until_ms=end_ms))
        view = timed("loading the books", lambda: load(path, None))
        figures = timed("computing every KPI", lambda: every_kpi(view))
        told = timed("computing the overview", lambda: overview(path))
    print(f"  {rows:,} rows, {booked.result:,} hours booked,"
          f" {figures} figures of {len(REGISTRY)} KPIs")  # fmt: skip
    if not told.figures:
        sys.exit("the overview is empty: the benchmark is at fault")
    return booked


def history(store: Store, shape: Shape, end_ms: int) -> int:
    return write_history(store, plan(shape), shape.start_ms, end_ms)


def every_kpi(view: View) -> int:
    return sum(len(evaluate(kpi, view)) for kpi in REGISTRY.values())


if __name__ == "__main__":
    main()
