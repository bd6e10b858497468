from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from dash import html

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import UNKNOWN
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import books, devices, findings, hosts, notice, shell
from wattline_dashboards.components.effectiveness import equation, sums
from wattline_dashboards.components.jobs import jobs
from wattline_dashboards.components.kpis import kpis
from wattline_dashboards.components.legend import legend
from wattline_dashboards.components.live_jobs import live_jobs
from wattline_dashboards.components.parts import Column, meter, split_unit, table
from wattline_dashboards.components.totals import totals
from wattline_dashboards.figures import energy, views
from wattline_dashboards.markup import drawing
from wattline_dashboards.picture import picture

Json = dict[str, Any]
Latest = Callable[..., Json]


def text(part: Any) -> str:
    """What a reader reads, with plain spaces."""

    def words(markup: Any) -> str:
        if isinstance(markup, str):
            return markup
        inner = " ".join(words(child) for child in markup[2:])
        return inner if markup[0] == "span" else f" {inner} "

    joined = " ".join(words(child) for child in drawing({"x": part})["x"])
    return re.sub(r"\s+", " ", joined.replace("\u2009", " ")).strip()


def find(part: Any, **wanted: str) -> list[Any]:
    """The elements with these attributes, `data_field` for `data-field`."""
    names = {name.replace("_", "-"): value for name, value in wanted.items()}
    found: list[Any] = []

    def look(markup: Any) -> None:
        if isinstance(markup, str):
            return
        if all(markup[1].get(name) == value for name, value in names.items()):
            found.append(markup)
        for child in markup[2:]:
            look(child)

    for child in drawing({"x": part})["x"]:
        look(child)
    return found


def figures_of(period: Json) -> dict[str, Json]:
    return {figure["id"]: figure for figure in period["figures"]}


# The fleet


def test_the_totals_say_power_with_its_boundary_tokens_and_every_state(latest: Latest) -> None:
    said = text(totals(picture(latest())))
    assert re.search(r"Power [\d.]+ kW devices only", said)
    assert re.search(r"Tokens [\d.]+ ktok/s", said)
    for state in ("Working", "Held", "Free", "Down 1", "Silent 8"):
        assert state in said
    assert "248 devices report" in said


def test_totals_that_are_not_known_are_dashes(latest: Latest) -> None:
    answer = latest()
    answer["totals"] |= {"power_watts": None, "tokens_per_second": None, "tokens_per_joule": None}
    said = text(totals(picture(answer)))
    assert "Power \u2013 no power meter" in said
    assert "Tokens \u2013" in said
    assert "0 W" not in said


def test_a_laptop_is_told_that_it_has_no_accelerators_and_shown_its_host(latest: Latest) -> None:
    shown = picture(latest(1, 0))
    assert "no accelerators" in text(totals(shown))
    said = text(hosts.hosts(shown))
    for what in ("Processor", "Memory", "Network in", "Temperature", "no meter on this host"):
        assert what in said


def test_devices_that_need_attention_come_worst_first_and_by_what_can_be_done(
    latest: Latest,
) -> None:
    part = devices.attention(picture(latest()))
    states = [text(html.Div(str(state[-1]))) for state in find(part, **{"class": "state"})]
    assert states[:2] == ["down", "silent"]
    assert states == sorted(states, key=["down", "silent", "slowed", "held"].index)
    assert "sim-r1-n06 #6" in text(part)
    assert "4 nodes 32 held 4202" in text(part)


def test_no_state_hides_another_in_the_list_of_attention(latest: Latest) -> None:
    answer = latest(64, 8)
    answer["devices"]["account"] = ["down"] * 500 + ["slowed"] * 12
    answer["devices"]["age_ms"] = [100] * 512
    said = text(devices.attention(picture(answer)))
    assert "slowed" in said
    assert re.search(r"and \d+ more", said)


def test_a_healthy_fleet_says_so(latest: Latest) -> None:
    answer = latest(1, 4)
    answer["devices"]["account"] = ["busy"] * 4
    assert "No device is down" in text(devices.attention(picture(answer)))


def test_a_device_is_shown_with_all_its_values_its_job_and_its_age(latest: Latest) -> None:
    said = text(devices.details(picture(latest()), 0))
    assert "sim-r1-n01 #0" in said
    assert "job 4200" in said
    assert re.search(r"seen \d+ s ago", said)
    for label in ("Power", "Compute active", "Memory", "Chip", "Throttled", "GPU-000000-7f3e"):
        assert label in said


def test_a_lost_device_has_dashes_and_no_zeros(latest: Latest) -> None:
    shown = picture(latest())
    lost = shown.devices.texts("device").index("GPU-000506-7f3e")
    said = text(devices.details(shown, lost))
    assert "Power \u2013 of \u2013" in said
    assert not re.search(r"\b0 (W|°C|B)\b", said)


def test_one_device_is_a_card(latest: Latest) -> None:
    said = text(devices.cards(picture(latest(1, 1))))
    assert "workshop #0" in said
    assert "of 700 W" in said


def test_running_jobs_are_listed_largest_first_with_what_is_not_known_as_dashes(
    latest: Latest,
) -> None:
    part = live_jobs(picture(latest()).jobs)
    sizes = [int(cell[2]) for cell in find(part, data_field="devices")]
    assert sizes == sorted(sizes, reverse=True)
    answer = latest()
    answer["jobs"]["tokens_per_second"] = [None] * len(answer["jobs"]["job"])
    cells = find(live_jobs(picture(answer).jobs), data_field="tokens_per_second")
    assert {cell[2] for cell in cells} == {"\u2013"}


def test_a_job_that_ended_is_not_a_running_job(latest: Latest) -> None:
    answer = latest()
    answer["jobs"]["state"] = ["completed"] * len(answer["jobs"]["job"])
    assert "No job runs" in text(live_jobs(picture(answer).jobs))


def test_a_job_unheard_of_for_a_while_says_when_it_was_last_seen(latest: Latest) -> None:
    answer = latest()
    answer["jobs"]["age_ms"][0] = 240_000
    assert "last seen 4 min ago" in text(live_jobs(picture(answer).jobs))


def test_silent_hosts_come_first_and_the_filter_finds_any(latest: Latest) -> None:
    shown = picture(latest())
    rows = find(hosts.hosts(shown), data_field="node")
    assert "sim-r2-n06" in str(rows[0])
    assert "4 min silent" in text(hosts.hosts(shown))
    assert len(find(hosts.hosts(shown, "r3-N0"), data_field="node")) == 8
    assert "No host's name holds" in text(hosts.hosts(shown, "nowhere"))


def test_the_legend_counts_accounts_and_names_both_ends_of_a_ramp(latest: Latest) -> None:
    shown = picture(latest())
    assert "down 1" in text(legend(views.ACCOUNT, shown))
    said = text(legend(views.view_named("power"), shown))
    assert "0 W" in said
    assert "700 W" in said
    assert "not known 9" in said


def test_a_metric_nobody_measures_is_said_to_be_unknown(latest: Latest) -> None:
    answer = latest(2, 1)
    answer["devices"]["sm_active_ratio"] = [None, None]
    said = text(legend(views.view_named("active"), picture(answer)))
    assert "not known for any device" in said


# Production


def test_the_page_opens_with_a_sentence_that_answers(overview: Latest) -> None:
    period = overview()
    said = text(findings.answer(period, figures_of(period)))
    assert re.fullmatch(
        r"The factory kept 69\.9 % of its installed GPU-hours working and made "
        r"\d+ G tokens at [\d.]+ tokens per joule\.",
        said,
    )


def test_the_sentence_says_what_is_not_known(overview: Latest) -> None:
    period = overview(1, 0, 1) | {"days": []}
    figures = figures_of(period)
    assert findings.answer(period, figures) == (
        "The factory has no accelerators, and no job counted its tokens."
    )


def test_a_share_over_unmeasured_time_is_a_lower_bound(overview: Latest) -> None:
    period = overview()
    period["accounts"][4]["device_hours"] += 60_000
    assert "kept at least" in findings.answer(period, figures_of(period))


def test_work_that_nobody_measured_is_no_share_of_zero(overview: Latest) -> None:
    period = overview()
    for row in period["accounts"]:
        row["device_hours"] = 100.0 if row["account"] == "unmeasured" else 0.0
    assert "Nobody measured" in findings.answer(period, figures_of(period))


def test_energy_of_time_that_nobody_measured_is_not_called_without_work() -> None:
    split = energy.Split("node", {Account.UNMEASURED: 80.0, Account.HELD: 20.0}, {}, 0.0)
    assert findings.energy(split).endswith("80.0\u2009% in time nobody measured")
    known = energy.Split("node", {Account.BUSY: 80.0, Account.HELD: 20.0}, {}, 0.0)
    assert findings.energy(known).endswith("20.0\u2009% without work")


def test_a_job_of_unknown_activity_is_not_said_to_have_held_nothing_idle(overview: Latest) -> None:
    row = overview()["jobs"][0] | {"sm_active_ratio": None, "held_hours": 0.0}
    (cell,) = [one for one in find(jobs([row]), data_field="held_hours") if one[0] == "td"]
    assert cell[2] == UNKNOWN


def test_thin_coverage_is_said_beside_the_answer(overview: Latest) -> None:
    period = overview()
    figures = figures_of(period)
    figures["OEE_A"]["coverage"] = 0.81
    assert "only 81.0 % of device time was observed" in text(findings.scope(period, figures))


def test_effectiveness_stands_as_an_equation_with_loading_beside_it(overview: Latest) -> None:
    part = equation(figures_of(overview()))
    assert [sign[2] for sign in find(part, **{"class": "operator"})] == ["=", "\u00d7", "\u00d7"]
    for id in ("OEE", "OEE_A", "OEE_P", "OEE_Q", "LOADING"):
        assert find(part, data_kpi=id)


def test_a_factor_that_is_not_known_is_a_dash_with_its_reason() -> None:
    figure = {"id": "OEE_Q", "value": None, "note": "no working time of a job whose state is known"}
    said = text(equation({"OEE_Q": figure}))
    assert "Quality \u2013 no working time of a job whose state is known" in said


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ({"numerator": 2.0, "denominator": 8.0, "numerator_unit": "GPU-h",
          "denominator_unit": "GPU-h"}, "2.00 of 8.00 GPU-h"),
        ({"numerator": 2e9, "denominator": 8e6, "numerator_unit": "tok",
          "denominator_unit": "J"}, "2.00 Gtok over 8.00 MJ"),
        ({"numerator": 0.5, "denominator": None, "numerator_unit": "1"}, ""),
        ({"numerator": None}, ""),
    ],
)  # fmt: skip
def test_the_sums_behind_a_figure_are_written_out(figure: Json, said: str) -> None:
    assert sums(figure).replace("\u2009", " ") == said


def test_every_kpi_can_be_opened_for_its_formula_sums_coverage_and_remarks(
    overview: Latest,
) -> None:
    period = overview()
    entry = {"formula": "all tokens / energy of the jobs", "direction": "up", "audience": "J, M",
             "floor": 0.5}  # fmt: skip
    said = text(kpis(period["figures"], {"S10": entry}))
    for part in (
        "all tokens / energy of the jobs",
        "more is better",
        "job owners, management",
        "a coverage of 50.0 %",
        "6 jobs that count no tokens are left out",
    ):
        assert part in said


def test_a_kpi_without_value_is_a_dash_and_thin_coverage_stands_out(overview: Latest) -> None:
    part = kpis(overview()["figures"], {})
    (s14,) = find(part, data_kpi="S14", data_field="value")
    assert text(html.Div(str(s14[2][2]))) == "\u2013"
    (e04,) = find(part, data_kpi="E04", data_field="coverage")
    assert e04[2][1]["class"] == "caution"


def test_no_figures_yet_is_said() -> None:
    assert "nothing is booked" in text(kpis([], {}))


def test_a_jobs_tokens_per_joule_can_be_found_by_its_job(overview: Latest) -> None:
    rows = overview()["jobs"]
    part = jobs(rows)
    (row,) = [row for row in find(part, data_job=rows[0]["job"]) if row[0] == "tr"]
    (cell,) = [cell for cell in row[2:] if cell[1].get("data-field") == "tokens_per_joule"]
    assert cell[2].replace("\u2009", " ") == f"{rows[0]['tokens_per_joule']:.3g} tok/J"


def test_thin_coverage_of_a_job_stands_beneath_its_efficiency(overview: Latest) -> None:
    assert "coverage 83.0 %" in text(jobs(overview()["jobs"]))


def test_the_energy_heading_states_boundary_and_overhead(overview: Latest) -> None:
    split = energy.split(overview()["energy"])
    said = text(findings.energy_boundary(split))
    assert "whole nodes" in said
    assert "overhead" in said
    assert findings.energy_boundary(energy.split([])) == ""


def test_the_audit_says_whether_the_books_balance() -> None:
    balanced = {"balanced": True, "findings": 0, "checked_hours": 720}
    assert text(books.audit(balanced)) == "The books balance. 720 hours were checked."
    said = text(books.audit({"balanced": False, "findings": 3, "checked_hours": 720}))
    assert "do not balance" in said
    assert "wattline audit" in said
    assert "not been checked" in text(books.audit({}))


def test_nodes_observed_too_little_are_named(overview: Latest) -> None:
    said = books.completeness(overview()["coverage"]).replace("\u2009", " ")
    assert said.startswith("2 of 32 nodes were observed for less than 95 % of their time")
    assert "sim-r2-n06 61.2 %" in said


# Around all pages


def test_an_absent_collector_is_named_with_the_age_of_what_is_still_shown() -> None:
    answer = Answer({}, 42_000, "http://127.0.0.1:8600: no answer (refused)", reached=False)
    said = text(notice.away(answer))
    assert "does not answer" in said
    assert "http://127.0.0.1:8600" in said
    assert "42 s ago" in said
    assert notice.stale_class(answer) == "drawn stale"


def test_a_current_answer_needs_no_notice() -> None:
    assert notice.away(Answer({}, 0, None)) is None


def test_simulated_systems_carry_a_tag() -> None:
    said = text(shell.systems(["local", "sim"], ["sim"], away=False))
    assert said == "local sim simulated"
    assert "collector away" in text(shell.systems([], [], away=True))


def test_an_unknown_share_is_hatched_and_a_dash() -> None:
    said = drawing({"x": meter(None)})["x"]
    assert "meter-unknown" in str(said)
    assert "\u2013" in str(said)
    assert "width" not in str(said)


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("1.24\u2009MW", ("1.24", "MW")),
        ("184\u2009320", ("184\u2009320", "")),
        ("184\u2009320\u2009GPU-h", ("184\u2009320", "GPU-h")),
        ("\u2013", ("\u2013", "")),
    ],
)
def test_a_number_is_told_from_its_unit(written: str, parts: tuple[str, str]) -> None:
    assert split_unit(written) == parts


def test_an_empty_table_still_has_its_head() -> None:
    assert find(table("Nothing", [Column("node", "Host")], [], "hosts"), scope="col")
