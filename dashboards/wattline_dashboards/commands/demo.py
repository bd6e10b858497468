"""`wattline demo`: a whole simulated factory and this machine, live, with a month of history."""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.command import Command
from wattline_agents.errors import UsageError

if TYPE_CHECKING:
    from wattline_collector.simulated.schedule import Schedule
    from wattline_dashboards.launch import Family

DESCRIPTION = """\
Shows Wattline without a GPU: writes the past of a simulated factory into a new store and books it,
then starts its agents, an agent for this machine, a collector and the dashboards, and says where
to click and what to look for. Ctrl-C ends all of it and removes the store.

examples:
  wattline demo
  wattline demo --days 3 --nodes 8 --store ./demo-store
"""

COLLECTOR_PORT = 8600
DASHBOARDS_PORT = 8050
DEMO_NODES = 32
DEMO_DEVICES = 8
DEMO_DAYS = 30
MOST_DAYS = 400


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--nodes", type=int, default=DEMO_NODES, help=f"nodes of the factory ({DEMO_NODES})"
    )
    parser.add_argument(
        "--devices", type=int, default=DEMO_DEVICES, help=f"devices a node ({DEMO_DEVICES})"
    )
    parser.add_argument(
        "--days", type=int, default=DEMO_DAYS, help=f"days of history ({DEMO_DAYS})"
    )
    parser.add_argument("--seed", type=int, default=7, help="chooses one factory of many (7)")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="keep the data in this new directory"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the data in the temporary directory"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")


def run(arguments: Namespace) -> int:
    """Write the past, start the present, say where to click, and wait."""
    from wattline_collector.memory import keep_pages

    keep_pages()
    from wattline_collector.simulated.schedule import plan
    from wattline_collector.simulated.shape import DAY_MS, Shape
    from wattline_dashboards.launch import Family, interruptible

    if not 1 <= arguments.days <= MOST_DAYS:
        raise UsageError(f"--days: not from 1 to {MOST_DAYS}: {arguments.days}")
    clock = SystemClock()
    shape = Shape.living(
        nodes=arguments.nodes,
        devices=arguments.devices,
        seed=arguments.seed,
        present_ms=clock.unix_ms(),
        history_ms=arguments.days * DAY_MS,
    )
    with interruptible(), _store(arguments) as store:
        try:
            schedule = plan(shape)
            write_past(schedule, store, clock)
            with Family() as family:
                page = start(family, schedule, store, arguments.days)
                print(said(schedule, store, page, clock.unix_ms()), flush=True)
                if not arguments.no_browser:
                    from wattline_dashboards.launch import open_browser

                    open_browser(page)
                del schedule
                family.watch()
        except KeyboardInterrupt:
            kept = arguments.keep or arguments.store is not None
            print(f"Ended. The store is in {store}" if kept else "Ended.", file=sys.stderr)
    return 0


@contextmanager
def _store(arguments: Namespace) -> Iterator[Path]:
    chosen: Path | None = arguments.store
    if chosen is not None:
        if chosen.exists() and not (chosen.is_dir() and not any(chosen.iterdir())):
            raise UsageError(
                f"--store: {chosen} is there already; the demo makes a store of its own, and "
                f"`wattline up --store {chosen}` shows one that is there"
            )
        yield chosen
    elif arguments.keep:
        yield Path(tempfile.mkdtemp(prefix="wattline-demo-"))
    else:
        with tempfile.TemporaryDirectory(prefix="wattline-demo-") as path:
            yield Path(path)


def write_past(schedule: Schedule, path: Path, clock: Clock) -> None:
    """Write the factory's history into a new store and book it; file its registers and profile."""
    from wattline_collector.history import write_and_book, write_history
    from wattline_collector.simulated import filed
    from wattline_collector.store.store import Store
    from wattline_dashboards.progress import Bar

    shape = schedule.shape
    days = round((shape.present_ms - shape.start_ms) / 86_400_000)
    bar = Bar(sys.stderr, clock)
    with Store.open(path, write=True) as store:
        bar.begin("Writing history", "days")

        def written(done: int, total: int) -> None:
            bar(done, total)
            if done == total:
                bar.finish(
                    f"{_days(days)} of {shape.nodes * shape.devices} devices, minute by minute"
                )
                bar.begin("Booking", "hours")

        rows, hours = write_and_book(store, schedule, written, bar)
        bar.finish(f"{rows:,} rows, {hours:,} hours")
        filed.file(path, schedule, datetime.fromtimestamp(clock.unix_ms() / 1000, UTC))
        # What passed meanwhile, so that live data follows without a hole.
        now_ms = clock.unix_ms() // 60_000 * 60_000
        if now_ms > shape.present_ms:
            write_history(store, schedule, shape.present_ms, now_ms)


def start(family: Family, schedule: Schedule, store: Path, days: int) -> str:
    """Start collector, dashboards and agents; returns the address of the pages."""
    from wattline_dashboards.launch import listen_at

    shape = schedule.shape
    collector = family.start(
        "collector", ["--store", str(store), "--listen", listen_at(COLLECTOR_PORT)]
    )
    url = family.address(collector)
    tokens = store / "tokens"
    dashboards = family.start(
        "dashboards",
        ["--collector", url, "--token-file", str(tokens / "read"),
         "--listen", listen_at(DASHBOARDS_PORT)],
    )  # fmt: skip
    factory = family.start(
        "simulate",
        ["--push", url, "--token-file", str(tokens / "write"),
         "--nodes", str(shape.nodes), "--devices", str(shape.devices), "--seed", str(shape.seed),
         "--present", _iso(shape.present_ms), "--history-days", str(days)],
    )  # fmt: skip
    here = family.start(
        "agent",
        ["--push", url, "--token-file", str(tokens / "write"), "--spool", str(store / "spool")],
        ready=r"\breading\b",
    )
    family.wait_ready(here)
    family.wait_ready(factory)
    return family.address(dashboards)


def said(schedule: Schedule, store: Path, page: str, now_ms: int) -> str:
    """What a newcomer is told: where to click, what to look for, what to ask."""
    shape = schedule.shape
    devices = shape.nodes * shape.devices
    days = round((shape.present_ms - shape.start_ms) / 86_400_000)
    # `./run` puts its programs on the path of what it starts, not of the person who started it.
    command = os.environ.get("WATTLINE_COMMAND", "wattline")
    return "\n".join(
        [
            "",
            f"A simulated factory: {shape.nodes} nodes, {devices} devices, {_days(days)} of "
            "history; and this machine, real",
            "",
            f"  Fleet       {page}/",
            "              what every device does now, and what the factory makes this second",
            f"  Production  {page}/production",
            "              what was made in a month, and where hours and joules went",
            "",
            "Look for (times in UTC)",
            *(f"  {line}" for line in sights(schedule, now_ms)),
            "",
            "Ask on the terminal",
            *(
                f"  {command} job {key} --store {store}    {what}"
                for key, what in contrasting_jobs(schedule, now_ms)
            ),
            f"  {command} kpi P01 P02 S10 --store {store}",
            f"  {command} report review --store {store}",
            f"  {command} audit --store {store}",
            "",
            "Ctrl-C ends it.",
        ]
    )


def sights(schedule: Schedule, now_ms: int) -> list[str]:
    """What is wrong in the factory, one line each: what can be seen now, then in its history."""
    from wattline_collector.simulated.faults import Fault

    shape = schedule.shape
    found: list[tuple[bool, int, str, str]] = []

    def add(start_ms: int, end_ms: int, what: str, how: str) -> None:
        if start_ms <= now_ms:
            live = end_ms > now_ms
            when = f"since {_clock(start_ms, now_ms)}" if live else _from_to(start_ms, end_ms)
            found.append((not live, start_ms, what, f"{how}, {when}"))

    for outage in schedule.faults.outages:
        node = shape.node_name(outage.node)
        if outage.fault is Fault.SILENT:
            add(outage.start_ms, outage.end_ms, node, "silent: unobserved, not idle")
        elif outage.device is not None:
            what = f"{node} device {outage.device % shape.devices}"
            add(outage.start_ms, outage.end_ms, what, "lost: does not answer")
    for spell in schedule.faults.spells:
        what = f"rack {shape.rack_name(spell.rack)}"
        add(spell.start_ms, spell.end_ms, what, "too warm: slowed by heat")
    for place in schedule.faults.reservations:
        if place.hangs_ms is not None:
            node = shape.node_name(place.node)
            add(place.hangs_ms, place.end_ms, node, "held: a job hangs and holds on")
    width = max((len(what) for _, _, what, _ in found), default=0)
    return [f"{what:<{width}}  {how}" for _, _, what, how in sorted(found)]


def contrasting_jobs(schedule: Schedule, now_ms: int) -> list[tuple[str, str]]:
    """Jobs whose pages differ most: one that hangs, one whose work was lost, one that serves.

    Returns:
        Key and what there is to see, of the newest of each kind that there is, one that runs
        before one that has ended.
    """
    started = sorted(
        (job for job in schedule.jobs if job.start_ms <= now_ms),
        key=lambda job: (job.end_ms <= now_ms, -job.start_ms),
    )
    hanging = (job for job in started if job.stages[-1].phase == "idle"
               and job.stages[-1].start_ms <= now_ms)  # fmt: skip
    lost = (job for job in started if job.kind == "training" and job.outcome == "failed"
            and job.end_ms <= now_ms)  # fmt: skip
    serving = (job for job in started if job.kind == "inference" and job.end_ms > now_ms)
    kinds = (
        (hanging, "it hangs, and holds on"),
        (lost, "it failed: lost work"),
        (serving, "it serves requests"),
    )
    return [(job.key, what) for jobs, what in kinds for job in (next(jobs, None),) if job]


def _days(days: int) -> str:
    return f"{days} day{'s' if days != 1 else ''}"


def _clock(at_ms: int, now_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    same_day = at_ms // 86_400_000 == now_ms // 86_400_000
    return f"{at:%H:%M}" if same_day else f"{at:%-d %b %H:%M}"


def _from_to(start_ms: int, end_ms: int) -> str:
    start = datetime.fromtimestamp(start_ms / 1000, UTC)
    end = datetime.fromtimestamp(end_ms / 1000, UTC)
    return f"{start:%-d %b %H:%M} to {end:%-d %b %H:%M}"


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


COMMAND = Command(
    "demo", "a simulated factory and this machine, live, with history", DESCRIPTION, configure, run
)
