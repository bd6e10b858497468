from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.kpi.query import figures
from wattline_collector.pages.read import Missing


def test_a_figure_is_that_of_the_kpi_command(ask_planted: Any, planted: Path) -> None:
    [told] = ask_planted("/v1/figure", [("id", "s10")])["figures"]
    [kpi] = figures(planted, ["S10"])
    assert told["value"] == pytest.approx(kpi.value, rel=1e-12)
    assert told["value"] > 0
    assert told["coverage"] == kpi.coverage


def test_a_kpi_that_is_not_there_is_missing_and_one_must_be_named(ask_planted: Any) -> None:
    with pytest.raises(Missing, match="S99"):
        ask_planted("/v1/figure", [("id", "S99")])
    with pytest.raises(UsageError, match="which KPI"):
        ask_planted("/v1/figure")
