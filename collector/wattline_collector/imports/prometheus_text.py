"""Recorded pages of metrics: Prometheus' text format, as exporters serve it.

A page says nothing of when it was read, so its file's name tells it, or the time it was written.
Which exporter a page is of is seen from the names on it.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from wattline_agents.clock import SystemClock
from wattline_agents.errors import InputError
from wattline_agents.sources.scraped import dcgm, pages
from wattline_agents.sources.scraped.page import Page, parse
from wattline_agents.sources.source import Readings
from wattline_agents.wire import Row, Value
from wattline_collector.imports import files, own_page, summary, timed
from wattline_collector.imports.format import Format, Found
from wattline_collector.imports.gathered import Gathered, Gathering, as_the_store_does
from wattline_collector.imports.lines import Refusals
from wattline_collector.imports.own_page import OwnPages
from wattline_collector.imports.smi_rows import Account, Devices
from wattline_collector.imports.timed import NotOurs, PassedOver, TimedFile

OWN = "wattline"
"""What pages of this project's own agent are called beside those of exporters."""

_MOST_BYTES = 32 * 2**20
"""Of one page; node_exporter's largest have some 2 MB."""

Progress = Callable[[str], None]


@dataclass(slots=True)
class _Pages:
    """What was seen of all pages.

    Attributes:
        exporters: Whose pages there were, and how many.
        samples: Samples on all pages.
        kept: Those that have a place here.
    """

    exporters: Counter[str] = field(default_factory=Counter)
    samples: int = 0
    kept: int = 0
    own: dict[str, OwnPages] = field(default_factory=dict)
    xids: dict[str, dcgm.XidChanges] = field(default_factory=dict)


def read(arguments: Namespace, progress: Progress) -> Found:
    """Read the pages."""
    every = timed.found(arguments, arguments.path)
    gathering = Gathering(as_the_store_does(SystemClock().unix_ms()))
    account, refusals, seen = Account(), Refusals(), _Pages()
    devices = Devices(gathering, account)
    others = PassedOver(arguments.path.is_dir())
    used: list[TimedFile] = []
    try:
        for count, one in enumerate(every, start=1):
            try:
                for node, readings in _read_page(one, seen, refusals).items():
                    _take(node, readings, devices, gathering)
                used.append(one)
            except NotOurs as error:
                others.add(one, error)
            progress(f"reading {one.path.name} ({count:,} of {len(every):,})")
        devices.finish()
        refusals.check()
        if gathering.rows == 0:
            raise InputError("holds no reading", path=arguments.path)
        run = timed.run_name(arguments.path)
        recording = gathering.finish(FORMAT.name, arguments.system or f"recording-{run}")
    except BaseException:
        gathering.close()
        raise
    notes = [
        *refusals.notes(), *devices.notes(), *account.notes(), *others.notes(), *timed.note(used),
    ]  # fmt: skip
    return Found(recording, lambda _: _text(recording, devices, seen), notes)


def _read_page(one: TimedFile, seen: _Pages, refusals: Refusals) -> dict[str, Readings]:
    """Node -> its rows of one page.

    Raises:
        NotOurs: It is no page, or one of an exporter nobody here knows.
    """
    with files.opened(one.path) as stream:
        body = stream.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        raise InputError(f"is a page of more than {_MOST_BYTES} bytes", path=one.path)
    text = body.decode("utf-8", errors="replace")
    exporter = OWN if own_page.is_ours(text) else pages.detect(text)
    if exporter is None:
        raise NotOurs(
            f"has no metric of {', '.join(pages.EXPORTERS)} or of this project's agent",
            path=one.path,
        )
    found: dict[str, Readings]
    if exporter == OWN:
        page = parse(text, own_page.wants)
        own = seen.own.setdefault(one.node, OwnPages(one.node))
        found = own.rows(page, one.time_ms)
    else:
        readings, page = pages.read(text, exporter, one.time_ms)
        if exporter == "dcgm" and "xid" not in readings:
            readings |= _xids(seen.xids.setdefault(one.node, dcgm.XidChanges()), page, one.time_ms)
        found = {one.node: readings}
    kept = sum(len(samples) for samples in page.samples.values())
    if page.bad_lines > kept:
        raise NotOurs(f"is no page of metrics: {page.first_bad}", path=one.path)
    seen.exporters[exporter] += 1
    lines = text.split("\n")
    seen.samples += sum(bool(line.strip()) and not line.startswith("#") for line in lines)
    seen.kept += kept
    refusals.good += kept
    for _ in range(page.bad_lines):
        refusals.add(InputError(page.first_bad or "cannot be read", path=one.path))
    return found


def _xids(changes: dcgm.XidChanges, page: Page, time_ms: int) -> Readings:
    """XIDs counted from page to page, where the exporter tells only the last one."""
    occurred = changes.note(dcgm.xids(page), time_ms)
    return {"xid": list(changes.rows(time_ms))} if occurred else {}


def _take(node: str, readings: Readings, devices: Devices, gathering: Gathering) -> None:
    """Send rows on; devices go by what watches for power that stands still."""
    infos = {row["device"]: row for row in readings.get("device_info", [])}
    new: set[Value] = set()
    for row in readings.get("device", []):
        if devices.add(node, dict(row), infos.get(row["device"], {})):
            new.add(row["device"])
    for table, rows in readings.items():
        if table in ("device", "device_info"):
            continue
        gathering.add_all(node, {table: [row for row in rows if _is_new(row, new)]})


def _is_new(row: Row, devices: set[Value]) -> bool:
    """Whether a row is not one more of a device at a time of which there was one."""
    return "device" not in row or row["device"] in devices or row["device"] is None


def _text(recording: Gathered, devices: Devices, seen: _Pages) -> str:
    nodes = recording.gathering.said_of("node_info")
    of = ", ".join(f"{name} ({count:,})" for name, count in seen.exporters.items())
    rows = [
        ("pages", f"{seen.exporters.total():,}", f"of {of}"),
        ("samples", f"{seen.kept:,}", f"of {seen.samples:,} have a place here"),
        ("rows", f"{recording.rows:,}", ""),
        ("from", summary.clock(recording.start_ms), "UTC"),
        ("to", summary.clock(recording.end_ms), "UTC"),
    ]
    head = (
        f"{summary.counted(devices.count, 'device')} of {summary.counted(nodes, 'node')}\n"
        f"stored as system {recording.system}"
    )
    return f"{head}\n{summary.table(rows)}"


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path", type=Path, metavar="PATH",
        help="a page, or a directory of pages recorded one after the other; each may be .gz",
    )  # fmt: skip
    timed.add_arguments(parser)


FORMAT = Format(
    name="prometheus-text",
    help="recorded pages of dcgm-exporter, node_exporter, other exporters, or our own agent",
    description=(
        "Imports pages of metrics in Prometheus' text format: of dcgm-exporter,\n"
        "nvidia_gpu_exporter, node_exporter, AMD's device-metrics-exporter, xpumd, or this\n"
        "project's own agent. A page is timed by its file's name (2026-11-21T05:30:00Z.prom,\n"
        "1790000000.prom), else by when the file was written.\n\n"
        "example:\n"
        "  wattline import prometheus-text pages/ --store store"
    ),
    configure=_configure,
    read=read,
)
