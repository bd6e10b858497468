from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wattline_agents.errors import UsageError
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi import registry
from wattline_collector.kpi.declare import DIMENSIONS
from wattline_collector.kpi.figure import Figure, Period, Status
from wattline_collector.kpi.page import markdown
from wattline_collector.kpi.query import figures
from wattline_collector.kpi.sums import shaped
from wattline_collector.kpi.view import View, load

HOUR = 3600


def _info(
    telemetry: Any,
    start_ms: int,
    job: str,
    kind: str,
    start_s: int,
    end_s: int,
    state: str = "completed",
) -> None:
    telemetry.add(
        "job_info",
        [
            {
                "time_unix_ms": start_ms + end_s * 1000, "job": job, "name": f"{job} name",
                "kind": kind, "state": state, "start_unix_ms": start_ms + start_s * 1000,
                "end_unix_ms": start_ms + end_s * 1000,
            }
        ],
        period_ms=0,
    )  # fmt: skip


def _count(
    telemetry: Any, start_ms: int, job: str, start_s: int, end_s: int, **rates: float
) -> None:
    telemetry.add(
        "job",
        [
            {
                "time_unix_ms": start_ms + s * 1000, "job": job,
                **{f"{name}_total": round(rate * (s - start_s)) for name, rate in rates.items()},
            }
            for s in range(start_s, end_s + 1, 20)
        ],
    )  # fmt: skip


@pytest.fixture
def store(telemetry: Any, start_ms: int) -> Path:
    """Four devices for four hours.

    a: trains for two hours at 0.8, then free; b: the same job, but idle for its second hour;
    c: serves for four hours at 0.5, down for the last; d: silent from the second hour on.
    """
    for gpu in "abcd":
        telemetry.device(gpu)
    counter = {"counter": lambda s: 500 * s}
    telemetry.samples("a", last_s=4 * HOUR, sm_active_ratio=0.8, **counter)
    telemetry.samples(
        "b", last_s=4 * HOUR, sm_active_ratio=lambda s: 0.8 if s <= HOUR else 0.0, **counter
    )
    telemetry.samples("c", last_s=3 * HOUR, sm_active_ratio=0.5, **counter)
    telemetry.samples("c", first_s=3 * HOUR + 10, last_s=4 * HOUR, up=0, watts=None)
    telemetry.samples("d", last_s=HOUR, **counter)
    telemetry.assign("train", 0, 2 * HOUR, "a")
    telemetry.assign("train", 0, 2 * HOUR, "b")
    telemetry.assign("serve", 0, 4 * HOUR, "c")
    _info(telemetry, start_ms, "train", "training", 0, 2 * HOUR)
    _info(telemetry, start_ms, "serve", "inference", 0, 4 * HOUR, "failed")
    _count(telemetry, start_ms, "train", 0, 2 * HOUR, tokens_trained=1000)
    _count(
        telemetry,
        start_ms,
        "serve",
        0,
        4 * HOUR,
        tokens_prompt=30,
        tokens_generated=10,
        tokens_prompt_cached=5,
    )
    telemetry.book(4 * HOUR)
    path = telemetry.path
    assert isinstance(path, Path)
    return path


def _one(store: Path, id: str, **more: Any) -> Figure:
    (figure,) = figures(store, [id], **more)
    return figure


@pytest.mark.parametrize(
    ("id", "value", "numerator", "denominator"),
    [
        ("P01", 7_200_000, 7_200_000, None),
        ("P03", 40 * 4 * HOUR, 40 * 4 * HOUR, None),
        ("P02", (7_200_000 + 576_000) / (4 * HOUR), 7_776_000, 4 * HOUR),
        # a and b: 2 h at 0.8, 1 h at 0.8 and 1 h idle; c: 3 h at 0.5, its last hour is down
        ("E04", 100 * (1.6 + 0.8 + 1.5) / 7, 3.9, 7.0),
        # b's idle hour, and the working time of the service that failed
        ("E06", 4.0, 4.0, None),
        # free: a and b for 2 h each, d for its one observed hour
        ("U01", 100 * 7 / 12, 7.0, 12.0),
        ("U02", 100 * 3.9 / 12, 3.9, 12.0),
        ("OEE_A", 12 / 13, 12.0, 13.0),
        ("OEE_P", 3.9 / 7, 3.9, 7.0),
        ("OEE_Q", 3 / 6, 3.0, 6.0),
        ("OEE", 12 / 13 * 3.9 / 7 * 0.5, 12 / 13 * 3.9 / 7 * 0.5, None),
        # the same x 7 assigned of 12 offered hours; nothing was under maintenance
        ("TEEP", 7 / 13 * 3.9 / 7 * 0.5, 7 / 13 * 3.9 / 7 * 0.5, None),
    ],
)  # fmt: skip
def test_a_kpi_is_a_sum_over_a_sum(
    store: Path, id: str, value: float, numerator: float, denominator: float | None
) -> None:
    figure = _one(store, id)
    assert figure.value == pytest.approx(value)
    assert figure.numerator == pytest.approx(numerator)
    assert figure.denominator == (None if denominator is None else pytest.approx(denominator))


def test_job_energy_is_what_the_devices_used_while_held(store: Path) -> None:
    # Of the service's last hour, in which its device was lost, no joule is known.
    joules = 500 * HOUR * (2 + 2 + 3)
    assert _one(store, "S12").value == pytest.approx(joules / 3.6e6)
    assert _one(store, "S12").coverage == pytest.approx(7 / 8)
    assert _one(store, "S12").method == "counter, gpu boundary"


def test_tokens_count_by_the_share_of_time_whose_energy_is_known(store: Path) -> None:
    (train,) = [f for f in figures(store, ["S10"], by="job") if f.dims == {"job": "train"}]
    assert train.value == pytest.approx(7_200_000 / (500 * HOUR * 4))
    (serve,) = [f for f in figures(store, ["S10"], by="job") if f.dims == {"job": "serve"}]
    assert serve.value == pytest.approx(576_000 * 3 / 4 / (500 * HOUR * 3))


def test_time_nobody_observed_lowers_the_coverage_and_nothing_else(store: Path) -> None:
    assert _one(store, "U01").coverage == pytest.approx(13 / 16)
    assert _one(store, "U01").status is Status.PARTIAL


def test_a_figure_without_anything_to_compute_it_from_is_unknown(store: Path) -> None:
    closure = _one(store, "S14")
    assert closure.value is None
    assert closure.status is Status.UNKNOWN
    assert closure.note == "no node has a meter"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_known_and_never_leaves(store: Path, number: float) -> None:
    def broken(view: View, by: list[str]) -> pl.DataFrame:
        row = {"numerator": number, "value": number, "low": number, "n": 1, "coverage": number}
        return shaped(pl.DataFrame([row]), by)

    kpi = replace(registry.find("U01"), compute=broken)
    (figure,) = registry.evaluate(kpi, load(store, None))
    assert (figure.value, figure.numerator, figure.low, figure.coverage) == (None,) * 4
    assert figure.status is Status.UNKNOWN
    json.dumps(figure.to_json(), allow_nan=False)


def test_one_system_of_several_is_that_of_its_jobs_in_accounting_too(store: Path) -> None:
    view = load(store, None)
    said = pl.DataFrame(
        [{"system": system, "job": "j", "gpus": 1} for system in ("test", "other")],
        schema=ACCOUNTED,
    )
    one = replace(view, accounted=said).only_system("test")
    assert one.accounted["system"].to_list() == ["test"]
    assert view.only_system("test") is view


def test_a_value_under_its_floor_is_withheld_with_the_reason(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=600, sm_active_ratio=0.8)
    telemetry.assign("j", 0, HOUR)
    telemetry.book(HOUR)
    figure = _one(telemetry.path, "E04")
    assert figure.value is None
    assert figure.status is Status.WITHHELD
    assert figure.numerator is not None
    assert "17% of the time was covered, under 50%" in figure.note


def test_the_node_meter_is_preferred_and_named(telemetry: Any, start_ms: int) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, sm_active_ratio=0.8, counter=lambda s: 500 * s)
    telemetry.add("node_info", [{"time_unix_ms": start_ms}], period_ms=0)
    telemetry.add(
        "node",
        [
            {"time_unix_ms": start_ms + s * 1000, "energy_joules_total": 900.0 * s}
            for s in range(0, HOUR + 1, 10)
        ],
    )
    telemetry.assign("j", 0, HOUR)
    telemetry.book(HOUR)
    energy = _one(telemetry.path, "S12")
    assert energy.value == pytest.approx(0.9)
    assert energy.method == "counter, node boundary"
    assert _one(telemetry.path, "S14").value == pytest.approx(100)


def test_energy_nobody_metered_has_no_value_and_no_method(telemetry: Any) -> None:
    telemetry.device()
    telemetry.samples(last_s=HOUR, watts=None, sm_active_ratio=0.5)
    telemetry.assign("j", 0, HOUR)
    telemetry.book(HOUR)
    energy = _one(telemetry.path, "S12")
    assert (energy.value, energy.method, energy.status) == (None, "", Status.UNKNOWN)


def test_throughput_is_over_the_time_in_which_jobs_ran(telemetry: Any, start_ms: int) -> None:
    telemetry.device()
    telemetry.samples(last_s=10 * HOUR)
    for job, start_s in (("one", 0), ("two", 5 * HOUR)):
        _info(telemetry, start_ms, job, "training", start_s, start_s + 600)
        _count(telemetry, start_ms, job, start_s, start_s + 600, tokens_trained=7)
    telemetry.book(10 * HOUR)
    assert _one(telemetry.path, "P02").value == pytest.approx(7)
    assert _one(telemetry.path, "P02").denominator == 1200


def test_completeness_is_samples_over_expected_samples(store: Path) -> None:
    figure = _one(store, "Q03")
    assert figure.denominator == pytest.approx(4 * 4 * 360)
    assert figure.value == pytest.approx(100 * 13 / 16, abs=0.01)


def test_a_period_is_cut_at_the_minute(store: Path) -> None:
    start = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)
    period = Period(start, datetime(2026, 11, 1, 1, 15, tzinfo=UTC))
    figure = _one(store, "P01", period=period)
    assert figure.value == 45 * 60 * 1000
    assert figure.period == period


def test_parts_of_a_period_add_up_to_the_whole(store: Path) -> None:
    times = [datetime(2026, 11, 1, h, m, tzinfo=UTC) for h, m in ((0, 0), (0, 7), (2, 59), (4, 0))]
    parts = [
        _one(store, "S12", period=Period(start, end)).numerator
        for start, end in itertools.pairwise(times)
    ]
    assert sum(part or 0 for part in parts) == pytest.approx(_one(store, "S12").numerator)


def test_an_unknown_kpi_is_refused_with_those_there_are(store: Path) -> None:
    with pytest.raises(UsageError, match=r"no KPI 'X99'; there are OEE, .*Q03"):
        figures(store, ["X99"])


def test_a_reversed_period_is_refused(store: Path) -> None:
    period = Period(datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="ends before it starts"):
        figures(store, ["P01"], period)


def test_a_kpi_says_what_it_can_be_split_by(store: Path) -> None:
    with pytest.raises(UsageError, match="U01 cannot be split by 'job'; it can be by system"):
        figures(store, ["U01"], by="job")


@pytest.mark.parametrize("id", list(registry.REGISTRY))
def test_every_kpi_can_be_explained(id: str) -> None:
    entry = registry.explain(id)
    assert all(entry[name] for name in ("name", "formula", "unit", "numerator", "authority"))
    assert bool(entry["denominator"]) == bool(entry["denominator_unit"])
    assert set(registry.find(id).by) <= set(DIMENSIONS)


def test_every_kpi_can_be_split_by_what_it_says(store: Path) -> None:
    view = load(store, None)
    for kpi in registry.REGISTRY.values():
        whole = registry.evaluate(kpi, view)
        assert whole, f"{kpi.id} has no figure, not even one that says why"
        for by in [[], *([dimension] for dimension in kpi.by), list(kpi.by[:3])]:
            for figure in registry.evaluate(kpi, view, by):
                assert figure.dims.keys() == {*by, *kpi.parts}, (kpi.id, by)
                assert figure.coverage is None or 0 <= figure.coverage <= 1 + 1e-9, (kpi.id, by)
                assert figure.value is not None or figure.note, (kpi.id, by)


def test_all_of_the_dictionary_is_there() -> None:
    counts = {"P": 9, "E": 8, "U": 9, "A": 8, "S": 14, "I": 12, "Q": 5, "C": 5}
    ids = [f"{group}{number:02}" for group, most in counts.items() for number in range(1, most + 1)]
    assert len(ids) == 70
    assert [id for id in ids if id not in registry.REGISTRY] == []


def test_a_figure_as_json_has_the_public_keys(store: Path) -> None:
    keys = list(_one(store, "P02").to_json())
    assert keys[:12] == [
        "id", "name", "unit", "value", "numerator", "denominator", "n", "coverage", "method",
        "status", "dims", "period",
    ]  # fmt: skip


def test_the_page_of_documentation_is_what_the_registry_says() -> None:
    page = Path(__file__).parents[4] / "docs/kpis.md"
    assert page.read_text() == markdown(), "run: wattline kpi --page > docs/kpis.md"
