"""What the store's telemetry says of one job's devices and nodes, read by them and not by time.

A segment holds a day of a whole system; a job needs a few devices of it. So the filter goes into
the scan, and of a long job on many devices only one reading in several is taken, each standing for
those left out: what is read stays bounded, whatever the job's size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from wattline_agents.catalogue import PHASES, TABLES, THROTTLE_REASONS
from wattline_agents.errors import InputError
from wattline_collector.efficiency.evidence import HOSTS, RANKS, READINGS
from wattline_collector.store import filenames, manifest, segments
from wattline_collector.store.store import Store

MOST_ROWS = 2_000_000
"""Readings of devices taken at most: at a hundred bytes each, 200 MB while they are added up."""
_DEFAULT_PERIOD_MS = 10_000
_LONGEST_MS = 60_000
"""A reading stands for its sampling period; longer ones are not a pace but a hole."""

_THROTTLES = {f"throttle_{r}_seconds": f"throttle_{r}_seconds_total" for r in THROTTLE_REASONS}
_DEVICE_COLUMNS = (
    "node", "device", "time_unix_ms", "period_ms", "tensor_active_ratio", "dram_active_ratio",
    "memory_used_bytes", "memory_size_bytes", "power_limit_watts", "power_limit_default_watts",
    *_THROTTLES.values(),
)  # fmt: skip
_OVER_TIME = (
    "node", "device", "time_unix_ms", "period_ms", "sm_active_ratio", "busy_ratio", "power_watts",
)  # fmt: skip
_NODE_COLUMNS = (
    "node", "time_unix_ms", "period_ms", "cpu_busy_ratio", "cpu_user_seconds_total",
    "cpu_system_seconds_total", "memory_size_bytes",
)  # fmt: skip
_PHASES = [f"phase_{phase}_seconds_total" for phase in PHASES]
_RANK_COLUMNS = ("node", "time_unix_ms", "job", *_PHASES)


@dataclass(frozen=True)
class Telemetry:
    """The telemetry of one system in one stretch of time.

    Attributes:
        store: The store's directory.
        system: Which.
        start_ms: First moment.
        end_ms: The moment after the last.
        live: The store as its writer has it open, with what is not sealed yet; opened to read if
            None and anything may be unsealed.
    """

    store: Path
    system: str
    start_ms: int
    end_ms: int
    live: Store | None = None

    def readings(self, held: pl.DataFrame) -> pl.DataFrame:
        """What was read of devices while the job held them.

        Args:
            held: `HELD`.

        Returns:
            `READINGS`, one row per device.
        """
        if held.is_empty():
            return READINGS.to_frame()
        spans = held.group_by("device").agg(
            pl.col("start_ms").min().alias("from_ms"), pl.col("end_ms").max().alias("until_ms")
        )
        length = spans.select((pl.col("until_ms") - pl.col("from_ms")).sum()).item()
        rows = self._rows(
            "device", _DEVICE_COLUMNS, pl.col("device").is_in(spans["device"].implode()),
            every=_every(length),
        ).join(spans, on="device")  # fmt: skip
        inside = rows.filter(
            (pl.col("time_unix_ms") > pl.col("from_ms"))
            & (pl.col("time_unix_ms") <= pl.col("until_ms"))
        )
        return device_sums(inside.with_columns(_weight(_every(length)).alias("ms")))

    def over_time(self, held: pl.DataFrame) -> pl.DataFrame:
        """Activity and power of devices while the job held them, reading by reading.

        Args:
            held: `HELD`.

        Returns:
            `device`, `time_unix_ms` (its end), `ms` (what it stands for), `activity` (compute
            units at work, else whether any kernel ran, 0-1) and `watts`; null where not read.
        """
        length = held.select((pl.col("end_ms") - pl.col("start_ms")).sum()).item() or 0
        rows = self._rows(
            "device", _OVER_TIME, pl.col("device").is_in(held["device"].unique().implode()),
            every=_every(length),
        )  # fmt: skip
        return rows.select(
            "device",
            "time_unix_ms",
            _weight(_every(length)).alias("ms"),
            pl.coalesce("sm_active_ratio", "busy_ratio").alias("activity"),
            pl.col("power_watts").alias("watts"),
        )

    def hosts(self, nodes: Collection[str]) -> pl.DataFrame:
        """How much of the nodes' processors was at work.

        Returns:
            `HOSTS`.
        """
        if not nodes:
            return HOSTS.to_frame()
        of_nodes = pl.col("node").is_in(list(nodes))
        every = _every(len(nodes) * (self.end_ms - self.start_ms))
        rows = self._rows("node", _NODE_COLUMNS, of_nodes, every=every)
        info = self._rows("node_info", ("node", "time_unix_ms", "cores"), of_nodes, whole_days=True)
        return host_sums(rows.with_columns(_weight(every).alias("ms")), info)

    def ranks(self, job: str) -> pl.DataFrame:
        """Time in steps and in all phases, node by node.

        Returns:
            `RANKS`.
        """
        rows = self._rows("job", _RANK_COLUMNS, pl.col("job") == job)
        return rank_sums(rows)

    def _rows(
        self,
        table: str,
        columns: Collection[str],
        which: pl.Expr,
        *,
        every: int = 1,
        whole_days: bool = False,
    ) -> pl.DataFrame:
        """Rows of a table in the time, of the wanted things, one in `every` by time, in order."""
        time = pl.col("time_unix_ms")
        start_ms, end_ms = self.start_ms, self.end_ms + 1
        if whole_days:
            # What is repeated every few minutes may not have been in the job's own time.
            start_ms -= segments.DAY_MS
            end_ms += segments.DAY_MS
        mine = which & (pl.col("system") == self.system)
        wanted = mine & time.is_between(start_ms, end_ms, closed="left")
        if every > 1:
            # By the reading's own number, so that every device keeps its share.
            number = time // pl.col("period_ms").clip(lower_bound=1)
            wanted &= number % every == 0
        declared = TABLES[table]
        names = [*dict.fromkeys(("system", *columns))]
        parts, sealed_ms = [], start_ms
        for segment in self._sealed:
            if segment.table != table:
                continue
            sealed_ms = max(sealed_ms, segment.last_ms + 1)
            if segment.first_ms < end_ms and start_ms <= segment.last_ms:
                parts.append(_scanned(self.store / segment.file, wanted))
        if sealed_ms < end_ms:
            parts.append(self._unsealed(table, names, sealed_ms, end_ms, mine).filter(wanted))
        whole = [segments.whole(declared, part, names) for part in parts]
        if not whole:
            return segments.whole(declared, pl.DataFrame(schema=segments.schema(declared)), names)
        order = [name for name in segments.order(declared) if name in names]
        return pl.concat(whole).unique(order, keep="first").sort(order, nulls_last=False)

    @cached_property
    def _sealed(self) -> Sequence[manifest.Segment]:
        """What is sealed: read once, for a manifest also names every batch that is in the store."""
        if self.live is not None:
            return self.live.segments()
        return manifest.load(self.store / filenames.MANIFEST, repair=False).segments

    def _unsealed(
        self, table: str, columns: Collection[str], start_ms: int, end_ms: int, mine: pl.Expr
    ) -> pl.DataFrame:
        if self.live is not None:
            return self.live.rows(table, start_ms, end_ms, columns, mine)
        with Store.open(self.store, write=False) as store:
            return store.rows(table, start_ms, end_ms, columns, mine)


def _scanned(path: Path, wanted: pl.Expr) -> pl.DataFrame:
    try:
        return pl.scan_parquet(path, glob=False).filter(wanted).collect(engine="streaming")
    except FileNotFoundError:
        # Merged into another since it was listed, or past its retention: the coverage will tell.
        return pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        raise InputError("damaged segment; restore it from a copy", path=path) from error


def _every(device_ms: float) -> int:
    return max(1, -(-round(device_ms / _DEFAULT_PERIOD_MS) // MOST_ROWS))


def _weight(every: int) -> pl.Expr:
    period = pl.col("period_ms")
    paced = pl.when(period.is_between(1, _LONGEST_MS)).then(period)
    return paced.otherwise(_DEFAULT_PERIOD_MS).cast(pl.Float64) * every


def device_sums(rows: pl.DataFrame) -> pl.DataFrame:
    """Add readings up per device.

    Args:
        rows: Columns of table `device`, sorted by device and time, and `ms`, what each stands for.

    Returns:
        `READINGS`.
    """

    def integral(column: str, name: str) -> Iterable[pl.Expr]:
        value, ms = pl.col(column), pl.col("ms")
        yield (value * ms).sum().alias(f"{name}_ms")
        yield ms.filter(value.is_not_null()).sum().alias(f"{name}_known_ms")

    return (
        rows.group_by("device", maintain_order=True)
        .agg(
            pl.col("node").last(),
            pl.col("ms").sum().alias("read_ms"),
            *integral("tensor_active_ratio", "tensor"),
            *integral("dram_active_ratio", "dram"),
            pl.col("ms")
            .filter(pl.col("memory_used_bytes").is_not_null())
            .sum()
            .alias("memory_known_ms"),
            pl.col("memory_used_bytes").max().alias("memory_peak_bytes"),
            pl.col("memory_size_bytes").max(),
            pl.col("power_limit_watts").min(),
            pl.col("power_limit_default_watts").max(),
            *(_grown(column).alias(name) for name, column in _THROTTLES.items()),
        )
        .select(READINGS.names())
        .cast(READINGS)
    )


def _grown(column: str) -> pl.Expr:
    """How much a counter grew; one that runs backwards began anew, and that step is not known."""
    steps = pl.col(column).drop_nulls().diff()
    return pl.when(steps.len() > 1).then(steps.clip(lower_bound=0).sum()).alias(column)


def host_sums(rows: pl.DataFrame, info: pl.DataFrame) -> pl.DataFrame:
    """Add processor time up per node: by its counters, else by the ratio and the number of cores.

    Args:
        rows: Columns of table `node`, sorted by node and time, and `ms`.
        info: `node`, `cores` of table `node_info`.

    Returns:
        `HOSTS`.
    """
    used = pl.col("cpu_user_seconds_total") + pl.col("cpu_system_seconds_total")
    cores = info.drop_nulls("cores").group_by("node").agg(pl.col("cores").last())
    busy = pl.col("cpu_busy_ratio")
    times = pl.col("time_unix_ms").filter(used.is_not_null())
    sums = rows.group_by("node").agg(
        pl.when(used.count() > 1)
        .then(used.drop_nulls().diff().clip(lower_bound=0).sum() * 1000)
        .alias("counted_core_ms"),
        (times.max() - times.min()).alias("counted_ms"),
        (busy * pl.col("ms")).sum().alias("busy_ms"),
        pl.col("ms").filter(busy.is_not_null()).sum().alias("busy_known_ms"),
        pl.col("memory_size_bytes").max(),
    )
    by_counter = pl.col("counted_core_ms").is_not_null()
    return (
        sums.join(cores, on="node", how="left")
        .select(
            "node",
            "cores",
            "memory_size_bytes",
            pl.when(by_counter)
            .then("counted_core_ms")
            .otherwise(pl.col("busy_ms") * pl.col("cores"))
            .alias("busy_core_ms"),
            pl.when(by_counter).then("counted_ms").otherwise("busy_known_ms").alias("known_ms"),
        )
        .sort("node")
        .cast(HOSTS)
    )


def rank_sums(rows: pl.DataFrame) -> pl.DataFrame:
    """Time in steps and in all phases, per node that tells both.

    Args:
        rows: Columns of table `job` of one job, sorted by node and time.

    Returns:
        `RANKS`.
    """
    grown = rows.group_by("node", maintain_order=True).agg(_grown(phase) for phase in _PHASES)
    return (
        grown.select(
            "node",
            pl.col("phase_step_seconds_total").alias("step_seconds"),
            pl.sum_horizontal(_PHASES).alias("phase_seconds"),
        )
        .drop_nulls()
        .cast(RANKS)
    )
