from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from wattline_agents.errors import InputError
from wattline_collector.kpi.dimensions import with_dimensions
from wattline_collector.kpi.groups import HEADLINE, IF_KNOWN
from wattline_collector.kpi.query import figures, overview
from wattline_collector.kpi.registry import REGISTRY
from wattline_collector.kpi.view import load
from wattline_collector.ledger.accounts import Account

HOUR = 3600


@pytest.fixture
def seen(telemetry: Any, start_ms: int) -> Any:
    for gpu in "ab":
        telemetry.device(gpu)
        telemetry.samples(
            gpu, last_s=30 * HOUR, every_s=60, sm_active_ratio=0.6, counter=lambda s: 400 * s
        )
    telemetry.assign("j", HOUR, 5 * HOUR, "a")
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000, "energy_joules_total": 1000.0 * s}
            for s in range(0, 30 * HOUR + 1, 60)
        ],
        period_ms=60_000,
    )
    telemetry.book(30 * HOUR)
    return overview(telemetry.path).to_json()


def test_accounts_and_waterfall_start_from_what_was_installed(seen: Any) -> None:
    hours = {row["account"]: row["device_hours"] for row in seen["accounts"]}
    assert list(hours) == [account.value for account in Account]
    assert sum(hours.values()) == pytest.approx(60)
    steps = [row["device_hours"] for row in seen["waterfall"]]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] == pytest.approx(60)
    assert steps[-1] == pytest.approx(4)


def test_node_overhead_is_what_the_devices_did_not_use(seen: Any) -> None:
    energy = {(row["boundary"], row["account"]): row["energy_joules"] for row in seen["energy"]}
    assert energy["node", "node_overhead"] == pytest.approx(200 * 30 * HOUR)
    assert energy["gpu", "busy"] == pytest.approx(400 * 4 * HOUR)


def test_days_add_up_to_the_period(seen: Any) -> None:
    assert [day["day"] for day in seen["days"]] == ["2026-11-01", "2026-11-02"]
    assert sum(day["energy_joules"] for day in seen["days"]) == pytest.approx(1000 * 30 * HOUR)
    assert sum(sum(day["device_hours"].values()) for day in seen["days"]) == pytest.approx(60)


def test_a_job_is_listed_with_what_is_known_of_it_and_null_for_the_rest(seen: Any) -> None:
    (job,) = seen["jobs"]
    assert job["job"] == "j" and job["devices"] == 1
    assert job["device_hours"] == pytest.approx(4)
    assert job["energy_joules"] == pytest.approx(500 * 4 * HOUR)
    assert job["boundary"] == "node"
    assert job["tokens"] is None and job["tokens_per_joule"] is None and job["name"] is None


def test_outages_nobody_logged_are_said_to_be_unknown(seen: Any) -> None:
    assert any("scheduled outages are not known" in note for note in seen["notes"])


def test_it_says_whether_the_books_balance_and_is_plain_json(seen: Any) -> None:
    assert seen["audit"] == {"balanced": True, "findings": 0, "checked_hours": 30}
    assert json.loads(json.dumps(seen, allow_nan=False)) == seen


def test_the_work_of_a_job_that_failed_is_lost_in_every_table(
    telemetry: Any, start_ms: int
) -> None:
    telemetry.device()
    telemetry.samples(last_s=2 * HOUR, sm_active_ratio=0.6, counter=lambda s: 400 * s)
    telemetry.assign("j", 0, HOUR)
    telemetry.add(
        "job_info",
        [
            {
                "time_unix_ms": start_ms + HOUR * 1000,
                "job": "j",
                "state": "failed",
                "start_unix_ms": start_ms,
                "end_unix_ms": start_ms + HOUR * 1000,
            }
        ],
        period_ms=0,
    )
    books = telemetry.book(2 * HOUR)
    seen: Any = overview(telemetry.path).to_json()
    hours = {row["account"]: row["device_hours"] for row in seen["accounts"]}
    assert (hours["lost"], hours["busy"], hours["free"]) == pytest.approx((1.0, 0.0, 1.0))
    assert seen["waterfall"][-1] == {"step": "kept", "device_hours": pytest.approx(0)}
    assert seen["energy"][0] == {
        "boundary": "gpu", "account": "lost", "energy_joules": pytest.approx(400 * HOUR),
    }  # fmt: skip
    assert books.read("device", start_ms, start_ms + HOUR * 1000)["account"].to_list() == ["busy"]


def test_a_profile_that_is_not_right_is_said_and_left_out(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.6)
    telemetry.book(HOUR)
    whole = overview(telemetry.path)
    (telemetry.path / "profile.toml").write_text("country = 7 [\n")
    found = overview(telemetry.path)
    assert found.figures == whole.figures
    assert found.notes[1:] == whole.notes
    assert "which is not right" in found.notes[0] and "profile.toml:1" in found.notes[0]
    with pytest.raises(InputError, match=r"profile\.toml"):
        figures(telemetry.path, ["U01"])


def test_it_shows_the_chosen_figures_and_of_the_others_only_what_is_known(seen: Any) -> None:
    ids = [figure["id"] for figure in seen["figures"]]
    assert set(HEADLINE) <= set(ids) <= {*HEADLINE, *IF_KNOWN}
    assert all(ids.count(id) == 1 for id in HEADLINE)
    values = {figure["id"]: figure["value"] for figure in seen["figures"]}
    assert values["P01"] is None
    assert all(values[id] is not None for id in ids if id in IF_KNOWN)


def test_a_figure_that_is_one_of_several_is_named_after_its_part(seen: Any) -> None:
    for figure in seen["figures"]:
        name = ", ".join([REGISTRY[figure["id"]].name, *figure["dims"].values()])
        assert figure["name"] == name


@pytest.mark.parametrize("by", [[], ["system"], ["node"], ["month"]])
def test_hours_of_jobs_are_the_time_of_their_devices(
    seen: Any, telemetry: Any, by: list[str]
) -> None:
    view = with_dimensions(load(telemetry.path, None), by)
    key = list(dict.fromkeys(["system", "job", "account", "minute", *by]))
    expected = view.device.group_by(key).agg(pl.col("duration_ms").sum())
    assert_frame_equal(view.job_hours, expected, check_row_order=False)
    assert view.job_hours["duration_ms"].sum() == 60 * HOUR * 1000
