"""An hour of a system so large that memory has no room for all of it: booked part by part.

Nothing that is booked of one node depends on another's readings, so a part is some nodes and the
devices that are at home there. A device that was moved within the window is booked whole, where it
is now. What jobs made is booked once, with the first part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from wattline_collector.ledger import chunks, inventory
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.compute import Booked, compute
from wattline_collector.ledger.evidence import carried_on, fetch, gather
from wattline_collector.ledger.intervals import Window
from wattline_collector.ledger.known import Known, Telemetry
from wattline_collector.ledger.part import Part
from wattline_collector.ledger.schema import MINUTE_MS

_SIGHTED = ("system", "node", "period_ms", "time_unix_ms", "energy_joules_total", "power_watts")


def divide(store: Telemetry, books: Books, system: str, window: Window, most: int) -> list[Part]:
    """Cut a window's evidence into parts that memory has room for, in the order of nodes.

    It is looked through a few minutes at a time for who sent: what is seen for the first time goes
    into the inventory.

    Args:
        store: Where the rows are.
        books: Whose inventory says what is at home where.
        system: Whose time.
        window: Which.
        most: Samples of devices in a part; a node is not cut.
    """
    devices, nodes, sent = [], [], []
    low, step = window.low, MINUTE_MS
    while low <= window.high:
        high = min(low + step, window.high + 1)
        rows = _sighted(store, "device", system, low, high)
        devices.append(inventory.sightings("device", rows))
        sent.append(rows.group_by("node", "device").len())
        nodes.append(inventory.sightings("node", _sighted(store, "node", system, low, high)))
        # As much of it at a time as a part has; where nobody sends, quickly on.
        step = min(2 * step, max(MINUTE_MS, step * most // max(1, rows.height)))
        low = high
    installed = books.inventory
    merged = inventory.merge_seen(installed, "device", inventory.joined(devices))
    merged = inventory.merge_seen(merged, "node", inventory.joined(nodes))
    if not merged.equals(installed):
        books.put("inventory", merged)
    mine = merged.filter((pl.col("system") == system) & (pl.col("kind") == "device"))
    home = mine.select(pl.col("key").alias("device"), pl.col("node").alias("home"))
    counted = pl.concat(sent).group_by("node", "device").agg(pl.col("len").sum())
    placed = counted.join(home, on="device", how="left")
    weights = placed.group_by("home").agg(pl.col("len").sum()).sort("home")
    away = placed.filter(pl.col("node") != pl.col("home")).select("device", "node", "home").rows()
    starts = _starts(weights.rows(), most)
    edges = [*zip([None, *starts], [*starts, None], strict=True)]
    return [_part(first, until, away) for first, until in edges]


@dataclass(frozen=True, slots=True)
class Made:
    """What was booked part by part.

    Attributes:
        booked: The entries of all.
        carried: Newest readings up to the window's end, as `evidence.carried_on` tells them.
        spoke: As `evidence.Inputs.spoke`.
    """

    booked: Booked
    carried: pl.DataFrame
    spoke: pl.DataFrame


def in_parts(
    store: Telemetry,
    books: Books,
    known: Known,
    system: str,
    window: Window,
    carried: pl.DataFrame,
    progress: Callable[[int], None],
) -> Made:
    """Book a window part by part: the same entries as at once, in memory for one part.

    Args:
        store: Where the rows are.
        books: What is known from earlier booking.
        known: What is known from earlier rows.
        system: Whose time.
        window: Which.
        carried: Newest readings before the window, as `evidence.Inputs.carried`.
        progress: Told after each part that no hour is done yet; may raise to break off.
    """
    booked: list[Booked] = []
    newest: list[pl.DataFrame] = []
    spoke: list[pl.DataFrame] = []
    for part in divide(store, books, system, window, chunks.MOST_SAMPLES):
        rows = fetch(store, system, window, part)
        inputs = gather(store, books, known, system, window, rows, carried, part)
        del rows
        booked.append(compute(window, system, inputs))
        newest.append(carried_on(window, inputs))
        spoke.append(inputs.spoke)
        del inputs
        progress(0)
    told = pl.concat(newest)
    # What is no longer installed is in no part, and still the last that was heard of it.
    rest = carried.join(told, on=["kind", "key"], how="anti")
    return Made(together(booked), pl.concat([told, rest]), pl.concat(spoke))


def together(parts: Sequence[Booked]) -> Booked:
    """What was booked part by part, in the order in which it is booked at once."""
    first = parts[0]
    entries = {
        table: pl.concat([part.entries[table] for part in parts]).sort(table, maintain_order=True)
        for table in ("device", "node")
    }
    control = pl.concat([part.control for part in parts])
    return Booked(
        {**first.entries, **entries},
        control.sort("kind", "key", maintain_order=True),
        first.latency,
    )


def _sighted(store: Telemetry, table: str, system: str, low: int, high: int) -> pl.DataFrame:
    columns = (*_SIGHTED, "device") if table == "device" else _SIGHTED
    return store.rows(table, low, high, columns, pl.col("system") == system)


def _starts(weights: Sequence[tuple[str, int]], most: int) -> list[str]:
    """The nodes that parts after the first begin with."""
    starts: list[str] = []
    held = 0
    for node, samples in weights:
        if held and held + samples > most:
            starts.append(node)
            held = 0
        held += samples
    return starts


def _part(first: str | None, until: str | None, away: Sequence[tuple[str, str, str]]) -> Part:
    def inside(node: str) -> bool:
        return (first is None or node >= first) and (until is None or node < until)

    moved = {device for device, node, home in away if inside(home) and not inside(node)}
    guests = {device for device, node, home in away if inside(node) and not inside(home)}
    return Part(first, until, tuple(sorted(moved)), tuple(sorted(guests)))
