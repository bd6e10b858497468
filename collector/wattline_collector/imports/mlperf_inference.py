"""MLPerf Inference with power: the folder of one performance run.

It holds `spl.txt` (the power analyser's log: the whole node, once a second, UTC) and
`mlperf_log_detail.txt`, whose `power_begin` and `power_end` are the measured window. The log holds
idle time before and after, so a mean over the whole file is wrong.

The log gives a rate of tokens and no count. The count is derived: rate times the time the rate was
taken over, spread evenly over the window.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from wattline_agents.errors import InputError
from wattline_agents.wire import Row
from wattline_collector.imports import files, lines, summary
from wattline_collector.imports.format import Format, Found, add_names
from wattline_collector.imports.lines import Event, Refusals
from wattline_collector.imports.recording import MOST_WATTS, Job, Node, Recording, name_of
from wattline_collector.imports.summary import Booked

DETAIL = "mlperf_log_detail.txt"
POWER = "spl.txt"

RATES = (
    "result_tokens_per_second",
    "result_completed_tokens_per_second",
    "result_inferred_tokens_per_second",
    "result_inferred_completed_tokens_per_second",
)
"""Where a log may say how many tokens were generated per second; the first one found counts."""

STEP_MS = 10_000
"""How finely the derived count is spread; books are kept per minute."""

_TIME = "%m-%d-%Y %H:%M:%S.%f"
_MOST_RATE = 1e12

Progress = Callable[[str], None]


@dataclass(slots=True)
class _Detail:
    """What the log of the run says."""

    begin_ms: int | None = None
    end_ms: int | None = None
    scenario: str | None = None
    valid: bool | None = None
    rates: dict[str, float] = field(default_factory=dict)
    samples_per_second: float | None = None
    longest_ns: float | None = None

    @property
    def window(self) -> tuple[int, int]:
        assert self.begin_ms is not None and self.end_ms is not None
        return self.begin_ms, self.end_ms

    @property
    def rate(self) -> float | None:
        """Tokens per second as the submitter published them."""
        return next((self.rates[key] for key in RATES if key in self.rates), None)

    @property
    def seconds(self) -> float:
        """What the rates are taken over: in Offline the time of the longest query, which is all."""
        begin, end = self.window
        if self.scenario == "Offline" and self.longest_ns:
            return self.longest_ns / 1e9
        return (end - begin) / 1000


def read(arguments: Namespace, progress: Progress) -> Found:
    """Read the folder of a run."""
    folder: Path = arguments.folder
    if not folder.is_dir():
        raise InputError(
            f"is a file; give the folder that holds {POWER} and {DETAIL}"
            if folder.exists()
            else "no such folder",
            path=folder,
        )
    refusals = Refusals()
    detail_path, power_path = _in(folder, DETAIL), _in(folder, POWER)
    progress(f"reading {detail_path.name}")
    detail = _read_detail(detail_path, refusals)
    progress(f"reading {power_path.name}")
    node = _read_power(power_path, detail, refusals)
    refusals.check()

    name = arguments.name or name_of(folder.resolve().name)
    notes = refusals.notes()
    if not arguments.devices:
        notes.append("the recording does not say how many devices the node has: 8 (--devices N)")
    if detail.valid is False:
        notes.append("MLPerf calls the result of this run INVALID")
    recording = Recording(
        format=FORMAT.name,
        system=arguments.system or f"recording-{name}",
        nodes=(node,),
        job=_job(name, detail),
        devices_per_node=arguments.devices or 8,
        model=arguments.model,
    )

    def text(store: Path) -> str:
        return _summary(recording, detail, summary.booked(store, recording))

    return Found(recording, text, notes)


def official_watts(node: Node, start_ms: int, end_ms: int) -> float:
    """MLPerf's mean power: the plain mean of the readings strictly inside the window, in watts."""
    inside = [
        watts
        for time, watts in zip(node.times_ms, node.watts, strict=True)
        if start_ms < time < end_ms
    ]
    return sum(inside) / len(inside)


def _in(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise InputError(f"holds no {name} or {name}.gz", path=folder)


# -- the log of the run


def _read_detail(path: Path, refusals: Refusals) -> _Detail:
    detail = _Detail()
    with files.opened(path) as stream:
        for event in lines.events(stream, path, refusals):
            try:
                _take(detail, event)
            except InputError as error:
                refusals.withdraw(error)
    if not refusals.good:
        refusals.check()
        raise InputError("holds no line `:::MLLOG {...}`", path=path)
    for key, found in (("power_begin", detail.begin_ms), ("power_end", detail.end_ms)):
        if found is None:
            refusals.check()
            raise InputError("not in the log: no power was measured", path=path, field=key)
    begin, end = detail.window
    if end <= begin:
        raise InputError("is not after power_begin", path=path, field="power_end")
    return detail


def _take(detail: _Detail, event: Event) -> None:
    match event.key:
        case "power_begin":
            detail.begin_ms = _moment(event)
        case "power_end":
            detail.end_ms = _moment(event)
        case "effective_scenario" if isinstance(event.value, str):
            detail.scenario = event.value
        case "result_validity":
            detail.valid = event.value == "VALID"
        case "result_samples_per_second":
            detail.samples_per_second = event.number(0, _MOST_RATE)
        case "result_max_latency_ns":
            detail.longest_ns = event.number(0, 1e18)
        case key if key in RATES:
            detail.rates[key] = event.number(0, _MOST_RATE)


def _moment(event: Event) -> int:
    time = _unix_ms(event.value) if isinstance(event.value, str) else None
    if time is None:
        event.refuse(f"{files.shown(repr(event.value))} is not MM-DD-YYYY HH:MM:SS.mmm")
    return time


def _unix_ms(text: str) -> int | None:
    try:
        moment = datetime.strptime(text.strip(), _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    # Whole milliseconds, added up as integers: a float of seconds is off by one now and then.
    return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000


def _job(name: str, detail: _Detail) -> Job:
    begin, end = detail.window
    tokens = None if detail.rate is None else detail.rate * detail.seconds
    answered = (
        None if detail.samples_per_second is None else detail.samples_per_second * detail.seconds
    )

    def counters(time_ms: int) -> Row:
        share = (time_ms - begin) / (end - begin)
        return {
            "time_unix_ms": time_ms,
            "tokens_generated_total": None if tokens is None else round(tokens * share),
            "requests_total": None if answered is None else round(answered * share),
        }

    times = [*range(begin, end, STEP_MS), end]
    return Job(
        key=name,
        name=name,
        kind="inference",
        state="completed",
        start_ms=begin,
        end_ms=end,
        counters=tuple(counters(time) for time in times),
    )


# -- the analyser's log


def _read_power(path: Path, detail: _Detail, refusals: Refusals) -> Node:
    readings: list[tuple[int, float]] = []
    with files.opened(path) as stream:
        for number, line in files.lines(stream):
            if line is not None and not line.strip():
                continue
            try:
                readings.append(_reading(line, path, number))
                refusals.good += 1
            except InputError as error:
                refusals.add(error)
    begin, end = detail.window
    refusals.check()
    inside = sum(begin < time < end for time, _ in readings)
    if inside < 2:
        raise InputError(
            f"has {inside} readings between power_begin and power_end "
            f"({summary.clock(begin)} to {summary.clock(end)} UTC): are both of the same run?",
            path=path,
        )
    near = [(time, watts) for time, watts in readings if begin - _HOUR < time < end + _HOUR]
    return Node.of("node_0", near)


_HOUR = 3_600_000


def _reading(line: bytes | None, path: Path, number: int) -> tuple[int, float]:
    """Time and watts of `Time,<MM-DD-YYYY HH:MM:SS.mmm>,Watts,<W>,...`."""
    parts = [] if line is None else line.decode("utf-8", errors="replace").split(",", 4)
    if len(parts) < 4 or parts[0] != "Time" or parts[2] != "Watts":
        raise InputError("is not a line `Time,...,Watts,...`", path=path, line=number)
    time, watts = _unix_ms(parts[1]), lines.finite(parts[3])
    if time is None:
        raise InputError(
            f"{files.shown(parts[1])!r} is not MM-DD-YYYY HH:MM:SS.mmm",
            path=path, line=number, field="Time",
        )  # fmt: skip
    if watts is None or not 0 <= watts <= MOST_WATTS:
        raise InputError(
            f"{files.shown(parts[3])!r} is not a power in watts",
            path=path, line=number, field="Watts",
        )  # fmt: skip
    return time, watts


# -- what is printed


def _summary(recording: Recording, detail: _Detail, booked: Booked) -> str:
    job, node = recording.job, recording.nodes[0]
    begin, end = detail.window
    watts = official_watts(node, begin, end)
    rows = [
        ("run", f"{job.seconds:,.2f} s", f"{summary.clock(begin)} UTC, {detail.scenario or ''}"),
        ("mean power", f"{watts:,.3f} W", "MLPerf's rule: mean of the readings inside the window"),
        ("energy", summary.kwh(recording.joules), "trapezoid over the same window"),
    ]
    rows += summary.booked_energy(booked, recording.joules)
    if detail.rate is not None and watts and recording.joules:
        tokens = job.counters[-1]["tokens_generated_total"]
        assert isinstance(tokens, int)
        official = detail.rate / watts
        ours = tokens / recording.joules
        rows += [
            ("throughput", f"{detail.rate:,.6g} tok/s", "as the log says"),
            ("tokens generated", f"{tokens:,}", f"derived: that rate over {detail.seconds:,.3f} s"),
            ("per joule", f"{official:.4f} tok/J", "MLPerf's rule: throughput by mean power"),
            ("", f"{ours:.4f} tok/J", f"tokens by energy, {summary.apart(ours, official)}"),
        ]
        if booked.joules and booked.tokens is not None:
            theirs = booked.tokens / booked.joules
            remark = f"booked, {summary.apart(theirs, official)}; {booked.tokens:,} tokens"
            rows.append(("", f"{theirs:.4f} tok/J", remark))
    model = f" {recording.model}" if recording.model else " devices"
    head = (
        f"{job.name}: 1 node x {recording.devices_per_node}{model}\n"
        f"stored as system {recording.system}, job {job.key}"
    )
    return f"{head}\n{summary.table(rows)}"


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="RUN_FOLDER", help=f"holds {POWER} and {DETAIL}, or .gz"
    )
    parser.add_argument("--model", type=_text, metavar="TEXT", help="product name of the devices")
    add_names(parser)


def _text(text: str) -> str:
    return re.sub(r"\s+", " ", files.shown(text)).strip()


FORMAT = Format(
    name="mlperf-inference",
    help="MLPerf Inference with power: the folder of one performance run",
    description=(
        "Imports one run of MLPerf Inference with power: the node's power once a second, the\n"
        "measured window and the tokens generated. The log gives tokens per second; the count is\n"
        "derived from it and spread evenly over the window.\n\n"
        "example:\n"
        "  wattline import mlperf-inference llama2-70b-99.9_Offline --store store"
    ),
    configure=_configure,
    read=read,
)
