"""A small factory put together by hand: every figure of it can be computed on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi import registry
from wattline_collector.kpi.controls import Controls
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.kpi.inputs import Inputs
from wattline_collector.kpi.view import View
from wattline_collector.ledger.records import INVENTORY, JOBS
from wattline_collector.ledger.scanned import Scanned
from wattline_collector.ledger.schema import CONTROL, DEVICE, JOB, NODE
from wattline_collector.registers import csv_file, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import REGISTERS

HOUR = 3_600_000
START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 4, 1, tzinfo=UTC)
T0 = round(START.timestamp() * 1000)


def ms(at: float) -> int:
    """That many hours after 1 March 2026, UTC."""
    return T0 + round(at * HOUR)


@dataclass
class Site:
    """What its books, its scheduler, its registers and its profile hold."""

    store: Path
    entries: list[dict[str, object]] = field(default_factory=list)
    jobs: list[dict[str, object]] = field(default_factory=list)
    things: list[dict[str, object]] = field(default_factory=list)
    booked_until: dict[str, float] = field(default_factory=dict)
    running: list[dict[str, object]] = field(default_factory=list)

    def install(self, count: int, *, system: str = "s", per_node: int = 4, at: float = 0) -> None:
        """Devices `d0`, `d1`, ... on nodes `n0`, ... of racks of two nodes, from an hour on."""
        for i in range(count):
            node = i // per_node
            self.things.append(
                {"system": system, "kind": "device", "key": f"d{i}", "node": f"n{node}",
                 "from_ms": ms(at), "model": "H200", "rack": f"r{node // 2}"}
            )  # fmt: skip
        self.booked_until.setdefault(system, 744)

    def hold(
        self, device: str, job: str | None, account: str, first: float, last: float,
        *, system: str = "s", node: str = "n0",
        watts: float | None = None,
    ) -> None:  # fmt: skip
        """An account's time, hour by hour."""
        at = first
        while at < last:
            hours = min(1.0, last - at)
            self.entries.append(
                {"system": system, "minute": datetime.fromtimestamp(ms(at) / 1000, UTC),
                 "node": node, "device": device, "job": job, "account": account,
                 "duration_ms": round(hours * HOUR), "samples": 0, "samples_expected": 0.0,
                 "energy_joules": None if watts is None else watts * hours * 3600,
                 "energy_ms": 0 if watts is None else round(hours * HOUR),
                 "energy_method": None if watts is None else "counter"}
            )  # fmt: skip
            at += hours

    def account(
        self, job: str, *, gpus: int | None = 8, submit: float = 0, start: float | None = 0,
        end: float | None = 1, system: str = "s", **more: object,
    ) -> None:  # fmt: skip
        """What the scheduler says of a job; times in hours."""
        times = {"submit_ms": submit, "eligible_ms": submit, "start_ms": start, "end_ms": end}
        self.jobs.append(
            {"system": system, "job": job, "gpus": gpus, "state": "completed",
             **{name: None if at is None else ms(at) for name, at in times.items()}} | more
        )  # fmt: skip

    def register(self, name: str, *rows: str) -> None:
        """Import a register: a header and its rows."""
        path = self.store / f"{name}.csv"
        path.write_text("\n".join(rows) + "\n")
        register = REGISTERS[name]
        taken = csv_file.read(path, register, Setting(UTC, None))
        assert not taken.damaged, taken.damaged
        kept.update(
            self.store, register, taken.frame, origin="csv", source="test", now_ms=0, is_whole=True
        )

    def profile(self, text: str, zone: str = "UTC") -> None:
        """Write a profile."""
        head = f'id = "f"\nname = "F"\ncountry = "FI"\ntime_zone = "{zone}"\ntrack = 3\n'
        (self.store / "profile.toml").write_text(head + text)

    def view(self, start: datetime = START, end: datetime = END) -> View:
        low, high = (round(at.timestamp() * 1000) for at in (start, end))
        device = pl.DataFrame(self.entries, schema=DEVICE, orient="row").filter(
            pl.col("minute").dt.epoch("ms").is_between(low, high, closed="left")
        )
        day = pl.col("minute").dt.strftime("%Y-%m-%d").alias("day")
        known = [
            {name: row.get(name) for name in ("system", "job", "start_ms", "end_ms", "user")}
            for row in self.jobs
        ]
        control = [
            {"system": system, "kind": "device", "key": "d0", "node": "n0",
             "hour": datetime.fromtimestamp(ms(until - 1) / 1000, UTC),
             "booked_until": datetime.fromtimestamp(ms(until) / 1000, UTC)}
            for system, until in self.booked_until.items()
        ]  # fmt: skip
        span = {"system": pl.String(), "job": pl.String(), "start": pl.Int64(), "end": pl.Int64()}
        return View(
            period=Period(start, end),
            device_scan=Scanned.of(device.with_columns(day)),
            node=NODE.to_frame().with_columns(day),
            job=JOB.to_frame().with_columns(day, pl.lit(None, pl.String).alias("kind")),
            control=Controls.of_frame(pl.DataFrame(control, schema=CONTROL)),
            jobs=pl.DataFrame(known, schema=JOBS),
            inventory=pl.DataFrame(self.things, schema=INVENTORY),
            running=pl.DataFrame(self.running, schema=span),
            accounted=pl.DataFrame(self.jobs, schema=ACCOUNTED),
            projects=kept.projects(self.store),
            inputs=Inputs(self.store, low, high),
        )

    def figures(
        self, id: str, by: Sequence[str] = (), start: datetime = START, end: datetime = END
    ) -> list[Figure]:
        return registry.evaluate(registry.find(id), self.view(start, end), by)

    def by(
        self, id: str, *names: str, by: Sequence[str] = (), end: datetime = END
    ) -> dict[tuple[str, ...], Figure]:
        """Figures by the dimensions named."""
        found = self.figures(id, by, end=end)
        return {tuple(figure.dims[name] for name in names): figure for figure in found}

    def one(self, id: str, start: datetime = START, end: datetime = END) -> Figure:
        (figure,) = self.figures(id, start=start, end=end)
        return figure


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "store").mkdir()
    return Site(tmp_path / "store")
