from __future__ import annotations

from typing import Any

import pytest

from wattline_collector.access import STAFF
from wattline_collector.advice.read import advisor_of
from wattline_collector.efficiency.compute import report
from wattline_collector.efficiency.gather import Question, gather
from wattline_collector.kpi.figure import Status
from wattline_collector.store.store import Store

HOUR = 3600
STEPS = {
    "tokens_trained_total": 1000.0,
    "steps_total": 0.05,
    "phase_step_seconds_total": 0.8,
    "phase_data_wait_seconds_total": 0.1,
    "phase_checkpoint_save_seconds_total": 0.02,
    "checkpoints_total": 1 / 600,
}
TEN = {"parameters": 10**10, "dtype": "bf16", "model": "ten"}


def _steps(begun_s: int, first: int = 0) -> dict[str, Any]:
    """The run's number of the step, a step every 20 s."""
    return {"step": lambda second: first + (second - begun_s) // 20}


def test_ettr_is_productive_time_over_wall_time(factory: Any) -> None:
    factory.device("a", "b", until_s=2 * HOUR)
    factory.job("one", 0, 2 * HOUR, "a", rates=STEPS)
    factory.job("two", 0, HOUR, "b", rates={"phase_step_seconds_total": 0.5})
    factory.book(2 * HOUR)
    figure = factory.one("E03")
    assert figure.numerator == pytest.approx(0.8 * 2 * HOUR + 0.5 * HOUR)
    assert figure.denominator == pytest.approx(3 * HOUR)
    assert figure.value == pytest.approx(70)
    assert (figure.n, figure.coverage) == (2, pytest.approx(1))


def test_a_job_that_tells_no_phases_lowers_the_coverage_and_nothing_else(factory: Any) -> None:
    factory.device("a", "b", until_s=HOUR)
    factory.job("one", 0, HOUR, "a", rates=STEPS)
    factory.job("silent", 0, HOUR, "b", rates={"tokens_trained_total": 1.0})
    factory.book(HOUR)
    figure = factory.one("E03")
    assert (figure.value, figure.coverage) == (pytest.approx(80), pytest.approx(0.5))
    assert figure.status is Status.PARTIAL


def test_time_between_the_jobs_of_a_run_counts_below_the_line(factory: Any) -> None:
    factory.device("a", until_s=4 * HOUR)
    factory.job("one", 0, HOUR, "a", rates=STEPS, run="r", gauges=_steps(0))
    factory.job("two", 3 * HOUR, 4 * HOUR, "a", rates=STEPS, run="r",
                gauges=_steps(3 * HOUR, 180))  # fmt: skip
    factory.book(4 * HOUR)
    whole = factory.one("E03")
    assert whole.denominator == pytest.approx(4 * HOUR)
    assert whole.value == pytest.approx(40)
    # A period may begin or end while the run waits.
    parts = [factory.one("E03", factory.hours(*ends)) for ends in ((0, 1.5), (1.5, 4))]
    assert [part.denominator for part in parts] == [
        pytest.approx(1.5 * HOUR), pytest.approx(2.5 * HOUR)
    ]  # fmt: skip
    assert sum(part.numerator or 0 for part in parts) == pytest.approx(whole.numerator)
    by_hour = factory.figures("E03", by="hour")
    assert [f.value for f in by_hour] == [pytest.approx(80), 0, 0, pytest.approx(80)]
    assert sum(f.denominator for f in by_hour) == pytest.approx(4 * HOUR)
    waiting = factory.one("E03", factory.hours(1.5, 2.5))
    assert (waiting.value, waiting.denominator) == (0, pytest.approx(HOUR))
    # The time belongs to none of the two jobs.
    assert factory.one("E03", job="two").value == pytest.approx(80)


def test_steps_that_are_done_again_are_not_productive(factory: Any) -> None:
    factory.device("a", until_s=3 * HOUR + 60)
    factory.job("one", 0, HOUR, "a", rates=STEPS, run="r", gauges=_steps(0), state="failed")
    # Goes on from half of what was done.
    later = HOUR + 60
    factory.job("two", later, later + 2 * HOUR, "a", rates=STEPS, run="r",
                gauges=_steps(later, 90))  # fmt: skip
    factory.book(later + 2 * HOUR)
    assert factory.one("E03", job="two").value == pytest.approx(80 * 0.75)


def test_waiting_for_data_is_a_part_of_the_step_it_delays(factory: Any) -> None:
    factory.device("a", until_s=HOUR)
    rates = {"phase_step_seconds_total": 0.8, "phase_data_wait_seconds_total": 0.2}
    factory.job("one", 0, HOUR, "a", rates=rates)
    factory.book(HOUR)
    figure = factory.one("E05", loss="data_wait")
    assert figure.value == pytest.approx(20)
    exposed = factory.one("E05", loss="exposed_communication")
    assert (exposed.value, exposed.status) == (None, Status.UNKNOWN)
    assert "profiler" in exposed.note


def test_waiting_adds_up_over_jobs_hours_and_ranks(factory: Any) -> None:
    factory.device("a", "b", until_s=2 * HOUR)
    ranks = {name: 2 * rate for name, rate in STEPS.items()}
    factory.job("two-ranks", 0, 2 * HOUR, "a", "b", rates=ranks)
    factory.job("one", 0, HOUR, rates={**STEPS, "phase_data_wait_seconds_total": 0.15})
    factory.book(2 * HOUR)
    whole = factory.one("E05", loss="data_wait")
    assert whole.numerator == pytest.approx(0.1 * 2 * HOUR + 0.15 * HOUR)
    by_hour = factory.figures("E05", by="hour")
    assert sum(f.numerator for f in by_hour) == pytest.approx(whole.numerator)
    assert sum(f.denominator for f in by_hour) == pytest.approx(whole.denominator)


def test_checkpoints_cost_what_they_take_and_are_held_against_the_best(factory: Any) -> None:
    factory.device("a", until_s=2 * HOUR)
    factory.job("one", 0, 2 * HOUR, "a", rates=STEPS)
    factory.book(2 * HOUR)
    assert factory.one("E08", of="overhead").value == pytest.approx(0.02)
    unknown = factory.one("E08", of="interval_over_best")
    assert unknown.value is None
    assert "three jobs that a node ended" in unknown.note
    (factory.path / "rules.toml").write_text("[site]\nnode_mtti_hours = 100\n")
    # 12 s every 10 minutes, an interruption every 360,000 s.
    best = (2 * 12 * 360_000) ** 0.5
    figure = factory.one("E08", of="interval_over_best")
    assert figure.value == pytest.approx(600 / best)
    assert "the site's word" in figure.method


def test_checkpoints_of_parts_of_a_period_add_up(factory: Any) -> None:
    factory.device("a", until_s=2 * HOUR)
    factory.job("one", 0, 2 * HOUR, "a", rates=STEPS)
    factory.book(2 * HOUR)
    (factory.path / "rules.toml").write_text("[site]\nnode_mtti_hours = 100\n")
    for of in ("overhead", "interval_over_best"):
        whole = factory.one("E08", of=of)
        parts = [factory.one("E08", factory.hours(*ends), of=of) for ends in ((0, 1), (1, 2))]
        assert sum(part.numerator for part in parts) == pytest.approx(whole.numerator)
        assert sum(part.denominator for part in parts) == pytest.approx(whole.denominator)


def test_hours_without_a_checkpoint_are_a_part_of_its_interval(factory: Any) -> None:
    factory.device("a", until_s=4 * HOUR)
    seldom = {**STEPS, "checkpoints_total": 1 / (2 * HOUR)}
    factory.job("one", 0, 4 * HOUR, "a", rates=seldom)
    factory.book(4 * HOUR)
    (factory.path / "rules.toml").write_text("[site]\nnode_mtti_hours = 100\n")
    for of in ("overhead", "interval_over_best"):
        whole = factory.one("E08", of=of)
        hours = [f for f in factory.figures("E08", by="hour") if f.dims["of"] == of]
        assert sum(f.numerator or 0 for f in hours) == pytest.approx(whole.numerator)
        assert sum(f.denominator or 0 for f in hours) == pytest.approx(whole.denominator)


def test_rules_that_cannot_be_read_leave_the_accounting(factory: Any) -> None:
    factory.device("a", until_s=HOUR)
    factory.job("one", 0, HOUR, "a", rates=STEPS)
    factory.book(HOUR)
    (factory.path / "rules.toml").write_text("no TOML")
    assert factory.one("E08", of="overhead").value == pytest.approx(0.02)
    assert factory.one("E08", of="interval_over_best").value is None


def test_interruptions_come_from_the_accounting_where_the_site_says_nothing(factory: Any) -> None:
    factory.device("a", until_s=2 * HOUR)
    factory.job("one", 0, 2 * HOUR, "a", rates=STEPS)
    for number in range(3):
        factory.telemetry.account(
            f"lost{number}", 0, HOUR, said_s=HOUR, state="node_fail", nodes=2, gpus=8
        )
    factory.book(2 * HOUR)
    best = (2 * 12 * 2 * HOUR) ** 0.5
    assert factory.one("E08", of="interval_over_best").value == pytest.approx(600 / best)


def test_scaling_is_held_against_the_fewest_devices(factory: Any) -> None:
    names = [f"g{i}" for i in range(6)]
    factory.device(*names, until_s=HOUR)
    stepping = {"phase_step_seconds_total": 1.0}
    for job, devices, rate in (("one", names[:1], 1000.0), ("four", names[1:5], 3600.0)):
        factory.job(
            job, 0, HOUR, *devices, model=TEN, rates={"tokens_trained_total": rate, **stepping}
        )
    factory.job("other", 0, HOUR, names[5], model={**TEN, "model": "eleven"},
                rates={"tokens_trained_total": 1.0, **stepping})  # fmt: skip
    factory.book(HOUR)
    (figure,) = factory.figures("E07")
    assert figure.value == pytest.approx(90)
    assert figure.dims == {"family": "ten, bf16, NVIDIA H100 80GB HBM3", "devices": "4"}
    assert figure.method == "against 1 device"
    assert figure.coverage == pytest.approx(1)


def test_models_of_which_nothing_is_told_are_not_compared(factory: Any) -> None:
    factory.device("a", "b", "c", until_s=HOUR)
    factory.job("small", 0, HOUR, "a", rates=STEPS)
    factory.job("large", 0, HOUR, "b", "c", rates=STEPS)
    factory.book(HOUR)
    (figure,) = factory.figures("E07")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)


def test_one_size_alone_compares_with_nothing(factory: Any) -> None:
    factory.device("a", until_s=HOUR)
    factory.job("one", 0, HOUR, "a", rates=STEPS, model=TEN)
    factory.book(HOUR)
    (figure,) = factory.figures("E07")
    assert (figure.value, figure.status) == (None, Status.UNKNOWN)


def test_nothing_told_is_unknown_and_says_how_it_could_be(factory: Any) -> None:
    factory.device("a", until_s=HOUR)
    factory.book(HOUR)
    for id in ("E03", "E05", "E07", "E08"):
        for figure in factory.figures(id):
            assert (figure.value, figure.status) == (None, Status.UNKNOWN)
            assert figure.note
        assert factory.figures(id, by="project" if id == "E07" else "job") == []


def test_one_job_has_the_same_figures_here_and_in_wattline_job(factory: Any) -> None:
    Store.open(factory.path, write=True).close()
    factory.device("a", "b", until_s=2 * HOUR)
    ranks = {name: (2 if "phase" in name else 1) * rate for name, rate in STEPS.items()}
    factory.job("one", 0, HOUR, "a", "b", rates=STEPS, model=TEN, run="r", gauges=_steps(0),
                state="failed")  # fmt: skip
    factory.job("two", HOUR + 60, 2 * HOUR, "a", "b", rates=ranks, model=TEN, run="r",
                gauges=_steps(HOUR + 60, 90))  # fmt: skip
    factory.book(2 * HOUR)
    (factory.path / "rules.toml").write_text("[site]\nnode_mtti_hours = 100\n")
    site = advisor_of(factory.path).site
    for job in ("one", "two"):
        now_ms = round(factory.hours(0, 2).end.timestamp() * 1000)
        found = report(gather(factory.path, Question(job, STAFF, now_ms)), site).figures
        for id, figure, scale, parts in (
            ("E01", "mfu", 100, {"kind": "training"}),
            ("E03", "goodput", 100, {}),
            ("E08", "checkpoint_interval_over_best", 1, {"of": "interval_over_best"}),
            ("E08", "phase_checkpoint_save", 1, {"of": "overhead"}),
            ("E04", "sm_active", 100, {}),
            ("P01", "tokens_trained", 1, {}),
        ):
            mine = factory.one(id, job=job, **parts)
            theirs = found.value(figure)
            assert theirs is not None
            assert mine.value == pytest.approx(theirs * scale, rel=1e-9), (job, id)
            assert mine.coverage == pytest.approx(found[figure].coverage), (job, id)
