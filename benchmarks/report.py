"""What a review of a month of 1,000 GPUs takes, and of a year: processor time and memory.

The store is a copy of one that exists, or a planted one that is made first, which is not part of
the time (`wattline simulate --year STORE --nodes 125 --devices 8 --days 31 --every 10`). Making a
report is everything from reading the books to the finished files, with the audit of every hour of
the period, as `wattline report` does it, in a process that has done nothing else; start of the
program included. Sums that the audit trail names are not added up again from their minutes; the
full audit, which adds up all of them, is measured beside it.

A month may take 10 s of processor time and 1 GiB, a year 30 s; what is longer than a month counts
as a year.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from wattline_collector.ledger.books import Books
from wattline_reports.period import parse_period

MONTH_SECONDS, YEAR_SECONDS, MOST_BYTES = 10.0, 30.0, 2**30
_MONTH_DAYS = 31
_SIMULATE = ("--nodes", "125", "--devices", "8", "--every", "10")


def main() -> int:
    """Measure each report; 1 if one took more than it may."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, help="a store that exists; it is only read")
    parser.add_argument("--days", type=int, default=31, help="days of a store that is made (31)")
    parser.add_argument("--period", help="of the store; all that it holds if not given")
    parser.add_argument("--kind", nargs="+", default=["review", "operations"], help="which kinds")
    parser.add_argument("--no-audit", action="store_true", help="leave the full audit out")
    parser.add_argument("--format", default="html,pdf", help="in which forms (html,pdf)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wattline-report-") as folder:
        store = arguments.store
        if store is None:
            store = Path(folder) / "store"
            wattline(["simulate", "--year", str(store), "--days", str(arguments.days), *_SIMULATE])
        period = ["--period", arguments.period] if arguments.period else []
        is_good = True
        days = days_of(store, arguments.period)
        is_month = days <= _MONTH_DAYS
        allowed = MONTH_SECONDS if is_month else YEAR_SECONDS
        print(f"{days:.0f} days")
        if not arguments.no_audit:
            audit, most = wattline(["audit", "--store", str(store)], (0, 1))
            print(f"{'full audit':<14} {audit:6.1f} CPU s {_gib(most)}", flush=True)
        for kind in arguments.kind:
            out = Path(folder) / kind
            seconds, most = wattline(
                ["report", kind, "--store", str(store), "--format", arguments.format,
                 "--out", str(out), *period]
            )  # fmt: skip
            fits = seconds <= allowed and (not is_month or most <= MOST_BYTES)
            is_good = is_good and fits
            print(
                f"{kind:<14} {seconds:6.1f} CPU s (at most {allowed:.0f}) {_gib(most)} "
                f"{'(at most 1)' if is_month else ''}{'' if fits else '  OVER'}",
                flush=True,
            )
    return 0 if is_good else 1


def days_of(store: Path, period: str | None) -> float:
    """How many days a report is of: of a period, or of all that a store holds."""
    if period is not None:
        asked = parse_period(period)
        return (asked.end - asked.start).total_seconds() / 86_400
    first_ms, last_ms = Books(store).span() or (0, 0)
    return (last_ms - first_ms) / 86_400_000


def wattline(words: list[str], may_end: tuple[int, ...] = (0,)) -> tuple[float, int]:
    """Run a command of its own.

    Args:
        words: Its words.
        may_end: How it may end.

    Returns:
        Its processor time in seconds, and its largest memory in bytes.
    """
    command = [str(Path(sys.executable).parent / "wattline"), *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode not in may_end:
        raise SystemExit(f"{' '.join(words[:2])} ended with {running.returncode}")
    return _cost(used)


def _gib(size: int) -> str:
    return f"{size / 2**30:6.2f} GiB"


def _cost(used: resource.struct_rusage) -> tuple[float, int]:
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


if __name__ == "__main__":
    raise SystemExit(main())
