"""Energy by boundary, its flow from the grid to the accounts, and whether it adds up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.catalogue import TABLES
from wattline_agents.wire import Header, encode
from wattline_collector.access import STAFF
from wattline_collector.efficiency.compute import report
from wattline_collector.efficiency.gather import Question, gather
from wattline_collector.kpi import registry
from wattline_collector.kpi.controls import Controls
from wattline_collector.kpi.energy_flow import boundaries, flow
from wattline_collector.kpi.query import figures
from wattline_collector.ledger.booking import book
from wattline_collector.ledger.scanned import Scanned
from wattline_collector.ledger.schema import CONTROL
from wattline_collector.receive.intake import Intake
from wattline_collector.store.store import Store

KWH = 3.6e6
START = 1_793_491_200_000  # 2026-11-01T00:00Z
DAY = "2026-11-01"


def links(frame: pl.DataFrame) -> dict[tuple[str, str], float]:
    return {(source, target): joules / KWH for source, target, joules in frame.iter_rows()}


def assert_balanced(frame: pl.DataFrame) -> None:
    """At every knot that has both, what comes in goes out."""
    coming: dict[str, float] = defaultdict(float)
    going: dict[str, float] = defaultdict(float)
    for source, target, joules in frame.iter_rows():
        assert joules > 0
        going[source] += joules
        coming[target] += joules
    for knot in coming.keys() & going.keys():
        assert coming[knot] == pytest.approx(going[knot], rel=1e-9)


def test_700_watts_for_an_hour_are_0_700_kilowatt_hours(tmp_path: Path) -> None:
    """Sent, kept, sealed and booked as by a real agent."""
    path = tmp_path / "store"
    end = START + 3_600_000
    rows: dict[str, list[dict[str, Any]]] = {
        "device_info": [{"time_unix_ms": START, "device": "g", "index": 0, "vendor": "nvidia"}],
        "assignment": [
            {"time_unix_ms": end, "device": "g", "job": "1", "method": "prolog",
             "start_unix_ms": START, "end_unix_ms": end}
        ],
        "device": [
            {"time_unix_ms": START + s * 1000, "device": "g", "up": 1, "power_watts": 700.0,
             "energy_joules_total": 1e6 + 700.0 * s}
            for s in range(0, 3601, 10)
        ],
    }  # fmt: skip
    with Store.open(path, write=True) as store:
        intake = Intake(store)
        for number, (table, values) in enumerate(rows.items(), start=1):
            header = Header("sys", "n", "boot", number, 10_000)
            assert intake.accept(table, header, encode(TABLES[table], values))
        store.commit()
        store.seal()
        book(store, until_ms=end)
    (figure,) = figures(path, ["S12"])
    assert figure.value == pytest.approx(0.700, rel=1e-9)
    assert figure.low == pytest.approx(0.658)
    assert figure.high == pytest.approx(0.742)


def test_energy_of_a_node_without_a_known_bound_has_none(site: Any) -> None:
    site.book(node_watts=1000.0)
    figure = site.figure("S12")
    assert figure.value == pytest.approx(1.0)
    assert (figure.low, figure.high) == (None, None)


def test_devices_of_other_vendors_have_no_bound(site: Any) -> None:
    site.book(vendor="amd")
    assert (site.figure("S12").value, site.figure("S12").low) == (pytest.approx(0.7), None)


@pytest.mark.parametrize(
    ("said", "boundary"),
    [({}, "gpu"), ({"energy_scope": "module"}, "module"), ({"power_scope": "module"}, "module")],
)
def test_a_meter_that_sees_processor_and_memory_is_of_the_module(
    site: Any, said: dict[str, str], boundary: str
) -> None:
    site.book(**said)
    assert site.figure("S12").method == f"counter, {boundary} boundary"
    assert boundaries(site.view())["boundary"].to_list() == [boundary]
    # And so does the job itself.
    Store.open(site.path, write=True).close()
    asked = Question("j", STAFF, START + 3_600_000)
    figure = report(gather(site.path, asked)).figures["energy"]
    assert figure.method == f"counter, {boundary} boundary"


def test_idle_time_and_the_facility_stand_beside_the_energy_of_jobs(site: Any) -> None:
    site.book(24, node_watts=1000.0, job_hours=(0, 18))
    figure = site.figure("S12")
    assert (figure.value, figure.note) == (
        pytest.approx(18), "time that no job held took 6 kWh more"
    )  # fmt: skip
    site.meter("E_IT", 36.0, DAY, DAY)
    site.meter("E_DC", 45.0, DAY, DAY)
    whole = site.figure("S12")
    assert whole.value == pytest.approx(18)
    assert whole.note.endswith("; times PUE 1.25 of the same time it is 22.5 kWh")
    hours = ("2026-11-01T00:00+00:00", "2026-11-03T12:00+00:00")
    assert "PUE" not in site.figure("S12", *hours).note  # the meters cover 40 % of it


def test_two_dies_of_one_module_are_booked_once_at_its_boundary(site: Any) -> None:
    for number in range(2):
        site.telemetry.device(f"die{number}", module="m0", energy_scope="module")
        counter = (lambda s: 500 * s) if number == 0 else None
        watts = 500.0 if number == 0 else None
        site.telemetry.samples(f"die{number}", last_s=3600, watts=watts, counter=counter)
    site.telemetry.assign("odd", 0, 3600, "die1")
    site.telemetry.book(3600)
    assert site.figure("S12").value == pytest.approx(0.25)
    (row,) = boundaries(site.view()).iter_rows(named=True)
    assert (row["boundary"], row["joules"]) == ("module", pytest.approx(0.5 * KWH))


def test_energy_flows_from_the_grid_to_the_accounts(site: Any) -> None:
    """A node of 1 kW with a device of 700 W, held for 18 hours of a day, in a site of 1.5 kW IT."""
    site.book(24, node_watts=1000.0, job_hours=(0, 18))
    site.meter("E_DC", 45.0, DAY, DAY)
    site.meter("E_IT", 36.0, DAY, DAY)
    made = flow(site.view())
    assert_balanced(made)
    found = links(made)
    assert found["grid", "it"] == pytest.approx(36)
    assert found["grid", "facility_overhead"] == pytest.approx(9)
    assert found["it", "booked"] == pytest.approx(24)
    assert found["it", "unmetered"] == pytest.approx(12)
    assert found["booked", "devices"] == pytest.approx(0.7 * 24)
    assert found["booked", "node_overhead"] == pytest.approx(0.3 * 24)
    assert found["devices", "busy"] == pytest.approx(0.7 * 18)
    assert found["node_overhead", "free"] == pytest.approx(0.3 * 6)


def test_every_boundary_is_told_with_its_method(site: Any) -> None:
    site.book(24, node_watts=1000.0)
    site.meter("E_DC", 45.0, DAY, DAY)
    site.meter("E_IT", 36.0, DAY, DAY)
    rows = [(b, m, j / KWH) for b, m, j, _ in boundaries(site.view()).iter_rows()]
    assert [row[:2] for row in rows] == [
        ("gpu", "counter"), ("node", "counter"), ("it", "meter"), ("facility", "meter"),
    ]  # fmt: skip
    assert [row[2] for row in rows] == [pytest.approx(v) for v in (16.8, 24.0, 36.0, 45.0)]


def test_only_hours_that_the_meters_cover_are_held_to_them(site: Any) -> None:
    site.book(24, node_watts=1000.0)
    site.meter("E_IT", 9.0, "2026-11-01T00:00", "2026-11-01T06:30")
    made = flow(site.view())
    assert_balanced(made)
    # Six whole hours; of the seventh the meter tells half.
    assert links(made)["it", "booked"] == pytest.approx(6)
    assert links(made)["it", "unmetered"] == pytest.approx(9 * 6 / 6.5 - 6)


def test_books_that_have_more_than_the_meter_show_the_surplus(site: Any) -> None:
    site.book(24, node_watts=1000.0)
    site.meter("E_IT", 20.0, DAY, DAY)
    made = flow(site.view())
    assert_balanced(made)
    assert links(made)["over_the_meter", "booked"] == pytest.approx(4)
    assert "the books have 4.0 kWh more" in site.part("S14", "it").note


def test_a_meter_of_the_data_centre_alone_leaves_the_rest_unmetered(site: Any) -> None:
    site.book(24)
    site.meter("E_DC", 48.0, DAY, DAY)
    made = flow(site.view())
    assert_balanced(made)
    assert links(made)["grid", "booked"] == pytest.approx(16.8)
    assert links(made)["grid", "unmetered"] == pytest.approx(31.2)


def test_without_meters_of_the_facility_the_flow_begins_at_the_books(site: Any) -> None:
    site.book()
    made = flow(site.view())
    assert_balanced(made)
    assert links(made) == {
        ("booked", "devices"): pytest.approx(0.7), ("devices", "busy"): pytest.approx(0.7),
    }  # fmt: skip


def test_a_node_whose_devices_have_no_meter_is_not_called_overhead(site: Any) -> None:
    site.telemetry.device(vendor="nvidia")
    site.telemetry.samples(last_s=3600, every_s=60, watts=None, sm_active_ratio=0.8)
    site.telemetry.assign("j", 0, 3600)
    site.telemetry.add("node_info", [{"time_unix_ms": START}], period_ms=0)
    rows = [
        {"time_unix_ms": START + s * 1000, "energy_joules_total": 1000.0 * s}
        for s in range(0, 3601, 60)
    ]
    site.telemetry.add("node", rows, period_ms=60_000)
    site.telemetry.book(3600)
    assert links(flow(site.view()))["booked", "undivided"] == pytest.approx(1.0)


def test_closure_is_told_against_the_nodes_and_against_the_it_meter(site: Any) -> None:
    site.book(24, node_watts=1000.0)
    site.meter("E_IT", 25.0, DAY, DAY)
    assert site.part("S14", "node").value == pytest.approx(100.0)
    it = site.part("S14", "it")
    assert it.value == pytest.approx(96.0)
    assert it.note == "1.0 kWh of 25.0 kWh by the IT meter are on no account"
    assert it.coverage == pytest.approx(1.0)


def test_books_of_two_systems_are_not_held_to_the_meter_of_one(site: Any) -> None:
    site.book(24, watts=700.0, node_watts=1000.0)
    site.meter("E_IT", 48.0, DAY, DAY, system="test")
    view = site.view()
    other = pl.lit("other").alias("system")
    control = view.control.rows(view.control.hours, pl.lit(True), CONTROL.names())
    two = replace(
        view,
        control=Controls.of_frame(pl.concat([control, control.with_columns(other)])),
        device_scan=Scanned.of(pl.concat([view.device, view.device.with_columns(other)])),
        **{name: pl.concat([frame, frame.with_columns(other)])
           for name in ("node", "inventory")
           if (frame := getattr(view, name)).height},
    )  # fmt: skip
    whole = {f.dims["meter"]: f for f in registry.evaluate(registry.find("S14"), two)}
    assert whole["it"].value == pytest.approx(50)
    assert whole["it"].n == 1
    # The same name of a node in two systems is two nodes.
    assert whole["node"].n == 2


def test_closure_without_an_it_meter_is_that_of_the_nodes_alone(site: Any) -> None:
    site.book(node_watts=1000.0)
    assert [figure.dims for figure in site.figures("S14")] == [{"meter": "node"}]
    assert [f.dims["meter"] for f in site.figures("S14", ["node"])] == ["node"]


def test_tokens_per_joule_of_hours_add_up_to_those_of_the_period(site: Any) -> None:
    """A job is ten times as fast in the hour in which nobody reads its meter."""
    site.telemetry.device(vendor="nvidia", model="NVIDIA H200")
    site.telemetry.samples(
        last_s=7200, every_s=60, sm_active_ratio=0.8,
        counter=lambda s: 700.0 * s if s <= 3600 else None,
    )  # fmt: skip
    site.telemetry.assign("j", 0, 7200)
    site.telemetry.info("j", 0, 7200, kind="training")
    site.telemetry.counts("j", {
        float(s): {"tokens_trained_total": 100 * min(s, 3600) + 1000 * max(0, s - 3600)}
        for s in range(0, 7201, 60)
    })  # fmt: skip
    site.telemetry.book(7200)
    (whole,) = site.figures("S10")
    hours = site.figures("S10", ["hour"])
    assert sum(f.numerator or 0 for f in hours) == pytest.approx(whole.numerator)
    assert sum(f.denominator or 0 for f in hours) == pytest.approx(whole.denominator)
    assert whole.coverage == pytest.approx(0.5)
    # 100 tokens a second on 700 W; what was made without a meter makes it no better.
    assert whole.numerator == pytest.approx(360_000)
    assert whole.numerator / whole.denominator == pytest.approx(1 / 7)
    assert whole.low is not None
