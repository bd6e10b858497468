"""What the meters say of an hour, beside what was booked: the evidence that an audit holds.

Per device, node and job: time installed against time booked, joules by the meter against joules
booked, token increments against tokens booked, and a checksum of the booked rows by which an
altered row is traced to its device. The checksum finds accidents and clumsy hands; it is made of
arithmetic that is the same on every machine and version.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import polars as pl

from wattline_collector.ledger.intervals import Window, tells_energy
from wattline_collector.ledger.job import COUNTED
from wattline_collector.ledger.schema import HOUR_MS

KEY = {"device": "device", "node": "node", "job": "job"}
"""The column of a ledger table that its control is kept by."""

_PRIME = 1_099_511_628_211  # FNV's, for its spread
_SEED = 14_695_981_039_346_656_037


def hour_of(column: str) -> pl.Expr:
    """The start of the hour that a time in ms falls in."""
    return pl.col(column) // HOUR_MS * HOUR_MS


def metered_joules(window: Window, rates: pl.DataFrame) -> pl.DataFrame:
    """Joules by the meter per subject and hour: each interval's, by how much of it lies inside.

    For a counter this is its reading at the hour's end less that at its start, both interpolated
    and resets handled.

    Args:
        window: Which hours.
        rates: What `intervals.energy_rates` returned.

    Returns:
        `subject`, `hour` (ms), `metered_joules`.
    """
    since = pl.max_horizontal("since", pl.lit(window.start_ms))
    until = pl.min_horizontal("time", pl.lit(window.end_ms))
    inside = rates.filter(
        pl.col("joules_per_ms").is_not_null()
        & (pl.col("time") > window.start_ms)
        & (pl.col("since") < window.end_ms)
    )
    return (
        inside.with_columns(pl.int_ranges(since // HOUR_MS * HOUR_MS, until, HOUR_MS).alias("hour"))
        .explode("hour", empty_as_null=False)
        .with_columns(
            (
                pl.min_horizontal(until, pl.col("hour") + HOUR_MS)
                - pl.max_horizontal(since, pl.col("hour"))
            ).alias("inside_ms")
        )
        .group_by("subject", "hour")
        .agg((pl.col("joules_per_ms") * pl.col("inside_ms")).sum().alias("metered_joules"))
    )


def expected_time(window: Window, bounds: pl.DataFrame) -> pl.DataFrame:
    """Time each subject was installed, per hour.

    Returns:
        `subject`, `hour` (ms), `expected_ms`.
    """
    low = pl.max_horizontal("low", pl.lit(window.start_ms))
    high = pl.min_horizontal("high", pl.lit(window.end_ms))
    return (
        bounds.filter(low < high)
        .with_columns(pl.int_ranges(low // HOUR_MS * HOUR_MS, high, HOUR_MS).alias("hour"))
        .explode("hour", empty_as_null=False)
        .select(
            "subject",
            "hour",
            (
                pl.min_horizontal(high, pl.col("hour") + HOUR_MS)
                - pl.max_horizontal(low, pl.col("hour"))
            ).alias("expected_ms"),
        )
    )


def last_readings(window: Window, samples: pl.DataFrame) -> pl.DataFrame:
    """Each subject's newest reading of energy up to the end of every hour in which it has one.

    Returns:
        `subject`, `hour` (ms), `last_ms`, `last_joules_total`, `last_watts`.
    """
    return (
        samples.filter(tells_energy())
        .filter((pl.col("time") > window.start_ms) & (pl.col("time") <= window.end_ms))
        .with_columns(((pl.col("time") - 1) // HOUR_MS * HOUR_MS).alias("hour"))
        .group_by("subject", "hour")
        .agg(
            pl.col("time").last().alias("last_ms"),
            pl.col("energy_joules_total").last().alias("last_joules_total"),
            pl.col("power_watts").last().alias("last_watts"),
        )
    )


def booked(kind: str, entries: pl.DataFrame) -> pl.DataFrame:
    """What was booked per key and hour.

    Args:
        kind: `device`, `node` or `job`.
        entries: Minute entries of that table.

    Returns:
        `key`, `hour` (datetime), `duration_ms`, `energy_joules`, `tokens`, `entries`, `checksum`.
    """
    duration = "running_ms" if kind == "job" else "duration_ms"
    energy = (
        pl.lit(None, dtype=pl.Float64)
        if kind == "job"
        else pl.when(pl.col("energy_joules").is_not_null().any()).then(
            pl.col("energy_joules").sum()
        )
    )
    # Entries of an earlier program lack what it did not know.
    counted = [name for name in COUNTED if name in entries.columns]
    tokens = (
        pl.sum_horizontal(pl.col(name).fill_null(0) for name in counted).sum()
        if kind == "job"
        else pl.lit(None, dtype=pl.Int64)
    )
    return (
        entries.with_columns(checksums(entries).alias("checksum"))
        .group_by(pl.col(KEY[kind]).alias("key"), pl.col("minute").dt.truncate("1h").alias("hour"))
        .agg(
            pl.col(duration).sum().cast(pl.Float64).alias("duration_ms"),
            energy.alias("energy_joules"),
            tokens.alias("tokens"),
            pl.len().cast(pl.Int64).alias("entries"),
            pl.col("checksum").sum().alias("checksum"),
        )
    )


def checksums(entries: pl.DataFrame) -> pl.Series:
    """A number per row that every one of its values changes.

    Sums of them are compared, so rows may be in any order. Integers wrap on purpose.
    """
    total = pl.lit(_SEED, dtype=pl.UInt64)
    made: dict[str, pl.Series] = {}
    for column, type in entries.schema.items():
        value = pl.col(f"_{column}")
        if type == pl.String or isinstance(type, pl.Enum):
            made[f"_{column}"] = _numbers(entries[column].cast(pl.String))
        elif type.is_float():
            # The bits of the float: any change of it shows, and any size fits.
            value = pl.col(column).reinterpret(dtype=pl.UInt64)
        else:
            value = pl.col(column).to_physical().cast(pl.Int64).reinterpret(signed=False)
        total = (total ^ value.fill_null(_PRIME)) * pl.lit(_PRIME, dtype=pl.UInt64)
    # The high half, folded onto the low one: a product's low bits spread least.
    mixed = total ^ (total // pl.lit(1 << 32, dtype=pl.UInt64))
    return entries.with_columns(**made).select(mixed.alias("checksum"))["checksum"]


def _numbers(column: pl.Series) -> pl.Series:
    # Names repeat: each is turned into a number once, and looked up by its place among them.
    names = column.drop_nulls().unique()
    numbers = pl.Series([_number(name) for name in names], dtype=pl.UInt64)
    return numbers.gather(column.cast(pl.Enum(names)).to_physical())


def _number(text: str) -> int:
    data = text.encode()
    return zlib.crc32(data) << 32 | zlib.adler32(data)


def total_checksum(sums: Iterable[int]) -> int:
    """Add checksums as the frames do, wrapping at 64 bits."""
    return sum(sums) % (1 << 64)
