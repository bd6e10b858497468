"""A site with books, facility meters, carbon factors and a profile, as people bring them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.kpi.view import View, load, utc
from wattline_collector.registers import cells, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.declare import Register
from wattline_collector.registers.schema import FACTORS, FACTORS_HOURLY, METERS, RESULTS

HOUR_MS = 3_600_000
HOUR = 3600
HEAD = 'id = "a-aif"\nname = "A"\ncountry = "FI"\ntime_zone = "Europe/Helsinki"\n'


@dataclass
class Site:
    """A store in the making."""

    telemetry: Any
    start_ms: int
    _imports: int = 0

    @property
    def path(self) -> Path:
        path = self.telemetry.path
        assert isinstance(path, Path)
        return path

    def book(
        self,
        hours: int = 1,
        *,
        watts: float = 700.0,
        node_watts: float | None = None,
        job_hours: tuple[int, int] | None = None,
        **device: Any,
    ) -> None:
        """One device that takes the same power all the time, and a job that holds it."""
        self.telemetry.device(**({"vendor": "nvidia", "model": "NVIDIA H200"} | device))
        self.telemetry.samples(
            last_s=hours * HOUR, every_s=60, watts=watts, sm_active_ratio=0.8,
            counter=lambda s: watts * s,
        )  # fmt: skip
        start, end = job_hours or (0, hours)
        self.telemetry.assign("j", start * HOUR, end * HOUR)
        if node_watts is not None:
            self.telemetry.add("node_info", [{"time_unix_ms": self.start_ms}], period_ms=0)
            rows = [
                {"time_unix_ms": self.start_ms + s * 1000, "energy_joules_total": node_watts * s}
                for s in range(0, hours * HOUR + 1, 60)
            ]
            self.telemetry.add("node", rows, period_ms=60_000)
        self.telemetry.book(hours * HOUR)

    def bring(self, register: Register, *rows: Mapping[str, str]) -> None:
        """Rows as people write them into a register's CSV."""
        self._imports += 1
        values = [cells.row(register, row, Setting()) for row in rows]
        frame = pl.DataFrame(values, schema=register.schema, orient="row")
        kept.update(
            self.path, register, frame, origin="csv", source="s", now_ms=self._imports
        )  # fmt: skip

    def meter(self, code: str, kwh: float, start: str, end: str, **said: str) -> None:
        """An amount of one indicator over an interval."""
        quantity, unit = {"W": ("water", "m3"), "E_REUSE": ("heat", "kWh")}.get(
            code if code == "E_REUSE" else code[0], ("energy", "kWh")
        )
        row = {
            "meter": code.lower(), "quantity": quantity, "eed": code, "reading": "amount",
            "start": start, "end": end, "value": repr(kwh), "unit": unit,
            "boundary": "ups_output" if code == "E_IT" else "",
        }  # fmt: skip
        self.bring(METERS, row | said)

    def factor(self, year: int, grams: float, **said: str) -> None:
        row = {
            "zone": "FI", "year": str(year), "value": repr(grams), "unit": "g/kWh",
            "method": "consumption", "scope": "lifecycle", "publisher": "operator",
            "licence": "CC BY 4.0",
        }  # fmt: skip
        self.bring(FACTORS, row | said)

    def hours(self, first: str, *grams: float | None, **said: str) -> None:
        """Factors of one hour after another; None is a hole."""
        start = datetime.fromisoformat(first)
        rows = [
            {"zone": "FI", "value": repr(value), "unit": "g/kWh", "method": "consumption",
             "scope": "direct", "publisher": "operator", "licence": "CC0",
             "hour": utc(round(start.timestamp() * 1000) + i * HOUR_MS).isoformat()} | said
            for i, value in enumerate(grams) if value is not None
        ]  # fmt: skip
        self.bring(FACTORS_HOURLY, *rows)

    def result(self, **said: str) -> None:
        self.bring(RESULTS, said)

    def profile(self, more: str = "", head: str = HEAD) -> None:
        (self.path / "profile.toml").write_text(head + more)

    def view(self, start: str | None = None, end: str | None = None) -> View:
        period = None
        if start is not None and end is not None:
            period = Period(*(datetime.fromisoformat(t).astimezone(UTC) for t in (start, end)))
        return load(self.path, period)

    def figures(
        self, id: str, by: Sequence[str] = (), start: str | None = None, end: str | None = None
    ) -> list[Figure]:
        return registry.evaluate(registry.find(id), self.view(start, end), by)

    def figure(self, id: str, start: str | None = None, end: str | None = None) -> Figure:
        (figure,) = self.figures(id, (), start, end)
        return figure

    def part(self, id: str, part: str, start: str | None = None, end: str | None = None) -> Figure:
        """The figure of one part of a KPI that has several."""
        (figure,) = [
            f for f in self.figures(id, (), start, end) if part in f.dims.values()
        ]  # fmt: skip
        return figure


@pytest.fixture
def site(telemetry: Any, start_ms: int) -> Site:
    return Site(telemetry, start_ms)


@pytest.fixture
def year() -> Callable[[int], tuple[str, str]]:
    return lambda number: (f"{number}-01-01T00:00+00:00", f"{number + 1}-01-01T00:00+00:00")
