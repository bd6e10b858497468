from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from wattline_agents.catalogue import TABLES, Type
from wattline_agents.clock import Clock
from wattline_collector.ledger.booking import book
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.schema import HOUR_MS

Row = Mapping[str, object]
START = 1_793_491_200_000  # 2026-11-01T00:00Z, on the hour

_TYPES = {Type.INT: pl.Int64(), Type.FLOAT: pl.Float64(), Type.TEXT: pl.String()}


@dataclass
class Telemetry:
    """Rows in memory, read the way booking reads a store."""

    path: Path
    sent: dict[str, list[Row]] = field(default_factory=dict)
    system: str = "test"

    def add(
        self, table: str, rows: Sequence[Row], *, node: str = "n1", period_ms: int = 10_000
    ) -> None:
        labelled = [
            {"system": self.system, "node": node, "period_ms": period_ms, **row} for row in rows
        ]
        self.sent.setdefault(table, []).extend(labelled)

    def read(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        schema: dict[str, pl.DataType] = {
            "system": pl.String(), "node": pl.String(), "period_ms": pl.Int64(),
        }  # fmt: skip
        schema |= {name: _TYPES[type] for name, type in TABLES[table].columns.items()}
        frame = pl.DataFrame(self.sent.get(table, []), schema=schema, orient="row")
        inside = frame.filter(pl.col("time_unix_ms").is_between(start_ms, end_ms, closed="left"))
        return inside.sort("system", "node", *TABLES[table].key, "time_unix_ms")

    def rows(
        self,
        table: str,
        start_ms: int,
        end_ms: int,
        columns: Collection[str],
        only: pl.Expr | None = None,
    ) -> pl.DataFrame:
        rows = self.read(table, start_ms, end_ms)
        return (rows if only is None else rows.filter(only)).select(columns)

    def take_dirty(self) -> set[tuple[str, int]]:
        return {
            (str(row["system"]), int(str(row["time_unix_ms"])) // HOUR_MS * HOUR_MS)
            for rows in self.sent.values()
            for row in rows
        }

    def confirm_booked(self) -> None:
        pass

    # What tests say

    def device(self, name: str = "gpu0", **more: object) -> None:
        self.add("device_info", [{"time_unix_ms": START, "device": name, **more}], period_ms=0)

    def samples(
        self,
        name: str = "gpu0",
        *,
        first_s: float = 0,
        last_s: float,
        every_s: float = 10,
        watts: float | None = 400.0,
        counter: Callable[[float], float | None] | None = None,
        **more: object,
    ) -> None:
        """Samples at a fixed pace; the counter is a function of seconds since the start."""
        period = round(every_s * 1000)
        count = round((last_s - first_s) / every_s)
        rows = []
        for i in range(count + 1):
            second = first_s + i * every_s
            rows.append(
                {
                    "time_unix_ms": START + round(second * 1000),
                    "device": name,
                    "up": 1,
                    "power_watts": watts,
                    "energy_joules_total": None if counter is None else counter(second),
                    **{
                        key: value(second) if callable(value) else value
                        for key, value in more.items()
                    },
                }
            )
        self.add("device", rows, period_ms=period)

    def assign(
        self,
        job: str,
        start_s: float,
        end_s: float | None,
        device: str = "gpu0",
        said_s: float | None = None,
        method: str = "recording",
        share: float | None = None,
    ) -> None:
        said = said_s if said_s is not None else (end_s if end_s is not None else start_s)
        self.add(
            "assignment",
            [
                {
                    "time_unix_ms": START + round(said * 1000),
                    "device": device,
                    "job": job,
                    "start_unix_ms": START + round(start_s * 1000),
                    "end_unix_ms": None if end_s is None else START + round(end_s * 1000),
                    "method": method,
                    "share": share,
                }
            ],
            period_ms=0,
        )

    def account(
        self,
        job: str,
        start_s: float | None,
        end_s: float | None,
        *,
        said_s: float,
        state: str = "completed",
        **more: object,
    ) -> None:
        """What the scheduler says of a job."""
        self.add(
            "accounting",
            [
                {
                    "time_unix_ms": at(said_s),
                    "job": job,
                    "scheduler": "slurm",
                    "state": state,
                    "start_unix_ms": at(start_s),
                    "end_unix_ms": at(end_s),
                    **more,
                }
            ],
            node="slurm",
            period_ms=0,
        )

    def node_state(
        self, state: str, start_s: float, end_s: float | None, *, said_s: float, host: str = "n1"
    ) -> None:
        """What the scheduler says of a node."""
        self.add(
            "node_state",
            [
                {
                    "time_unix_ms": at(said_s),
                    "host": host,
                    "state": state,
                    "start_unix_ms": at(start_s),
                    "end_unix_ms": at(end_s),
                }
            ],
            node="slurm",
            period_ms=0,
        )

    def info(self, job: str, start_s: float, end_s: float | None = None, **more: object) -> None:
        """What a job says of itself, when it starts or ends."""
        self.add(
            "job_info",
            [
                {
                    "time_unix_ms": at(start_s if end_s is None else end_s),
                    "job": job,
                    "start_unix_ms": at(start_s),
                    "end_unix_ms": at(end_s),
                    **more,
                }
            ],
            period_ms=0,
        )

    def counts(self, job: str, rows: Mapping[float, Row], *, node: str = "n1") -> None:
        """Rows of a job's counters, by the second."""
        self.add(
            "job", [{"time_unix_ms": at(s), "job": job, **row} for s, row in rows.items()],
            node=node,
        )  # fmt: skip

    def book(self, until_s: float, clock: Clock | None = None) -> Books:
        book(self, until_ms=START + round(until_s * 1000), clock=clock)
        return Books(self.path)


def at(second: float | None) -> int | None:
    """The moment so long after the start, in ms."""
    return None if second is None else START + round(second * 1000)


@dataclass
class Moment:
    """A clock that stands still until it is set."""

    now_ms: int = START + 24 * HOUR_MS

    def unix_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


@pytest.fixture
def clock() -> Moment:
    return Moment()


@pytest.fixture
def telemetry(tmp_path: Path) -> Telemetry:
    return Telemetry(tmp_path)


@pytest.fixture
def start_ms() -> int:
    return START


@pytest.fixture
def seconds() -> Callable[..., dict[str, float]]:
    """Seconds per account of everything booked."""

    def of(books: Books, table: str = "device", **where: object) -> dict[str, float]:
        entries = books.read(table, START - 24 * HOUR_MS, START + 40 * 24 * HOUR_MS)
        for column, value in where.items():
            entries = entries.filter(pl.col(column).eq_missing(pl.lit(value)))
        sums = entries.group_by("account").agg(pl.col("duration_ms").sum() / 1000)
        return dict(sums.iter_rows())

    return of


@pytest.fixture
def joules() -> Callable[..., dict[str, float | None]]:
    """Joules per account of everything booked."""

    def of(books: Books, table: str = "device", **where: object) -> dict[str, float | None]:
        entries = books.read(table, START - 24 * HOUR_MS, START + 40 * 24 * HOUR_MS)
        for column, value in where.items():
            entries = entries.filter(pl.col(column).eq_missing(pl.lit(value)))
        known = pl.col("energy_joules")
        sums = entries.group_by("account").agg(pl.when(known.is_not_null().any()).then(known.sum()))
        return dict(sums.iter_rows())

    return of
