"""MLPerf Training with power: an archive of the nodes' power, and the log of the run.

The archive holds `node_<i>.txt` for every node (`power_reading` in watts about every two seconds,
whole node), `sw_<i>.txt` (a constant estimate for the network switches) and, from some submitters,
`total_power.txt` (their own total). The log holds `run_start` and `run_stop`, which are the run.

What is in the recordings and must not mislead: `power_measurement_stop` may carry the time of the
start, and readings may begin a minute before the run and end a minute after, so only the run's
window counts; the switches' clock may be years off, so only their value is used.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from wattline_agents.errors import InputError
from wattline_agents.wire import Row
from wattline_collector.imports import files, lines, summary
from wattline_collector.imports.format import Format, Found, add_names, positive
from wattline_collector.imports.lines import Event, Refusals
from wattline_collector.imports.recording import (
    LEAST_MS,
    MOST_MS,
    MOST_WATTS,
    Job,
    Node,
    Recording,
    name_of,
)
from wattline_collector.imports.summary import Booked

MARGIN_MS = 3_600_000
"""Readings this long before and after the run are kept; a clock that is off by more is wrong."""

COUNTS_TOKENS = ("gpt3",)
"""Benchmarks whose log counts tokens where the others count samples."""

_STATES = {"success": "completed", "aborted": "failed"}
_NODE = re.compile(r"(?:.*/)?node_(\d{1,6})\.txt\Z", re.DOTALL)
_SWITCH = re.compile(r"(?:.*/)?sw_\d{1,6}\.txt\Z", re.DOTALL)
_TOTAL = re.compile(r"(?:.*/)?total_power\.txt\Z", re.DOTALL)
_TOTAL_KWH = re.compile(r"Total Power Usage:\s*([0-9.]{1,20})\s*kWh")
_SYSTEM = re.compile(rb":::SYSJSON (\{.*)", re.DOTALL)

Progress = Callable[[str], None]


@dataclass(slots=True)
class _Log:
    """What the log of a run says."""

    starts: list[Event] = field(default_factory=list)
    stops: list[Event] = field(default_factory=list)
    benchmark: str | None = None
    batch: int | None = None
    sequence_length: int | None = None
    base: int | None = None  # the count at the start of the run
    made: dict[int, int] = field(default_factory=dict)  # Unix ms -> samples (or tokens) so far
    throughput: float | None = None
    devices: int | None = None
    model: str | None = None

    @property
    def start_ms(self) -> int:
        return int(min(event.time_ms for event in self.starts))

    @property
    def stop_ms(self) -> int:
        return int(max(event.time_ms for event in self.stops))


@dataclass(slots=True)
class _Power:
    """What the archive says."""

    nodes: list[Node] = field(default_factory=list)
    switch_watts: float | None = None
    total_kwh: float | None = None
    efficiencies: set[float] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def read(arguments: Namespace, progress: Progress) -> Found:
    """Read an archive and its log."""
    refusals = Refusals()
    progress(f"reading {arguments.log.name}")
    log = _read_log(arguments.log, refusals)
    power = _read_power(arguments.power, log, refusals, progress)
    refusals.check()

    name = arguments.name or name_of(arguments.power.name)
    devices = arguments.devices or log.devices
    notes = [*power.notes, *refusals.notes()]
    if devices is None:
        devices = 8
        notes.append("the log does not say how many devices a node has: 8 taken (--devices N)")
    recording = Recording(
        format=FORMAT.name,
        system=arguments.system or f"recording-{name}",
        nodes=tuple(power.nodes),
        job=_job(name, log, arguments.tokens_per_sample),
        devices_per_node=devices,
        model=log.model,
    )

    def text(store: Path) -> str:
        return _summary(recording, log, power, summary.booked(store, recording))

    return Found(recording, text, notes)


# -- the log of the run


def _read_log(path: Path, refusals: Refusals) -> _Log:
    log = _Log()
    with files.opened(path) as stream:
        for number, line in files.lines(stream):
            if line is None:
                refusals.add(InputError("is too long", path=path, line=number))
            elif match := _SYSTEM.match(line):
                _take_system(log, match[1])
            elif event := lines.event(line, path, number, refusals):
                try:
                    _take(log, event)
                except InputError as error:
                    refusals.withdraw(error)
    if not refusals.good:
        refusals.check()
        raise InputError("holds no line `:::MLLOG {...}`; is it the log of the run?", path=path)
    for key, found in (("run_start", log.starts), ("run_stop", log.stops)):
        if not found:
            raise InputError("not in the log: the run has no window", path=path, field=key)
    if log.stop_ms <= log.start_ms:
        raise InputError(
            "is not after run_start", path=path, line=log.stops[-1].line, field="run_stop"
        )
    first_stop = min(event.time_ms for event in log.stops)
    for event in log.starts:
        if event.time_ms > first_stop:
            event.refuse("a second run begins in this log; give one run at a time", "time_ms")
    return log


def _take(log: _Log, event: Event) -> None:
    match event.key:
        case "run_start":
            log.starts.append(_timed(event))
        case "run_stop":
            log.stops.append(_timed(event))
        case "submission_benchmark" if isinstance(event.value, str):
            log.benchmark = files.shown(event.value)
        case "global_batch_size":
            log.batch = event.count() or None
        case "max_sequence_length":
            log.sequence_length = event.count() or None
        case "tracked_stats" if isinstance(event.value, dict):
            rate = event.value.get("throughput")
            if isinstance(rate, int | float) and 0 < rate < 1e15:
                log.throughput = float(rate)
    if log.benchmark in COUNTS_TOKENS:
        count = event.count("step") if event.key == "tracked_stats" else None
        begun = event.count("first_epoch_num")
    else:
        count = begun = event.count("samples_count")
    if event.key == "block_start" and log.base is None:
        log.base = begun
    _take_count(log, event, count)


def _take_count(log: _Log, event: Event, count: int | None) -> None:
    if count is not None:
        time = int(_timed(event).time_ms)
        log.made[time] = max(count, log.made.get(time, 0))


def _timed(event: Event) -> Event:
    if not LEAST_MS <= event.time_ms <= MOST_MS:
        event.refuse(f"{event.time_ms} is not a time of day in Unix milliseconds", "time_ms")
    return event


def _take_system(log: _Log, text: bytes) -> None:
    """What the submitter says of the machine; absent or broken, nothing is known of it."""
    try:
        system = json.loads(text.decode("utf-8", errors="replace"))
        devices = int(system["accelerators_per_node"])
        model = system["accelerator_model_name"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if 1 <= devices <= 64 and isinstance(model, str):
        log.devices = devices
        log.model = files.shown(model)


def _job(name: str, log: _Log, tokens_per_sample: int | None) -> Job:
    return Job(
        key=name,
        name=log.benchmark or name,
        kind="training",
        state=_STATES.get(str(log.stops[-1].metadata.get("status")), "completed"),
        start_ms=log.start_ms,
        end_ms=log.stop_ms,
        counters=tuple(_counters(log, tokens_per_sample)),
    )


def _counters(log: _Log, tokens_per_sample: int | None) -> list[Row]:
    """What was made by when, as counters that begin at zero and never run backwards.

    A step repeated after a restart adds nothing: the log counts from the start of training, and
    the highest count so far stands.
    """
    rows = [_counter(log, log.start_ms, 0, tokens_per_sample)]
    base = log.base or 0
    most = 0
    for time, count in sorted(log.made.items()):
        if log.start_ms < time <= log.stop_ms and count - base > most:
            most = count - base
            rows.append(_counter(log, time, most, tokens_per_sample))
    if log.made and rows[-1]["time_unix_ms"] != log.stop_ms:
        rows.append(_counter(log, log.stop_ms, most, tokens_per_sample))
    return rows


def _counter(log: _Log, time_ms: int, count: int, tokens_per_sample: int | None) -> Row:
    length, batch = log.sequence_length, log.batch
    tokens: int | None
    samples: int | None
    if log.benchmark in COUNTS_TOKENS:
        tokens, samples = count, count // length if length and count % length == 0 else None
    else:
        tokens, samples = count * tokens_per_sample if tokens_per_sample else None, count
    whole = batch and samples is not None and samples % batch == 0
    return {
        "time_unix_ms": time_ms,
        "tokens_trained_total": tokens,
        "samples_total": samples,
        "steps_total": samples // batch if whole and batch and samples is not None else None,
    }


# -- the archive of power readings


def _read_power(path: Path, log: _Log, refusals: Refusals, progress: Progress) -> _Power:
    power = _Power()
    seen: dict[str, str] = {}
    low, high = log.start_ms - MARGIN_MS, log.stop_ms + MARGIN_MS
    outside = others = 0
    for member, stream in files.members(path):
        place = Path(f"{path}:{files.shown(member)}")
        if match := _NODE.match(member):
            name = f"node_{int(match[1])}"
            if name in seen:
                raise InputError(
                    f"{name} is in it twice ({files.shown(seen[name])} and "
                    f"{files.shown(member)}): an archive holds one run",
                    path=path,
                )
            seen[name] = member
            progress(f"reading {name}")
            readings, far = _read_node(stream, place, low, high, power, refusals)
            outside += far
            if len(readings) < 2:
                power.notes.append(
                    f"{name}: fewer than two readings within an hour of the run: left out"
                )
                continue
            power.nodes.append(Node.of(name, readings))
        elif _SWITCH.match(member):
            for event in lines.events(stream, place, refusals):
                if event.key == "interconnect_power_est":
                    power.switch_watts = (power.switch_watts or 0) + event.number(0, MOST_WATTS)
        elif _TOTAL.match(member):
            total = _TOTAL_KWH.search(stream.read(4096).decode("utf-8", errors="replace"))
            power.total_kwh = lines.finite(total[1]) if total else None
        else:
            others += 1
    refusals.check()
    if not seen:
        raise InputError("holds no file node_<i>.txt with power readings", path=path)
    if not power.nodes:
        raise InputError(
            "holds no power reading within an hour of the run, "
            f"{summary.clock(log.start_ms)} to {summary.clock(log.stop_ms)} UTC: "
            "are archive and log of the same run?",
            path=path,
        )
    power.nodes.sort(key=lambda node: int(node.name.removeprefix("node_")))
    if outside:
        power.notes.append(f"{outside} readings more than an hour from the run left out")
    if others:
        power.notes.append(f"{others} other files in the archive passed over")
    for share in sorted(power.efficiencies):
        power.notes.append(
            f"conversion_eff {share:g}: MLPerf multiplies energy by it; "
            "here stands what the meters read"
        )
    return power


def _read_node(
    stream: IO[bytes], place: Path, low: int, high: int, power: _Power, refusals: Refusals
) -> tuple[list[tuple[int, float]], int]:
    readings: list[tuple[int, float]] = []
    outside = 0
    for event in lines.events(stream, place, refusals, strict=True):
        try:
            if event.key == "power_reading":
                watts = event.number(0, MOST_WATTS)
                if low <= event.time_ms <= high:
                    readings.append((int(event.time_ms), watts))
                else:
                    outside += 1
            elif event.key == "conversion_eff":
                power.efficiencies.add(event.number(0, 1))
        except InputError as error:
            refusals.withdraw(error)
    return readings, outside


# -- what is printed


def _summary(recording: Recording, log: _Log, power: _Power, booked: Booked) -> str:
    job = recording.job
    joules = recording.joules
    rows = [
        ("run", f"{job.seconds:,.2f} s", f"{summary.clock(job.start_ms)} UTC, {job.state}"),
        (
            "energy",
            summary.kwh(joules),
            f"{recording.readings:,} readings, cut at the edges of the run",
        ),
    ]
    rows += summary.booked_energy(booked, joules)
    if power.total_kwh:
        theirs = power.total_kwh * summary.JOULES_PER_KWH
        remark = f"published in the archive; ours {summary.apart(joules, theirs)}"
        rows.append(("", summary.kwh(theirs), remark))
    if power.switch_watts is not None:
        rows.append(
            (
                "switches",
                summary.kwh(power.switch_watts * job.seconds),
                f"{power.switch_watts:,.0f} W estimated, not added",
            )
        )
    last = job.counters[-1]
    unit = "samples" if last["tokens_trained_total"] is None else "tokens"
    made = last["samples_total" if unit == "samples" else "tokens_trained_total"]
    if log.made and isinstance(made, int):
        short = "tok" if unit == "tokens" else "sample"
        rows.append((f"{unit} trained", f"{made:,}", ""))
        if unit == "tokens" and booked.tokens is not None:
            rows.append(("", f"{booked.tokens:,}", "booked"))
        rate = made / job.seconds
        logged = ""
        if log.throughput and (unit == "samples" or log.benchmark in COUNTS_TOKENS):
            logged = f"the log's last figure: {log.throughput:,.6g}"
        rows.append(("throughput", f"{rate:,.6g} {short}/s", logged))
        if joules:
            rate_text = f"{made / joules:.4g} {short}/J"
            rows.append(("per joule", rate_text, "node energy, switches apart"))
        if unit == "samples":
            rows.append(("tokens", "not known", "--tokens-per-sample N, if you know it"))
    model = f" {recording.model}" if recording.model else " devices"
    nodes = "1 node" if len(recording.nodes) == 1 else f"{len(recording.nodes)} nodes"
    head = (
        f"{job.name}: {nodes} x {recording.devices_per_node}{model}\n"
        f"stored as system {recording.system}, job {job.key}"
    )
    return f"{head}\n{summary.table(rows)}"


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "power", type=Path, metavar="POWER.tar.gz", help="archive with node_<i>.txt files"
    )
    parser.add_argument(
        "--log", type=Path, required=True, metavar="MLLOG.txt", help="log of the run; may be .gz"
    )
    parser.add_argument(
        "--tokens-per-sample", type=positive, metavar="N",
        help="tokens in a sample, for benchmarks that count samples; without it their tokens "
        "stay unknown",
    )  # fmt: skip
    add_names(parser)


FORMAT = Format(
    name="mlperf-training",
    help="MLPerf Training with power: an archive of node power and the log of the run",
    description=(
        "Imports one run of MLPerf Training with power: the nodes' power readings, the run's\n"
        "window and what it trained. Energy counts inside the run only; the network switches'\n"
        "estimate is mentioned, not added.\n\n"
        "example:\n"
        "  wattline import mlperf-training gpt3.power.tar.gz --log gpt3.mllog.txt.gz --store store"
    ),
    configure=_configure,
    read=read,
)
