from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.kpi.query import figures
from wattline_collector.registers import cells, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.schema import REGISTERS

START_MS = 1_793_491_200_000  # 2026-11-01T00:00Z, on the hour
H100 = "NVIDIA H100 80GB HBM3"


@dataclass
class Factory:
    """Jobs, told as they would tell themselves, and the figures that come of them."""

    telemetry: Any
    every_s: int = 60

    def device(self, *names: str, model: str = H100, until_s: float, **more: Any) -> None:
        for name in names:
            self.telemetry.device(name, model=model)
            self.telemetry.samples(name, last_s=until_s, **{"sm_active_ratio": 0.5, **more})

    def job(
        self,
        id: str,
        start_s: int,
        end_s: int,
        /,
        *devices: str,
        rates: Mapping[str, float] | None = None,
        model: Mapping[str, Any] | None = None,
        kind: str = "training",
        gauges: Mapping[str, Callable[[int], int | None]] | None = None,
        **info: Any,
    ) -> None:
        """A job that holds devices and counts so much a second."""
        for device in devices:
            self.telemetry.assign(id, start_s, end_s, device)
        said = {"kind": kind, "state": "completed", **info}
        self.telemetry.info(id, start_s, end_s, **said)
        rows = {}
        for second in range(start_s, end_s + 1, self.every_s):
            row: dict[str, Any] = {
                counter: round(rate * (second - start_s), 6)
                if counter.startswith("phase")
                else round(rate * (second - start_s))
                for counter, rate in (rates or {}).items()
            }
            row |= {gauge: value(second) for gauge, value in (gauges or {}).items()}
            rows[float(second)] = row
        if rates:
            self.telemetry.counts(id, rows)
        if model is not None:
            told = {"time_unix_ms": START_MS + end_s * 1000, "job": id, **model}
            self.telemetry.add("job_model", [told], period_ms=0)

    def book(self, until_s: float) -> None:
        self.telemetry.book(until_s)

    def register(self, name: str, *rows: Mapping[str, str]) -> None:
        """Rows of a register, as a CSV would bring them."""
        register = REGISTERS[name]
        values = [cells.row(register, row, Setting()) for row in rows]
        frame = pl.DataFrame(values, schema=register.schema, orient="row")
        kept.update(self.path, register, frame, origin="csv", source="test", now_ms=START_MS)

    @property
    def path(self) -> Path:
        path = self.telemetry.path
        assert isinstance(path, Path)
        return path

    def figures(self, id: str, **more: Any) -> list[Figure]:
        return figures(self.path, [id], **more)

    def one(self, id: str, period: Period | None = None, **dims: str) -> Figure:
        """The figure with those dimensions; those of them that are parts need not be asked for."""
        parts = registry.find(id).parts
        by = [name for name in dims if name not in parts]
        (figure,) = [
            figure
            for figure in figures(self.path, [id], period, by=by or None)
            if all(figure.dims[name] == value for name, value in dims.items())
        ]
        return figure

    def hours(self, first: float, last: float) -> Period:
        """A period, in hours since the start."""
        return Period(*(datetime.fromtimestamp(START_MS / 1000 + h * 3600, UTC)
                        for h in (first, last)))  # fmt: skip


@pytest.fixture
def factory(telemetry: Any) -> Factory:
    return Factory(telemetry)
