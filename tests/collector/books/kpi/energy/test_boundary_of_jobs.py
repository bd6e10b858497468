from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.kpi.query import figures

HOUR = 3600


def _energy(telemetry: Any) -> tuple[float | int | None, str]:
    (figure,) = figures(telemetry.path, ["S12"])
    return figure.value, figure.method


def test_a_long_silence_after_a_job_does_not_change_where_its_energy_was_metered(
    telemetry: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, counter=lambda s: 500 * s)
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000, "energy_joules_total": 800.0 * s}
            for s in range(0, HOUR + 1, 10)
        ],
    )
    telemetry.assign("job", 0, HOUR)
    telemetry.book(HOUR)
    short = _energy(telemetry)
    assert short[0] == pytest.approx(0.8)
    assert short[1] == "counter, node boundary"
    telemetry.book(6 * HOUR)
    assert _energy(telemetry) == short
