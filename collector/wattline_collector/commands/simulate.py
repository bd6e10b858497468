"""`wattline simulate`: the agents of a whole simulated factory, live, in one process."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.command import Command
from wattline_agents.errors import UsageError

if TYPE_CHECKING:
    from wattline_collector.simulated.schedule import Schedule

DESCRIPTION = """\
Plays the agents of a simulated factory: training jobs, inference services, idle and held devices,
a warm rack, a lost device and a silent node. Each node has an agent of its own that pushes over
HTTP as a real one does. The same seed and times give the same factory.

  wattline simulate --push http://127.0.0.1:8600 --token-file STORE/tokens/write
  wattline simulate --push http://127.0.0.1:8600 --profile lumi-g --nodes 64 --seed 3
  wattline simulate --push http://127.0.0.1:8600 --nodes 250 \\
      --fault lost:node=3,device=1,at=+2m,for=10m --fault xid:node=7,code=79 --faults-a-day 20
  wattline simulate --profiles
  wattline simulate --year year-store --nodes 128 --seed 3

A profile has its generation's limits: no activity of the chip's parts on A100, power of the whole
module on GH200, and on MI250X one meter for two dies, which the even die reports.
"""

_EPILOG = """\
faults (--fault KIND:KEY=VALUE,...; nodes, devices and racks count from 0):
  lost:node=N,device=D,at=WHEN,for=LONG      a device falls off the bus and comes back
  silent:node=N,at=WHEN,for=LONG             a node's agent sends nothing
  hot:rack=R,at=WHEN,for=LONG,share=0.6      a rack is too warm, its devices are slowed
  frozen:node=N,device=D,at=WHEN,for=LONG    a power sensor stands still
  reset:node=N,device=D,at=WHEN              a device's counters begin again
  xid:node=N,device=D,at=WHEN,code=79        the driver reports an error
WHEN is +2m from the start, or a time; LONG is 30s, 10m, 2h or 1d.
"""


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = _EPILOG
    what = parser.add_argument_group("the factory")
    what.add_argument(
        "--profile", metavar="NAME", default="h200",
        help="what its nodes are (h200); --profiles lists them",
    )  # fmt: skip
    what.add_argument("--profiles", action="store_true", help="list the profiles and end")
    what.add_argument("--nodes", type=int, default=32, help="how many nodes (32)")
    what.add_argument("--devices", type=int, help="devices a node (as many as the profile has)")
    what.add_argument("--seed", type=int, default=7, help="chooses one factory of many (7)")
    what.add_argument("--system", default="sim", help="its name (sim)")
    wrong = parser.add_argument_group("what goes wrong, beside what does in every factory")
    wrong.add_argument(
        "--fault", metavar="KIND:KEY=VALUE,...", action="append", default=[],
        help="one fault; may be repeated, see below",
    )  # fmt: skip
    wrong.add_argument(
        "--faults-a-day", metavar="N", type=float, default=0.0,
        help="so many more a day, drawn from the seed (0)",
    )  # fmt: skip
    year = parser.add_argument_group(
        "a planted year, written and booked at once instead of played live"
    )
    year.add_argument(
        "--year", metavar="STORE", type=Path,
        help="into this new store, with registers, profile and what every figure must be in"
        " truth.json",
    )  # fmt: skip
    year.add_argument("--days", type=int, default=365, help="how long it is (365)")
    year.add_argument(
        "--since", metavar="DAY", default="2025-01-01", help="its first day (2025-01-01)"
    )
    year.add_argument(
        "--every", metavar="MINUTES", type=int, default=10,
        help="time between two samples: 1, 2, 5 or 10 (10)",
    )  # fmt: skip
    year.add_argument(
        "--without-holes", action="store_true", help="the same year, and all of it seen"
    )
    how = parser.add_argument_group("how it is told")
    how.add_argument("--push", metavar="URL", help="the collector's address")
    how.add_argument(
        "--token-file", metavar="FILE", type=Path,
        help="holds the token that lets agents write (WATTLINE_TOKEN_FILE)",
    )  # fmt: skip
    how.add_argument(
        "--period", metavar="SECONDS", type=float, default=2.0, help="time between readings (2)"
    )
    how.add_argument(
        "--push-every", metavar="SECONDS", type=float, default=5.0,
        help="how much time one batch holds (5)",
    )  # fmt: skip
    how.add_argument(
        "--present", metavar="TIME",
        help="when its history ends and its live data begins, ISO 8601 (now)",
    )  # fmt: skip
    how.add_argument(
        "--history-days", metavar="DAYS", type=float, default=0.0,
        help="how much history was written before the present (0)",
    )  # fmt: skip


def run(arguments: Namespace) -> int:
    """Play until told to stop."""
    if arguments.profiles:
        print(_profiles())
        return 0
    if arguments.year is not None:
        return _write_year(arguments)
    if arguments.push is None:
        raise UsageError(
            "nowhere to send readings: give --push URL (or --year STORE, or --profiles to look)"
        )
    if not 0.1 <= arguments.period <= 60:
        raise UsageError(f"--period: not from 0.1 to 60 seconds: {arguments.period:g}")
    if not 0.1 <= arguments.push_every <= 300:
        raise UsageError(f"--push-every: not from 0.1 to 300 seconds: {arguments.push_every:g}")
    clock = SystemClock()
    schedule = _schedule(arguments, clock)
    _play(arguments, schedule, clock)
    return 0


def _profiles() -> str:
    from wattline_agents.sources.simulated.profile import PROFILES

    width = max(map(len, PROFILES))
    return "\n".join(f"{name:<{width}}  {profile.help}" for name, profile in PROFILES.items())


def _write_year(arguments: Namespace) -> int:
    from wattline_agents.sources.simulated.profile import profile_named
    from wattline_collector.ledger.booking import book
    from wattline_collector.simulated.shape import MINUTE_MS
    from wattline_collector.simulated.year.extent import Extent
    from wattline_collector.simulated.year.plan import plan
    from wattline_collector.simulated.year.write import TRUTH, write_year
    from wattline_collector.store.store import Store

    path: Path = arguments.year
    if arguments.push is not None:
        raise UsageError("--year writes a store and --push plays live: give one of them")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UsageError(f"--year: {path} is there already; name a new directory")
    profile = profile_named(arguments.profile)
    now = datetime.now(UTC)
    extent = Extent(
        nodes=arguments.nodes,
        devices=profile.devices if arguments.devices is None else arguments.devices,
        seed=arguments.seed,
        start_ms=_time(arguments.since, "--since"),
        days=arguments.days,
        period_ms=arguments.every * MINUTE_MS,
        system=arguments.system,
        holes=not arguments.without_holes,
        profile=profile,
    )
    if extent.end_ms > now.timestamp() * 1000:
        raise UsageError("--since: a planted year lies in the past, and this one is not over")

    def say(what: str, done: int, total: int) -> None:
        if done == total or done % 50 == 0:
            print(f"simulate: {done:,} of {total:,} {what}", file=sys.stderr, flush=True)

    with Store.open(path, write=True) as store:
        _, rows = write_year(store, plan(extent), now, lambda *days: say("days written", *days))
        hours = book(
            store, until_ms=extent.end_ms, progress=lambda *hours: say("hours booked", *hours)
        )
    print(f"{rows:,} rows and {hours:,} booked hours in {path}")
    print(f"what its figures must be: {path / TRUTH}")
    return 0


def _schedule(arguments: Namespace, clock: Clock) -> Schedule:
    from wattline_agents.sources.simulated.profile import profile_named
    from wattline_collector.simulated import told
    from wattline_collector.simulated.schedule import plan
    from wattline_collector.simulated.shape import DAY_MS, Shape

    if not 0 <= arguments.faults_a_day <= told.MOST_A_DAY:
        raise UsageError(
            f"--faults-a-day: not from 0 to {told.MOST_A_DAY:g}: {arguments.faults_a_day:g}"
        )
    profile = profile_named(arguments.profile)
    present = arguments.present
    start_ms = clock.unix_ms() if present is None else _time(present, "--present")
    shape = Shape.living(
        nodes=arguments.nodes,
        devices=profile.devices if arguments.devices is None else arguments.devices,
        seed=arguments.seed,
        present_ms=start_ms,
        history_ms=round(arguments.history_days * DAY_MS),
        system=arguments.system,
        profile=profile,
    )
    faults = [told.fault_told(text, shape, start_ms) for text in arguments.fault]
    told.checked(faults, shape)
    return plan(shape, [*faults, *told.drawn(shape, arguments.faults_a_day, faults)])


def _play(arguments: Namespace, schedule: Schedule, clock: Clock) -> None:
    from wattline_agents.config import AgentConfig
    from wattline_agents.sinks.transport import HttpTransport
    from wattline_collector.simulated.crowd import Crowd

    shape, token_file = schedule.shape, _token_file(arguments)
    HttpTransport(arguments.push, token_file)  # to hear now, and not in a thread, that it is none
    configs = [
        AgentConfig(
            system=shape.system,
            node=shape.node_name(node),
            rack=shape.rack_name(shape.rack_of(node)),
            period_seconds=arguments.period,
        )
        for node in range(shape.nodes)
    ]
    # A handler runs in the middle of anything, even of a lock's own code: it takes no lock.
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: told.append(number))

    def say(message: str) -> None:
        # Whoever listened may be gone; the readings go on until we are told to end.
        with suppress(BrokenPipeError):
            print(f"simulate: {message}", file=sys.stderr, flush=True)

    say(
        f"{shape.nodes} nodes with {shape.devices} devices each, system {shape.system}, "
        f"profile {shape.profile.name}, seed {shape.seed}, to {arguments.push}"
    )
    Crowd(
        schedule,
        configs,
        lambda: HttpTransport(arguments.push, token_file),
        clock,
        say,
        arguments.push_every,
    ).run(lambda: bool(told) or clock.unix_ms() >= shape.end_ms)


def _token_file(arguments: Namespace) -> Path | None:
    if arguments.token_file is not None:
        return Path(arguments.token_file)
    named = os.environ.get("WATTLINE_TOKEN_FILE")
    return Path(named) if named else None


def _time(text: str, option: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option}: not a time such as 2026-11-01T00:00:00Z: {text!r}") from error
    return round(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)


COMMAND = Command("simulate", "play the agents of a simulated factory", DESCRIPTION, configure, run)
