from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from wattline_collector.efficiency.figures import FIGURES, Bag
from wattline_collector.efficiency.report import Identity, JobReport, Timeline
from wattline_collector.kpi.figure import Period


@pytest.fixture
def job() -> Callable[..., JobReport]:
    """A job of which these figures are known; `coverage` of all of them, or of some by name."""

    def job(
        figures: dict[str, float],
        coverage: float = 1.0,
        thin: dict[str, float] | None = None,
        **identity: Any,
    ) -> JobReport:
        period = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
        bag = Bag(period)
        for id, value in figures.items():
            below = 1.0 if FIGURES[id].below else None
            known = (thin or {}).get(id, coverage)
            bag.put(id, value / FIGURES[id].scale, below, coverage=known)
        usual: dict[str, Any] = {name: None for name in Identity.__dataclass_fields__}
        usual |= {"system": "s", "job": "1", "job_id": "1", "nodes": (), "models": {},
                  "attempts": ()}  # fmt: skip
        return JobReport(
            identity=Identity(**(usual | identity)),
            period=period,
            as_of_ms=None,
            now_ms=0,
            figures=bag,
            accounts=(),
            devices=(),
            timeline=Timeline(0, 60_000, (), ()),
            latencies=(),
            mfu=None,
            attribution={},
            notes=(),
        )

    return job
