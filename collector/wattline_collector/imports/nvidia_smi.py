"""Logs of nvidia-smi: `--query-gpu=... --format=csv`, and the XML of `-q -x`.

Times of both are local to the machine that wrote them and name no zone. A line of the CSV is one
GPU at one time; what its columns are is told by the header, units included.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import IO

from wattline_agents.clock import SystemClock
from wattline_agents.errors import InputError
from wattline_agents.wire import Value
from wattline_collector.imports import files, smi_fields, smi_xml, summary, timed
from wattline_collector.imports.format import Format, Found
from wattline_collector.imports.gathered import Gathered, Gathering, as_the_store_does
from wattline_collector.imports.lines import Refusals
from wattline_collector.imports.recording import LEAST_MS, MOST_MS
from wattline_collector.imports.smi_fields import Malformed, Parsed
from wattline_collector.imports.smi_rows import Account, Devices, parsed, rows_of
from wattline_collector.imports.timed import NotOurs, PassedOver, TimedFile

_SOURCE = "nvidia-smi"
_SNIFFED_BYTES = 4_096
_MOST_COLUMNS = 1_000
_TOLD_EVERY = 4_096

_STAMP = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?\Z")
_HEAD = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.]*)(?: \[(?P<unit>[^\]]{1,16})\])?\Z")
_XML_STAMP = "%a %b %d %H:%M:%S %Y"
_BACKWARDS = timedelta(minutes=30)

Progress = Callable[[str], None]


@dataclass(slots=True)
class _Import:
    """What all files of one import share."""

    run: str
    zone: tzinfo
    gathering: Gathering
    devices: Devices
    account: Account
    refusals: Refusals
    progress: Progress

    def refuse(self, reason: str, path: Path, line: int, field: str | None = None) -> None:
        """Count a malformed line."""
        self.refusals.add(InputError(reason, path=path, line=line, field=field))


def read(arguments: Namespace, progress: Progress) -> Found:
    """Read the logs."""
    every = timed.found(arguments, arguments.path)
    run = timed.run_name(arguments.path)
    gathering = Gathering(as_the_store_does(SystemClock().unix_ms()))
    account, refusals = Account(), Refusals()
    devices = Devices(gathering, account)
    shared = _Import(run, arguments.zone, gathering, devices, account, refusals, progress)
    others = PassedOver(arguments.path.is_dir())
    timed_by_lines: list[TimedFile] = []
    timed_by_files: list[TimedFile] = []
    try:
        for one in every:
            try:
                (timed_by_lines if _read_file(one, shared) else timed_by_files).append(one)
            except NotOurs as error:
                others.add(one, error)
        devices.finish()
        refusals.check()
        if gathering.rows == 0:
            raise InputError("holds no reading of a GPU", path=arguments.path)
        recording = gathering.finish(FORMAT.name, arguments.system or f"recording-{run}")
    except BaseException:
        gathering.close()
        raise
    notes = [
        *refusals.notes(), *devices.notes(), *account.notes(), *others.notes(),
        *timed.note(timed_by_files), *_zone_note(arguments.zone, bool(timed_by_lines)),
    ]  # fmt: skip
    return Found(recording, lambda _: text_of(recording, devices), notes)


def text_of(recording: Gathered, devices: Devices) -> str:
    """What is printed of a recording of devices."""
    nodes = recording.gathering.said_of("node_info")
    rows = [
        ("readings", f"{recording.rows:,}", ""),
        ("from", summary.clock(recording.start_ms), "UTC"),
        ("to", summary.clock(recording.end_ms), "UTC"),
    ]
    if devices.joules is not None:
        energy = devices.joules
        text = f"{energy:,.1f} J" if energy < 36_000 else summary.kwh(energy)
        rows.append(("energy", text, "of the devices, by their power"))
    head = (
        f"{summary.counted(devices.count, 'device')} of {summary.counted(nodes, 'node')}\n"
        f"stored as system {recording.system}"
    )
    return f"{head}\n{summary.table(rows)}"


def _zone_note(zone: tzinfo, has_stamps: bool) -> list[str]:
    """Said where the recording's own times were taken as UTC because nobody said otherwise."""
    if not has_stamps or zone.utcoffset(None) != timedelta(0):
        return []
    return ["its times name no zone and are taken as UTC (--zone ZONE if they are local)"]


def _read_file(one: TimedFile, shared: _Import) -> bool:
    """Read one file; whether its readings have times of their own."""
    with files.opened(one.path) as stream:
        head = stream.peek(_SNIFFED_BYTES)[:_SNIFFED_BYTES]  # type: ignore[attr-defined]
        if b"<nvidia_smi_log" in head or head.lstrip().startswith(b"<?xml"):
            return _read_xml(stream, one, shared)
        return _read_csv(stream, one, shared)


# -- CSV


@dataclass(frozen=True, slots=True)
class _Columns:
    """What a header says.

    Attributes:
        count: How many columns there are.
        kept: Place, field and parser of those that are kept.
        is_timed: Whether one of them is the time.
    """

    count: int
    kept: tuple[tuple[int, str], ...]
    parsers: Mapping[str, Callable[[str], Parsed]]
    is_timed: bool


def _read_csv(stream: IO[bytes], one: TimedFile, shared: _Import) -> bool:
    columns: _Columns | None = None
    clock = _LocalClock(shared.zone)
    for number, line in files.lines(stream):
        text = None if line is None else line.decode("utf-8", errors="replace").strip()
        if text == "":
            continue
        cells = [] if text is None else [cell.strip() for cell in text.split(",", _MOST_COLUMNS)]
        found = _header(cells, shared.account)
        if found is not None:
            columns = found
        elif columns is None:
            raise NotOurs(
                "is no header such as `timestamp, uuid, power.draw [W]`: log with "
                "--query-gpu=... --format=csv, and without noheader",
                path=one.path, line=number,
            )  # fmt: skip
        elif len(cells) != columns.count:
            shared.refuse(f"has {len(cells)} columns, not {columns.count}", one.path, number)
        else:
            _take_line(cells, columns, clock, one, number, shared)
        if number % _TOLD_EVERY == 0:
            shared.progress(f"reading {one.path.name}, line {number:,}")
    return columns is None or columns.is_timed


def _header(cells: list[str], account: Account) -> _Columns | None:
    """What the cells say if they are a header: words in every cell, one of them a known field."""
    heads = [_HEAD.match(cell) for cell in cells]
    names = [smi_fields.canonical(head["name"]) if head else "" for head in heads]
    if not all(names) or not any(name in smi_fields.QUANTITIES for name in names):
        return None
    kept = tuple((place, name) for place, name in enumerate(names) if name in smi_fields.QUANTITIES)
    units = {name: head["unit"] or "" for name, head in zip(names, heads, strict=True) if head}
    account.unkept.update(name for name in names if name not in smi_fields.QUANTITIES)
    parsers = {name: smi_fields.parser(name, units[name]) for _, name in kept}
    return _Columns(len(cells), kept, parsers, "timestamp" in parsers)


def _take_line(
    cells: list[str],
    columns: _Columns,
    clock: _LocalClock,
    one: TimedFile,
    line: int,
    shared: _Import,
) -> None:
    try:
        texts = {name: cells[place] for place, name in columns.kept}
        values, lost = parsed(texts, columns.parsers, shared.account)
        time_ms = one.time_ms
        if columns.is_timed:
            time_ms = clock.unix_ms(str(values.get("timestamp", "")))
        row, info = rows_of(values, lost, shared.run, time_ms, _SOURCE)
    except Malformed as error:
        shared.refuse(str(error.args[1]), one.path, line, str(error.args[0]))
        return
    shared.refusals.good += 1
    if not shared.devices.add(one.node, row, info) and not columns.is_timed:
        raise InputError(
            "is a second reading of a GPU, and there is no column timestamp: "
            "log with --query-gpu=timestamp,uuid,...",
            path=one.path, line=line,
        )  # fmt: skip


class _LocalClock:
    """Local times in the order in which they were written, to milliseconds since 1970.

    In the hour that comes twice when summer time ends, a time that steps back is of its second run.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._before: datetime | None = None
        self._fold = 0

    def unix_ms(self, text: str) -> int:
        match = _STAMP.match(text)
        if match is None:
            raise Malformed("timestamp", f"not YYYY/MM/DD HH:MM:SS.mmm: {text[:40]!r}")
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        micros = int((match[7] or "").ljust(6, "0"))
        try:
            local = datetime(year, month, day, hour, minute, second, micros)
        except ValueError as error:
            raise Malformed("timestamp", f"{error}: {text[:40]!r}") from None
        if self._before is not None and self._before - local > _BACKWARDS:
            self._fold = 1
        self._before = local
        return _checked(timed.unix_ms(local.replace(tzinfo=self._zone, fold=self._fold)), text)


def _checked(time_ms: int, text: str) -> int:
    if not LEAST_MS <= time_ms <= MOST_MS:
        raise Malformed("timestamp", f"not from 1990 to 2100: {text[:40]!r}")
    return time_ms


# -- XML

_XML_PARSERS = {name: smi_fields.parser(name) for name in smi_fields.QUANTITIES}


def _read_xml(stream: IO[bytes], one: TimedFile, shared: _Import) -> bool:
    is_timed = True
    for count, document in enumerate(smi_xml.documents(stream, one.path), start=1):
        if isinstance(document, InputError):
            shared.refusals.add(document)
            continue
        try:
            time_ms = _xml_time(document, one, shared.zone)
            is_timed = is_timed and "timestamp" in document.fields
        except Malformed as error:
            shared.refuse(str(error.args[1]), one.path, document.line, "timestamp")
            continue
        for index, gpu in enumerate(document.gpus):
            _take_gpu(document, gpu, index, time_ms, one, shared)
        shared.progress(f"reading {one.path.name}, document {count:,}")
    return is_timed


def _xml_time(document: smi_xml.Document, one: TimedFile, zone: tzinfo) -> int:
    text = document.fields.get("timestamp")
    if text is None:
        return one.time_ms
    try:
        local = datetime.strptime(" ".join(text.split()), _XML_STAMP)
    except ValueError:
        raise Malformed(
            "timestamp", f"not such as Fri Aug 4 11:44:30 2023: {text[:40]!r}"
        ) from None
    return _checked(timed.unix_ms(local.replace(tzinfo=zone)), text)


def _take_gpu(
    document: smi_xml.Document,
    gpu: smi_xml.Gpu,
    index: int,
    time_ms: int,
    one: TimedFile,
    shared: _Import,
) -> None:
    texts = smi_xml.texts(gpu)
    texts["index"] = str(index)
    if "driver_version" in document.fields:
        texts["driver_version"] = document.fields["driver_version"]
    shared.account.unkept.update(smi_xml.unkept(gpu))
    compute = [part for part in gpu.processes if "C" in part.get("type", "")]
    if gpu.processes:
        texts["processes"] = str(len(compute))
    try:
        values, lost = parsed(texts, _XML_PARSERS, shared.account)
        row, info = rows_of(values, lost, shared.run, time_ms, _SOURCE)
    except Malformed as error:
        shared.refuse(str(error.args[1]), one.path, document.line, f"gpu {index}: {error.args[0]}")
        return
    shared.refusals.good += 1
    if not shared.devices.add(one.node, row, info):
        return
    device = str(row["device"])
    shared.gathering.add_all(
        one.node,
        {
            "mig": list(_instances(gpu, device, time_ms)),
            "process": list(_processes(compute, device, time_ms)),
        },
    )


def _instances(gpu: smi_xml.Gpu, device: str, time_ms: int) -> Iterator[dict[str, Value]]:
    """Rows of `mig`: one per GPU instance, as its memory is shared by its compute instances."""
    seen: set[int] = set()
    for part in gpu.instances:
        number = _whole(part.get("gpu_instance_id"))
        if number is None or number in seen:
            continue
        seen.add(number)
        yield {
            "time_unix_ms": time_ms,
            "device": device,
            "instance": f"MIG-{device}/{number}",
            "gpu_instance": number,
            "memory_used_bytes": _memory(part.get("fb_memory_usage/used")),
            "memory_size_bytes": _memory(part.get("fb_memory_usage/total")),
        }


def _processes(parts: list[smi_xml.Part], device: str, time_ms: int) -> Iterator[dict[str, Value]]:
    """Rows of `process`, of processes that compute."""
    seen: set[int] = set()
    for part in parts:
        pid = _whole(part.get("pid"))
        if pid is None or pid in seen:
            continue
        seen.add(pid)
        yield {
            "time_unix_ms": time_ms,
            "device": device,
            "pid": pid,
            "memory_used_bytes": _memory(part.get("used_memory")),
        }


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else None


def _memory(text: str | None) -> int | None:
    try:
        return None if text is None else int(_XML_PARSERS["memory.used"](text))
    except Malformed:
        return None


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="a log, or a directory of logs; each may be .gz"
    )
    timed.add_arguments(parser)


FORMAT = Format(
    name="nvidia-smi",
    help="logs of nvidia-smi: --query-gpu CSV, or the XML of -q -x",
    description=(
        "Imports what nvidia-smi logged: CSV with a header (--query-gpu=timestamp,uuid,...\n"
        "--format=csv, with or without nounits), or XML (-q -x), once or again and again. Times\n"
        "are local to the machine that wrote them: tell its zone. Power of a sensor that stands\n"
        "still is left out and said.\n\n"
        "example:\n"
        "  wattline import nvidia-smi gpus.csv --zone Europe/Berlin --store store"
    ),
    configure=_configure,
    read=read,
)
