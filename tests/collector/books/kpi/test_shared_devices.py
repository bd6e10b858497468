from __future__ import annotations

from typing import Any

from wattline_collector.kpi.query import figures
from wattline_collector.kpi.sums import ESTIMATED

HOUR = 3600


def _methods(telemetry: Any, id: str, **more: Any) -> dict[str, str]:
    return {
        figure.dims.get("job", ""): figure.method
        for figure in figures(telemetry.path, [id], **more)
    }


def test_what_a_part_of_a_device_had_is_called_an_estimate(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.6, counter=lambda s: 400 * s)
    telemetry.assign("part", 0, 1800, share=0.25)
    telemetry.assign("whole", 1800, HOUR)
    telemetry.book(HOUR)
    jobs = _methods(telemetry, "S12", by="job")
    assert jobs["part"] == f"counter, gpu boundary, {ESTIMATED}"
    assert jobs["whole"] == "counter, gpu boundary"
    assert ESTIMATED in _methods(telemetry, "S12")[""]
    assert _methods(telemetry, "U01")[""] == f"ledger, {ESTIMATED}"
    wasted = _methods(telemetry, "E06", by="job")
    assert (wasted["part"], wasted["whole"]) == (f"ledger, {ESTIMATED}", "ledger")


def test_whole_devices_are_no_estimates(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.6, counter=lambda s: 400 * s)
    telemetry.assign("whole", 0, HOUR)
    telemetry.book(HOUR)
    for id in ("S12", "U01", "U02", "E06"):
        assert ESTIMATED not in _methods(telemetry, id)[""]
