"""`rocm-smi --json`: one object per card, keyed by the words that rocm-smi prints.

It names no time, so a file's name or the time it was written tells it. The words changed from
version to version; of those for one column the first that has a value counts.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from wattline_agents.catalogue import DEVICE
from wattline_agents.clock import SystemClock
from wattline_agents.errors import InputError
from wattline_agents.sources.scraped.devices import label
from wattline_agents.sources.scraped.values import value_of
from wattline_agents.wire import Value
from wattline_collector.imports import files, timed
from wattline_collector.imports.format import Format, Found
from wattline_collector.imports.gathered import Gathering, as_the_store_does
from wattline_collector.imports.lines import Refusals
from wattline_collector.imports.nvidia_smi import text_of
from wattline_collector.imports.smi_rows import Account, Devices
from wattline_collector.imports.timed import NotOurs, PassedOver, TimedFile

_SOURCE = "rocm-smi"
_MOST_BYTES = 16 * 2**20
_CARD = re.compile(r"card(\d{1,4})\Z")
_NUMBER = re.compile(r"\(?([+-]?\d{1,18}(?:\.\d{1,9})?)\s*(?:Mhz|MHz)?\)?\Z")
_ABSENT = frozenset({"", "N/A", "None", "unsupported", "Unsupported", "Not supported"})

_COLUMNS: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "power_watts": (1.0, (
        "Current Socket Graphics Package Power (W)", "Average Graphics Package Power (W)",
    )),
    "power_limit_watts": (1.0, ("Max Graphics Package Power (W)",)),
    "energy_joules_total": (1e-6, ("Accumulated Energy (uJ)",)),
    "busy_ratio": (1e-2, ("GPU use (%)",)),
    "memory_busy_ratio": (1e-2, (
        "GPU Memory Read/Write Activity (%)", "GPU memory use (%)",
    )),
    "memory_used_bytes": (1.0, ("VRAM Total Used Memory (B)",)),
    "memory_size_bytes": (1.0, ("VRAM Total Memory (B)",)),
    "temperature_celsius": (1.0, (
        "Temperature (Sensor edge) (C)", "Temperature (Sensor junction) (C)",
    )),
    "memory_temperature_celsius": (1.0, ("Temperature (Sensor memory) (C)",)),
    "sm_clock_hertz": (1e6, ("sclk clock speed:",)),
    "memory_clock_hertz": (1e6, ("mclk clock speed:",)),
    "pcie_replays_total": (1.0, ("PCIe Replay Count",)),
}  # fmt: skip
"""Column -> factor to its unit, and what rocm-smi calls it."""

_IDENTITY: Mapping[str, tuple[tuple[str, ...], int]] = {
    "model": (("Card Series", "Card series", "Card model"), 96),
    "serial": (("Serial Number",), 64),
    "vbios": (("VBIOS version",), 64),
    "pci": (("PCI Bus",), 32),
}
_ID = "Unique ID"

Progress = Callable[[str], None]


def read(arguments: Namespace, progress: Progress) -> Found:
    """Read the files."""
    every = timed.found(arguments, arguments.path)
    run = timed.run_name(arguments.path)
    gathering = Gathering(as_the_store_does(SystemClock().unix_ms()))
    account, refusals = Account(), Refusals()
    devices = Devices(gathering, account)
    others = PassedOver(arguments.path.is_dir())
    used: list[TimedFile] = []
    try:
        for count, one in enumerate(every, start=1):
            try:
                _read_file(one, run, devices, account, refusals)
                used.append(one)
            except NotOurs as error:
                others.add(one, error)
            progress(f"reading {one.path.name} ({count:,} of {len(every):,})")
        devices.finish()
        refusals.check()
        if gathering.rows == 0:
            raise InputError("holds no reading of a card", path=arguments.path)
        recording = gathering.finish(FORMAT.name, arguments.system or f"recording-{run}")
    except BaseException:
        gathering.close()
        raise
    notes = [
        *refusals.notes(), *devices.notes(), *account.notes(), *others.notes(), *timed.note(used),
    ]  # fmt: skip
    return Found(recording, lambda _: text_of(recording, devices), notes)


def _read_file(
    one: TimedFile, run: str, devices: Devices, account: Account, refusals: Refusals
) -> None:
    with files.opened(one.path) as stream:
        body = stream.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        refusals.add(InputError(f"has more than {_MOST_BYTES} bytes", path=one.path))
        return
    try:
        every = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        refusals.add(InputError(f"is not JSON: {files.shown(reason)}", path=one.path))
        return
    cards = every if isinstance(every, dict) else {}
    if not any(_CARD.match(name) for name in cards):
        raise NotOurs("holds no card0, card1, ...: is it of rocm-smi --json?", path=one.path)
    system = cards.get("system")
    driver = system.get("Driver version") if isinstance(system, dict) else None
    for name, card in cards.items():
        match = _CARD.match(name)
        if match is None or not isinstance(card, dict):
            continue
        try:
            row = _row(card, _device(card, int(match[1]), run), one.time_ms, account)
        except ValueError as error:
            field = f"{name}: {files.shown(str(error.args[0]))}"
            refusals.add(InputError(str(error.args[1]), path=one.path, field=field))
            continue
        refusals.good += 1
        info = _info(card, str(row["device"]), one.time_ms, int(match[1]), driver)
        devices.add(one.node, row, info)


def _device(card: Mapping[str, object], index: int, run: str) -> str:
    """The card's own id, which stays; without one a name made of its place."""
    text = card.get(_ID)
    unique = label(text) if isinstance(text, str) else None
    if unique is not None:
        return unique
    pci = card.get("PCI Bus")
    place = label(pci, 32) if isinstance(pci, str) else None
    return f"{run}-{place}" if place is not None else f"{run}-gpu{index}"


def _row(
    card: Mapping[str, object], device: str, time_ms: int, account: Account
) -> dict[str, Value]:
    """The row of `device`.

    Raises:
        ValueError: A text is neither a number nor a word for none; `.args` are its key and why.
    """
    row: dict[str, Value] = {"time_unix_ms": time_ms, "device": device, "up": 1}
    used = {_ID, *(key for keys, _ in _IDENTITY.values() for key in keys)}
    for column, (factor, keys) in _COLUMNS.items():
        used.update(keys)
        for key in keys:
            number = _number(key, card.get(key), account)
            if number is not None and row.get(column) is None:
                row[column] = value_of(DEVICE, column, number * factor)
    account.unkept.update(key for key in card if key not in used)
    return row


def _number(key: str, text: object, account: Account) -> float | None:
    if text is None:
        return None
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str):
        raise ValueError(key, f"not a text: {files.shown(repr(text))[:60]}")
    if text.strip() in _ABSENT:
        account.absent[key, text.strip()] += 1
        return None
    match = _NUMBER.match(text.strip())
    if match is None:
        raise ValueError(key, f"not a number: {files.shown(text)[:40]!r}")
    return float(match[1])


def _info(
    card: Mapping[str, object], device: str, time_ms: int, index: int, driver: object
) -> dict[str, Value]:
    info: dict[str, Value] = {
        "time_unix_ms": time_ms,
        "device": device,
        "index": index,
        "vendor": "amd",
        "source": _SOURCE,
        "driver": label(driver, 32) if isinstance(driver, str) else None,
    }
    for column, (keys, most) in _IDENTITY.items():
        texts = (card.get(key) for key in keys)
        info[column] = next(
            (label(t, most) for t in texts if isinstance(t, str) and label(t)), None
        )
    return {column: value for column, value in info.items() if value is not None}


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path", type=Path, metavar="PATH",
        help="a file, or a directory of files recorded one after the other; each may be .gz",
    )  # fmt: skip
    timed.add_arguments(parser)


FORMAT = Format(
    name="rocm-smi",
    help="what rocm-smi --json printed, once or again and again",
    description=(
        "Imports what `rocm-smi -a --json` printed. It names no time: a file is timed by its\n"
        "name (card-2026-11-21T05:30:00Z.json, 1790000000.json), else by when it was written.\n\n"
        "example:\n"
        "  wattline import rocm-smi pages/ --store store"
    ),
    configure=_configure,
    read=read,
)
