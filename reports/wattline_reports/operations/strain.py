"""Devices that jobs held without work, and devices that heat or a cap held back.

From the books: `held` is under 5 % active for over ten minutes, `slowed` is work while a throttle
was on. Temperature is the largest that a device's minutes or hours booked.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wattline_collector.kpi.view import MS_PER_HOUR, View
from wattline_collector.ledger.accounts import Account
from wattline_reports.asked import Asked
from wattline_reports.quoted import Quoted, stated

MOST = 12
"""Nodes listed: enough to act on."""
BANDS = ((None, 60.0), (60.0, 70.0), (70.0, 80.0), (80.0, 85.0), (85.0, 90.0), (90.0, None))
"""Bands of temperature in degrees Celsius, from and up to."""
_NODE = ["system", "node"]


@dataclass(frozen=True, slots=True)
class NodeHours:
    """A node and its hours: held or slowed, and assigned or working.

    Attributes:
        system: Its system.
        node: Its name.
        hours: GPU-hours of it.
        of: GPU-hours that they are a part of.
        warmest: Its largest temperature in degrees Celsius; None where nobody measured it.
    """

    system: str
    node: str
    hours: float
    of: float
    warmest: float | None = None


@dataclass(frozen=True, slots=True)
class Strain:
    """Held devices, throttling and heat.

    Attributes:
        held: GPU-hours held, of those assigned.
        slowed: GPU-hours slowed, of working ones.
        holding: Nodes with most held time.
        throttled: Nodes with most slowed time.
        bands: Devices by band of their largest temperature, in the order of `BANDS`.
        unmeasured: Devices whose temperature nobody measured.
        devices: Devices there are.
    """

    held: Quoted
    slowed: Quoted
    holding: tuple[NodeHours, ...]
    throttled: tuple[NodeHours, ...]
    bands: tuple[Quoted, ...]
    unmeasured: int
    devices: int

    @property
    def figures(self) -> tuple[Quoted, ...]:
        """Every number of it."""
        return (self.held, self.slowed, *self.bands)


def strain(asked: Asked) -> Strain:
    """Read it from the books of the period."""
    view = asked.view
    sums = _sums(view)
    device = ["system", "node", "device"]
    warm = pl.col("temperature_max_celsius").max()
    warmest = (
        view.collected(lambda part: part.group_by(device).agg(warm))
        .group_by(device)
        .agg(warm)
        .with_columns(pl.col("system", "node", "device").cast(pl.String))
    )
    of_nodes = warmest.group_by(_NODE).agg(pl.col("temperature_max_celsius").max().alias("warmest"))
    nodes = sums.join(of_nodes, on=_NODE, how="left")
    measured = warmest["temperature_max_celsius"].drop_nulls()
    return Strain(
        held=_total(asked, sums, "held", "assigned", "GPU-hours that jobs held without work"),
        slowed=_total(asked, sums, "slowed", "working", "GPU-hours in which work was slowed"),
        holding=_worst(nodes, "held", "assigned"),
        throttled=_worst(nodes, "slowed", "working"),
        bands=tuple(_band(asked, measured, low, high) for low, high in BANDS),
        unmeasured=warmest.height - measured.len(),
        devices=warmest.height,
    )


def band_name(low: float | None, high: float | None) -> str:
    """A band for people."""
    if low is None:
        return f"under {high:.0f}\u202f°C"
    return f"{low:.0f}\u202f°C and over" if high is None else f"{low:.0f} to {high:.0f}\u202f°C"


def _sums(view: View) -> pl.DataFrame:
    """Hours by node: `held`, `assigned`, `slowed`, `working`."""
    account = pl.col("account").cast(pl.String)
    hours = pl.col("duration_ms") / MS_PER_HOUR

    def of(name: str, *accounts: Account) -> pl.Expr:
        return hours.filter(account.is_in([one.value for one in accounts])).sum().alias(name)

    working = (Account.BUSY, Account.SLOWED, Account.LOST)
    return (
        view.totals.group_by(_NODE)
        .agg(
            of("held", Account.HELD),
            of("assigned", *working, Account.HELD, Account.UNMEASURED),
            of("slowed", Account.SLOWED),
            of("working", *working),
        )
        .with_columns(pl.col(_NODE).cast(pl.String))
        .sort(_NODE)
    )


def _total(asked: Asked, sums: pl.DataFrame, part: str, whole: str, name: str) -> Quoted:
    of = float(sums[whole].sum())
    return stated(
        f"operations.{part}", name, "GPU-h", float(sums[part].sum()) if of else None,
        period=asked.period, method=f"ledger, account {part}", n=sums.height, level="measured",
        note="" if of else f"no time was {whole}",
    )  # fmt: skip


def _worst(nodes: pl.DataFrame, part: str, whole: str) -> tuple[NodeHours, ...]:
    found = nodes.filter(pl.col(part) > 0).sort(part, *_NODE, descending=[True, False, False])
    return tuple(
        NodeHours(row["system"], row["node"], row[part], row[whole], row["warmest"])
        for row in found.head(MOST).iter_rows(named=True)
    )


def _band(asked: Asked, measured: pl.Series, low: float | None, high: float | None) -> Quoted:
    inside = measured
    if low is not None:
        inside = inside.filter(inside >= low)
    if high is not None:
        inside = inside.filter(inside < high)
    return stated(
        "operations.warmest", "devices whose largest temperature was in the band", "devices",
        inside.len() if measured.len() else None, period=asked.period,
        dims={"band": band_name(low, high).replace("\u202f", " ")}, n=measured.len(),
        method="ledger, temperature_max_celsius", level="measured",
        note="" if measured.len() else "no device tells its temperature",
    )  # fmt: skip
