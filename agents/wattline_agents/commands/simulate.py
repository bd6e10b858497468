"""`wattline simulate`: the agents of a whole simulated factory, live, in one process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.clock import Clock, SystemClock
from wattline_agents.command import Command
from wattline_agents.errors import UsageError

if TYPE_CHECKING:
    from wattline_agents.config import AgentConfig
    from wattline_agents.sources.simulated.schedule import Schedule

DESCRIPTION = """\
Plays the agents of a simulated factory: training jobs, inference services, idle and held devices,
a warm rack, a lost device and a silent node. Each node has an agent of its own that pushes over
HTTP as a real one does. The same seed and times give the same factory.

  wattline simulate --push http://127.0.0.1:8600 --token-file STORE/tokens/write
  wattline simulate --push http://127.0.0.1:8600 --nodes 64 --devices 4 --seed 3
"""

_LOOK_SECONDS = 0.1
_SILENT_WAIT_SECONDS = 5.0
_SPOOL_BYTES = 4 * 1024 * 1024


def configure(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--push", metavar="URL", required=True, help="the collector's address")
    parser.add_argument(
        "--token-file", metavar="FILE", type=Path,
        help="holds the token that lets agents write (WATTLINE_TOKEN_FILE)",
    )  # fmt: skip
    parser.add_argument("--nodes", type=int, default=32, help="how many nodes (32)")
    parser.add_argument("--devices", type=int, default=8, help="devices a node (8)")
    parser.add_argument("--seed", type=int, default=7, help="chooses one factory of many (7)")
    parser.add_argument("--system", default="sim", help="its name (sim)")
    parser.add_argument(
        "--period", metavar="SECONDS", type=float, default=2.0, help="time between readings (2)"
    )
    parser.add_argument(
        "--push-every", metavar="SECONDS", type=float, default=5.0,
        help="how much time one batch holds (5)",
    )  # fmt: skip
    parser.add_argument(
        "--present", metavar="TIME",
        help="when its history ends and its live data begins, ISO 8601 (now)",
    )  # fmt: skip
    parser.add_argument(
        "--history-days", metavar="DAYS", type=float, default=0.0,
        help="how much history was written before the present (0)",
    )  # fmt: skip


def run(arguments: Namespace) -> int:
    """Play until told to stop."""
    from wattline_agents.config import AgentConfig
    from wattline_agents.sinks.transport import HttpTransport
    from wattline_agents.sources.simulated.schedule import plan
    from wattline_agents.sources.simulated.shape import DAY_MS, Shape

    clock = SystemClock()
    shape = Shape.living(
        nodes=arguments.nodes,
        devices=arguments.devices,
        seed=arguments.seed,
        present_ms=clock.unix_ms() if arguments.present is None else _time(arguments.present),
        history_ms=round(arguments.history_days * DAY_MS),
        system=arguments.system,
    )
    if not 0.1 <= arguments.period <= 60:
        raise UsageError(f"--period: not from 0.1 to 60 seconds: {arguments.period:g}")
    if not 0.1 <= arguments.push_every <= 300:
        raise UsageError(f"--push-every: not from 0.1 to 300 seconds: {arguments.push_every:g}")
    token_file = _token_file(arguments)
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
    schedule = plan(shape)
    stop = threading.Event()
    # A handler runs in the middle of anything, even of the event's own lock: it takes no lock.
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: told.append(number))
    threads = [
        threading.Thread(
            target=play,
            args=(schedule, node, config, arguments.push, token_file, stop),
            kwargs={
                "push_every_seconds": arguments.push_every,
                "clock": clock,
                # Spread over the period, so that the nodes do not all wake at once.
                "delay_seconds": arguments.period * node / shape.nodes,
            },
            name=config.node,
        )
        for node, config in enumerate(configs)
    ]
    for thread in threads:
        thread.start()
    print(
        f"simulate: {shape.nodes} nodes with {shape.devices} devices each, system "
        f"{shape.system}, seed {shape.seed}, to {arguments.push}",
        file=sys.stderr,
        flush=True,
    )
    while not told and clock.unix_ms() < shape.end_ms:
        clock.sleep(_LOOK_SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return 0


def play(
    schedule: Schedule,
    node: int,
    config: AgentConfig,
    url: str,
    token_file: Path | None,
    stop: threading.Event,
    *,
    push_every_seconds: float,
    clock: Clock,
    delay_seconds: float = 0.0,
) -> None:
    """Run one node's agent until told to stop; while the node is silent there is none."""
    from wattline_agents.agent import Agent
    from wattline_agents.sinks.push import Pusher, PushSink
    from wattline_agents.sinks.spool import MemorySpool
    from wattline_agents.sinks.transport import HttpTransport
    from wattline_agents.sources.simulated.node import FactoryNode

    def say(message: str) -> None:
        # Whoever listened may be gone; the readings go on until we are told to end.
        with suppress(BrokenPipeError):
            print(f"simulate: {config.node}: {message}", file=sys.stderr, flush=True)

    stop.wait(delay_seconds)
    last_words_said = False
    while not stop.is_set():
        source = FactoryNode(schedule, node, config.period_seconds)
        silence = schedule.silence(node, clock.unix_ms())
        if silence is not None and last_words_said:
            stop.wait(_SILENT_WAIT_SECONDS)
            continue
        last_words_said = True
        pusher = Pusher(
            config,
            HttpTransport(url, token_file),
            MemorySpool(_SPOOL_BYTES),
            every_seconds=push_every_seconds,
            clock=clock,
            say=say,
        )
        sink = PushSink(pusher, say)
        if silence is not None:
            # A collector that started since does not know of the node, and could not miss it.
            at_ms = silence.start_ms
            for table, rows in (source.read(at_ms) | source.describe(at_ms)).items():
                sink.accept(table, rows, round(config.period_seconds * 1000))
            sink.close()
            continue
        agent = Agent(config, [source], [sink], clock, stop, say)
        try:
            while not stop.is_set() and schedule.silence(node, clock.unix_ms()) is None:
                stop.wait(agent.step())
        finally:
            agent.close()


def _token_file(arguments: Namespace) -> Path | None:
    if arguments.token_file is not None:
        return Path(arguments.token_file)
    named = os.environ.get("WATTLINE_TOKEN_FILE")
    return Path(named) if named else None


def _time(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--present: not a time such as 2026-11-01T00:00:00Z: {text!r}") from error
    return round(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)


COMMAND = Command("simulate", "play the agents of a simulated factory", DESCRIPTION, configure, run)
