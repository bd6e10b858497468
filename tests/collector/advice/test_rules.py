"""Every rule fires on the job it is about, and not on one that is just well enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from wattline_collector.advice.evaluate import advise
from wattline_collector.advice.page import figures_markdown, markdown, peaks_markdown
from wattline_collector.advice.read import shipped
from wattline_collector.efficiency.report import JobReport

RULES = {rule.id: rule for rule in shipped().rules}
PAGE = Path(__file__).parents[3] / "docs" / "job.md"


@dataclass(frozen=True)
class Case:
    """Figures on which a rule fires, and what of them to change so that it does not."""

    fires: dict[str, float]
    silent: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    silent_words: dict[str, str] = field(default_factory=dict)


DAY = {"run_seconds": 86_400.0, "gpus": 4, "gpu_time": 96, "wasted_gpu_hours": 48}
SERVING = {"run_seconds": 86_400.0, "requests": 1e4, "gpus": 4}
TRAINING, COMPLETED = {"kind": "training"}, {"state": "completed"}
YOUNG = {"checkpoint_save_seconds": 60, "mtti_seconds": 1e6, "phase_checkpoint_save": 0.06,
         "checkpoint_interval_seconds": 600, "checkpoint_best_seconds": 11_000}  # fmt: skip

CASES = {
    "cpu-only": Case(DAY | {"held": 0.99, "cpu_used": 0.7}, {"cpu_used": 0.1}),
    "interactive-idle": Case(DAY | {"held": 0.6, "interactive": 1}, {"interactive": 0}),
    "whole-allocation-idle": Case(DAY | {"held": 0.97}, {"held": 0.9}),
    "idle-gpu": Case(DAY | {"idle_gpus": 1}, {"idle_gpus": 4}),
    "held-time": Case(DAY | {"held": 0.2}, {"held": 0.1}),
    "data-wait": Case(DAY | {"phase_data_wait": 0.2, "activity": 0.5}, {"phase_data_wait": 0.05}),
    "gpu-imbalance": Case(DAY | {"lowest_activity": 0.7}, {"lowest_activity": 0.9}),
    "slow-node": Case(DAY | {"step_spread": 1.2}, {"step_spread": 1.05}),
    "slow-start": Case(DAY | {"phase_init": 0.2}, {"phase_init": 0.1}),
    "no-checkpoints": Case(DAY | {"checkpoints": 0}, {"checkpoints": 1}, TRAINING),
    "checkpoint-too-rarely": Case(
        DAY | YOUNG | {"checkpoint_interval_over_best": 3}, {"checkpoint_interval_over_best": 1.5}
    ),
    "checkpoint-too-often": Case(
        DAY | YOUNG | {"checkpoint_interval_over_best": 0.2}, {"checkpoint_interval_over_best": 0.8}
    ),
    "checkpoint-cost": Case(
        DAY | {"phase_checkpoint_save": 0.2, "checkpoints": 9}, {"phase_checkpoint_save": 0.05}
    ),
    "replayed-work": Case(DAY | {"replayed": 0.1, "steps_replayed": 9}, {"replayed": 0.01}),
    "out-of-memory": Case(DAY, {}, {"state": "out_of_memory"}, {"state": "failed"}),
    "timed-out": Case(DAY, {}, {"state": "timeout"}, {"state": "cancelled"}),
    "lost-work": Case(DAY | {"lost": 0.9}, {"lost": 0.05}),
    "very-low-activity": Case(DAY | {"activity": 0.1}, {"activity": 0.2}),
    "low-activity": Case(DAY | {"activity": 0.2}, {"activity": 0.3}),
    "low-mfu": Case(DAY | {"mfu_stepping": 0.2, "parameters": 8e9}, {"mfu_stepping": 0.4}),
    "low-mfu-small": Case(DAY | {"mfu_stepping": 0.1, "parameters": 1e8}, {"mfu_stepping": 0.15}),
    "matrix-units-unused": Case(
        DAY | {"tensor_active": 0.01, "sm_active": 0.6}, {"tensor_active": 0.1}, TRAINING
    ),
    "device-too-large": Case(
        DAY | {"gpus": 1, "activity": 0.1, "gpu_memory_peak_bytes": 4e9},
        {"gpu_memory_peak_bytes": 4e10},
    ),
    "gpu-memory-nearly-empty": Case(DAY | {"gpu_memory_peak": 0.1}, {"gpu_memory_peak": 0.5}),
    "power-capped": Case(DAY | {"throttled_power": 0.4, "slowed": 0.4}, {"throttled_power": 0.1}),
    "power-limit-lowered": Case(
        DAY | {"power_lowered": 0.2, "power_limit_watts": 500}, {"power_lowered": 0.01}
    ),
    "too-warm": Case(
        DAY | {"throttled_heat": 0.1, "temperature_max_celsius": 88}, {"throttled_heat": 0.01}
    ),
    "power-brake": Case(DAY | {"throttled_brake": 0.05}, {"throttled_brake": 0.001}),
    "requests-late": Case(SERVING | {"serving_goodput": 0.6}, {"serving_goodput": 0.95}),
    "requests-failing": Case(
        SERVING | {"requests_failed_share": 0.1}, {"requests_failed_share": 0.01}
    ),
    "low-cache-hit": Case(
        SERVING | {"cache_hit": 0.02, "prefill_share": 0.7}, {"cache_hit": 0.2}
    ),
    "prompt-bound": Case(
        SERVING | {"cache_hit": 0.5, "prefill_share": 0.9}, {"prefill_share": 0.7}
    ),
    "time-limit-hardly-used": Case(
        DAY | {"time_limit_used": 0.05, "time_limit_seconds": 1.7e6}, {"time_limit_used": 0.5},
        COMPLETED, {"state": "failed"},
    ),
    "time-limit-too-long": Case(
        DAY | {"time_limit_used": 0.4, "time_limit_seconds": 2e5}, {"time_limit_used": 0.8},
        COMPLETED, {"state": "cancelled"},
    ),
    "gpu-fragmentation": Case(DAY | {"nodes": 4, "least_nodes": 1}, {"nodes": 1}),
    "too-many-cores": Case(
        DAY | {"cpus_over_fair": 1.5, "cpus_per_gpu": 24}, {"cpus_over_fair": 1}
    ),
    "host-memory-over-asked": Case(
        DAY | {"memory_over_fair": 2, "memory_used": 0.2}, {"memory_used": 0.9}
    ),
    "serial": Case(DAY | {"gpus": 0, "cpus": 16, "cpu_used_cores": 0.99}, {"cpu_used_cores": 9}),
    "cores-unused": Case(DAY | {"gpus": 0, "cpus": 16, "cpu_used": 0.4}, {"cpu_used": 0.8}),
}  # fmt: skip

Make = Callable[..., JobReport]


def said(report: JobReport) -> list[str]:
    return [finding.rule for finding in advise(report, list(RULES.values())).findings]


def held(report: JobReport) -> set[str]:
    """Rules that hold, those included that another one mutes."""
    advice = advise(report, list(RULES.values()))
    return {f.rule for f in advice.findings} | {rule for rule, _ in advice.muted}


def test_every_rule_has_a_case() -> None:
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("id", CASES)
def test_a_rule_fires_on_the_job_it_is_about(id: str, job: Make) -> None:
    case = CASES[id]
    report = job(case.fires, **case.words)
    (finding,) = [f for f in advise(report, [RULES[id]]).findings if f.rule == id]
    assert id in held(report)
    for text in (finding.title, finding.text, finding.action):
        assert text and "{" not in text
    # What it says in numbers must be known where it fires.
    for need in RULES[id].needs:
        assert finding.figures[need] is not None


@pytest.mark.parametrize("id", CASES)
def test_a_rule_is_silent_on_a_job_that_is_well_enough(id: str, job: Make) -> None:
    case = CASES[id]
    changes: list[tuple[dict[str, float], dict[str, str]]] = []
    if case.silent:
        changes.append((case.fires | case.silent, case.words))
    if case.silent_words:
        changes.append((case.fires, case.words | case.silent_words))
    assert changes
    for figures, words in changes:
        assert id not in held(job(figures, **words))


@pytest.mark.parametrize("id", CASES)
def test_a_rule_accuses_nobody_on_thin_data(id: str, job: Make) -> None:
    case = CASES[id]
    report = job(case.fires, coverage=0.89, **case.words)
    advice = advise(report, [RULES[id]])
    assert advice.findings == ()
    assert [thin.rules for thin in advice.unjudged] == [(id,)]


@pytest.mark.parametrize("id", [id for id in CASES if RULES[id].minimum_run_seconds])
def test_a_rule_leaves_a_job_alone_that_has_hardly_begun(id: str, job: Make) -> None:
    case = CASES[id]
    short = case.fires | {"run_seconds": RULES[id].minimum_run_seconds - 1}
    assert id not in held(job(short, **case.words))


@pytest.mark.parametrize("id", CASES)
def test_a_rule_says_nothing_where_a_figure_it_needs_is_unknown(id: str, job: Make) -> None:
    case = CASES[id]
    for need in RULES[id].needs:
        if need != "run_seconds":
            known = {name: value for name, value in case.fires.items() if name != need}
            assert id not in held(job(known, **case.words)), need


@pytest.mark.parametrize("id", [id for id in CASES if RULES[id].suppresses])
def test_a_cause_mutes_its_consequences(id: str, job: Make) -> None:
    for consequence in RULES[id].suppresses:
        mine, other = CASES[id], CASES[consequence]
        figures = other.fires | mine.fires
        if not {id, consequence} <= held(job(figures, **(other.words | mine.words))):
            continue  # the two examples are of different jobs
        assert consequence not in said(job(figures, **(other.words | mine.words)))


def test_an_idle_allocation_is_one_finding(job: Make) -> None:
    everything = DAY | {
        "held": 1.0, "idle_gpus": 4, "activity": 0.0, "lowest_activity": 0.1,
        "gpu_memory_peak": 0.01, "phase_data_wait": 0.9,
    }  # fmt: skip
    assert said(job(everything)) == ["whole-allocation-idle"]


def test_the_page_lists_exactly_the_rules_there_are() -> None:
    page = PAGE.read_text()
    assert markdown(shipped().rules) in page
    assert figures_markdown() in page
    assert peaks_markdown() in page


def test_what_a_rule_links_to_is_there() -> None:
    root = PAGE.parents[1]
    for rule in RULES.values():
        name, _, anchor = rule.link.partition("#")
        if not name:
            continue
        assert name.startswith("docs/")
        if (root / name).exists() and anchor:
            heads = {
                line.lstrip("# ").strip().lower().replace(" ", "-")
                for line in (root / name).read_text().splitlines()
                if line.startswith("#")
            }
            assert anchor in heads, rule.link


def test_texts_are_short_enough_for_a_terminal() -> None:
    for rule in RULES.values():
        assert len(rule.title) < 140 and not rule.title.endswith("."), rule.id
        assert rule.action.endswith("."), rule.id
