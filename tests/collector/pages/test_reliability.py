from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import Role, Viewer
from wattline_collector.kpi.query import figures
from wattline_collector.kpi.view import load
from wattline_collector.ledger.accounts import Account
from wattline_collector.pages import reliability
from wattline_collector.pages.strip import LETTERS, _coloured
from wattline_collector.warning.finding import Finding, Kind

Ask = Callable[..., Any]
MANAGER = Viewer("mara", roles=frozenset({Role.MANAGER}))


@pytest.fixture(scope="module")
def answer(ask_planted: Ask) -> Any:
    return ask_planted("/v1/reliability")


def test_its_figures_are_those_of_the_registry(answer: Any, planted: Path) -> None:
    told = {(row["id"], tuple(row["dims"].items())): row["value"] for row in answer["figures"]}
    for one in figures(planted, ["A01", "A02", "A03", "A06", "A07"]):
        assert told[one.id, tuple(one.dims.items())] == pytest.approx(one.value)


def test_the_strip_has_a_cell_for_every_hour(answer: Any) -> None:
    (row,) = answer["strip"]["rows"]
    assert (answer["strip"]["hours"], len(row["cells"])) == (1, 28 * 24)
    assert set(row["cells"]) <= set(LETTERS)


def test_nodes_are_sorted_by_what_was_out_of_service(ask_planted: Ask, answer: Any) -> None:
    strip = ask_planted("/v1/reliability", [("by", "node")])["strip"]
    out = [row["out_hours"] for row in strip["rows"]]
    assert len(out) == strip["nodes"] == 6
    assert out == sorted(out, reverse=True)
    assert sum(out) == pytest.approx(answer["strip"]["rows"][0]["out_hours"])


def test_hours_out_of_service_are_those_of_the_ledger(answer: Any, planted: Path) -> None:
    view = load(planted, None)
    out = [Account.DOWN.value, Account.UNOBSERVED.value, Account.MAINTENANCE.value]
    ms = view.device.filter(pl.col("account").cast(pl.String).is_in(out))["duration_ms"].sum()
    assert answer["strip"]["rows"][0]["out_hours"] == pytest.approx(ms / 3_600_000)


def sums(**ms: int) -> pl.DataFrame:
    rows = [(0, account, duration) for account, duration in ms.items()]
    return pl.DataFrame(rows, schema=["cell", "account", "duration_ms"], orient="row")


@pytest.mark.parametrize(
    ("ms", "letter"),
    [
        ({"busy": 96, "down": 4}, "b"),
        ({"busy": 95, "down": 5}, "d"),
        ({"busy": 60, "maintenance": 30, "down": 10}, "m"),
        ({"busy": 90, "maintenance": 5, "down": 5}, "d"),
        ({"held": 50, "free": 49}, "h"),
    ],
)
def test_a_cell_shows_what_was_out_from_a_twentieth_on(ms: dict[str, int], letter: str) -> None:
    assert _coloured(sums(**ms), [])["letter"].to_list() == [letter]


def test_incidents_by_cause_add_up_and_count_a_nodes_time_once(answer: Any) -> None:
    told = answer["incidents"]
    rows = Counter[tuple[str, bool]]()
    for row in told["rows"]:
        rows[row["cause"], row["scheduled"]] += 1
    assert {(c["cause"], c["scheduled"]): c["count"] for c in told["causes"]} == rows
    for cause in told["causes"]:
        mine = [row for row in told["rows"] if row["cause"] == cause["cause"]]
        assert 0 < cause["gpu_hours"] <= sum(row["gpu_hours"] for row in mine) + 1e-9


def test_an_outage_of_the_whole_system_takes_all_its_devices(answer: Any) -> None:
    whole = [row for row in answer["incidents"]["rows"] if row["scope"] == "system"]
    assert whole
    for row in whole:
        assert row["nodes"] == 6
        assert row["gpu_hours"] == pytest.approx(row["hours"] * 12)


def test_a_small_fleet_is_accused_of_nothing_and_told_the_limits(ask_planted: Ask) -> None:
    told = ask_planted("/v1/reliability/warnings")
    assert told["findings"] == []
    assert told["limits"]["least_nodes"] == 8
    assert told["nodes"] == 6


def test_jobs_in_the_evidence_are_for_who_sees_everybodys(
    ask_planted: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = "4 incidents in 28 days of jobs, by their nodes, where others have 1 (job 42 x3)"
    finding = Finding(Kind.JOB_FAILURE, "sim", "n1", None, 0, 0.001, 4.0, evidence)

    class Told:
        def to_json(self) -> dict[str, object]:
            return {"findings": [finding.to_json()]}

    monkeypatch.setattr("wattline_collector.warning.report.report", lambda _: Told())
    (staffs,) = ask_planted("/v1/reliability/warnings")["findings"]
    (managers,) = ask_planted("/v1/reliability/warnings", viewer=MANAGER)["findings"]
    assert "job 42" in staffs["evidence"]
    assert "42" not in managers["evidence"]
    assert managers["evidence"].startswith("4 incidents in 28 days")


@pytest.mark.parametrize("days", ["0", "93", "-1", "a", "٣"])
def test_days_that_cannot_be_are_refused(ask_planted: Ask, days: str) -> None:
    with pytest.raises(UsageError, match="days"):
        ask_planted("/v1/reliability/warnings", [("days", days)])


def test_nothing_but_whole_or_node_is_asked_for(ask_planted: Ask) -> None:
    with pytest.raises(UsageError, match="whole"):
        ask_planted("/v1/reliability", [("by", "rack")])
    assert {read.path for read in reliability.READS} == {
        "/v1/reliability", "/v1/reliability/warnings",
    }  # fmt: skip
