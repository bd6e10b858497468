from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from wattline_agents.errors import InputError
from wattline_collector.kpi.registry import explain
from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import format_value
from wattline_reports.document import (
    Bullets,
    Chart,
    Definitions,
    Paragraph,
    Report,
    Section,
    Table,
)
from wattline_reports.review import whole as review

Overview = dict[str, Any]
Make = Callable[[Overview], Report]
DASH = "–"  # noqa: RUF001 (unknown is an en dash)


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ").replace("\u2009", " ")


def number(text: str) -> float:
    return float(plain(text).replace(" ", ""))


def chapter(made: Report, id: str) -> Section:
    return next(section for section in made.sections if section.id == id)


def tables(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def charts(section: Section) -> list[Chart]:
    return [block for block in section.blocks if isinstance(block, Chart)]


def said(section: Section) -> str:
    lines: list[str] = [section.answer]
    for block in section.blocks:
        if isinstance(block, Paragraph):
            lines.append(block.text)
        elif isinstance(block, Bullets):
            lines += [f"{start} {text}" for start, text in block.items]
        elif isinstance(block, Table | Chart):
            lines += [block.title, block.source]
    return plain("\n".join(lines))


def figure(overview: Overview, id: str) -> dict[str, Any]:
    return next(one for one in overview["figures"] if one["id"] == id)


def every_table(made: Report) -> Iterator[Table]:
    for section in made.sections:
        yield from tables(section)


def test_the_one_page_answer_shows_the_figures_of_the_collector(
    overview: Overview, make_review: Make
) -> None:
    rows = tables(chapter(make_review(overview), "answer"))[0].rows
    assert [row.cells[0].text for row in rows] == [
        "P02", "U01", "U02", "E06", "S12", "S10", "S14", "Q03",
    ]  # fmt: skip
    for row in rows:
        id, _, shown, target, before, n, coverage, state = (cell.text for cell in row.cells)
        given = figure(overview, id)
        expected = format_value(given["value"], given["unit"], 4 if id == "S14" else 3)
        if id != "E06":  # people add these up: no prefix
            assert plain(shown) == plain(expected)
        assert number(n) == given["n"]
        assert (coverage == DASH) == (given["coverage"] is None)
        assert (target, before, state) == (DASH, DASH, "no target")


def test_the_printed_accounts_add_up_to_what_was_installed(
    overview: Overview, make_review: Make
) -> None:
    table = tables(chapter(make_review(overview), "utilisation"))[0]
    *accounts, total = table.rows
    assert [row.cells[0].text for row in accounts] == [account.value for account in Account]
    hours = [number(row.cells[2].text) for row in accounts]
    assert sum(hours) == pytest.approx(number(total.cells[2].text), abs=1e-6)
    assert number(total.cells[2].text) == round(overview["waterfall"][0]["device_hours"], 1)
    assert sum(number(row.cells[3].text) for row in accounts) == pytest.approx(100, abs=1e-6)
    for row, given in zip(accounts, overview["accounts"], strict=True):
        assert number(row.cells[2].text) == pytest.approx(given["device_hours"], abs=0.1)


def test_the_waterfall_ends_at_what_was_kept(overview: Overview, make_review: Make) -> None:
    chart = charts(chapter(make_review(overview), "utilisation"))[0]
    for step in overview["waterfall"]:
        assert f"{step['step']} {step['device_hours']:,.0f}".replace(",", " ") in plain(chart.alt)


def test_energy_adds_up_at_each_boundary_and_overhead_is_a_part_of_it(
    overview: Overview, make_review: Make
) -> None:
    table = tables(chapter(make_review(overview), "energy"))[0]
    *accounts, total, overhead = table.rows
    for place, boundary in ((1, "gpu"), (2, "node")):
        printed = [row.cells[place].text for row in accounts]
        assert sum(number(t) for t in printed if t != DASH) == pytest.approx(
            number(total.cells[place].text), abs=1e-6
        )
        whole = sum(
            one["energy_joules"] or 0
            for one in overview["energy"]
            if one["boundary"] == boundary and one["account"] != "node_overhead"
        )
        assert number(total.cells[place].text) == pytest.approx(whole / 3.6e9, abs=0.01)
    difference = number(total.cells[2].text) - number(total.cells[1].text)
    assert number(overhead.cells[2].text) == pytest.approx(difference, abs=0.011)


def test_without_node_meters_only_the_gpu_boundary_is_shown(
    make_overview: Callable[..., Overview], make_review: Make
) -> None:
    energy = chapter(make_review(make_overview(node_meters=False)), "energy")
    assert [column.title for column in tables(energy)[0].columns] == ["Account", "GPU boundary"]
    assert "attribution closure (S14) is not known: no node has a meter" in energy.answer


def test_without_any_meter_the_chapter_says_so(overview: Overview, make_review: Make) -> None:
    overview["energy"] = []
    energy = chapter(make_review(overview), "energy")
    assert charts(energy) == []
    assert "No meter saw any energy" in said(energy)


def test_a_figure_that_is_not_known_is_a_dash_with_its_reason(
    overview: Overview, make_review: Make
) -> None:
    figure(overview, "S10").update(
        value=None, status="withheld", note="withheld: 31% of the time was covered, under 50%"
    )
    answer = chapter(make_review(overview), "answer")
    row = next(row for row in tables(answer)[0].rows if row.cells[0].text == "S10")
    assert row.cells[2].text == DASH
    assert "31% of the time" in row.cells[1].note
    assert row.cells[-1].text == "withheld"
    assert "S10 withheld. 31% of the time was covered, under 50%." in said(answer)
    assert "tokens per joule: not known" in answer.answer


def test_a_figure_the_collector_left_out_is_missing_and_not_zero(
    overview: Overview, make_review: Make
) -> None:
    overview["figures"] = [one for one in overview["figures"] if one["id"] != "P02"]
    answer = chapter(make_review(overview), "answer")
    row = next(row for row in tables(answer)[0].rows if row.cells[0].text == "P02")
    assert (row.cells[2].text, row.cells[-1].text) == (DASH, "unknown")
    assert "P02 not known. The collector did not compute it." in said(answer)
    assert "7 of 8 KPIs" in said(answer)


def test_low_coverage_stands_beside_the_number(overview: Overview, make_review: Make) -> None:
    figure(overview, "P01").update(coverage=0.81, status="partial")
    made = make_review(overview)
    assert "Ttok (coverage 81.0 %) in training" in plain(chapter(made, "answer").answer)
    assert "observed for 81.0 % of the time" in said(chapter(made, "answer"))


def test_no_target_is_made_up(overview: Overview, make_review: Make) -> None:
    made = make_review(overview)
    assert ("Targets", "no target set") in made.facts
    assert "No target set for any KPI" in said(chapter(made, "answer"))


def test_balanced_books_are_said_to_balance(overview: Overview, make_review: Make) -> None:
    statement = make_review(overview).statement
    assert statement.good
    assert statement.headline == "The books balance"
    assert "720 hours" in plain(statement.text)


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o["audit"].update(balanced=False, findings=3),
        lambda o: o.update(audit_findings=["2026-11-02T04Z (sim)  device a: 1 s booked, 2 s"]),
        lambda o: o["accounts"][0].update(device_hours=o["accounts"][0]["device_hours"] + 5),
    ],
    ids=["the audit of the books", "the full audit", "the accounts themselves"],
)
def test_books_that_do_not_balance_are_said_not_to(
    overview: Overview, make_review: Make, change: Callable[[Overview], None]
) -> None:
    change(overview)
    made = make_review(overview)
    assert not made.statement.good
    assert made.statement.headline == "The books do NOT balance"
    assert "the books do NOT balance" in chapter(made, "quality").answer


def test_findings_are_listed(overview: Overview, make_review: Make) -> None:
    overview["audit_findings"] = [
        f"2026-11-02T{n:02}Z (sim)  device d{n}: altered" for n in range(20)
    ]
    quality = said(chapter(make_review(overview), "quality"))
    assert "device d11: altered" in quality
    assert "device d12" not in quality
    assert "8 more" in quality
    assert "20 findings" in quality


def test_books_that_nobody_checked_are_not_called_balanced(
    overview: Overview, make_review: Make
) -> None:
    overview["audit"].update(checked_hours=0)
    statement = make_review(overview).statement
    assert (statement.good, statement.headline) == (False, "The books have not been audited")


def test_work_that_was_not_measured_is_not_called_idle(
    overview: Overview, make_review: Make
) -> None:
    hours = {one["account"]: one for one in overview["accounts"]}
    moved = sum(hours[a]["device_hours"] for a in ("busy", "slowed", "held"))
    hours["unmeasured"]["device_hours"] += moved
    for account in ("busy", "slowed", "held"):
        hours[account]["device_hours"] = 0.0
    for step in overview["waterfall"]:
        if step["step"] in ("working", "unthrottled", "kept"):
            step["device_hours"] = 0.0
    made = make_review(overview)
    assert "0 %" not in made.sections[0].answer
    assert "not known how many worked: no activity was measured" in made.sections[0].answer
    alt = plain(charts(chapter(made, "utilisation"))[0].alt)
    assert f"working {DASH}, unthrottled {DASH}, kept {DASH}" in alt


def test_partly_measured_work_is_a_least_amount(overview: Overview, make_review: Make) -> None:
    hours = {one["account"]: one for one in overview["accounts"]}
    part = hours["busy"]["device_hours"] * 0.3
    hours["busy"]["device_hours"] -= part
    hours["unmeasured"]["device_hours"] += part
    for step in overview["waterfall"]:
        if step["step"] in ("working", "unthrottled", "kept"):
            step["device_hours"] -= part
    assert "at least" in make_review(overview).sections[0].answer


def test_no_job_and_no_node_is_named(overview: Overview, make_review: Make) -> None:
    told = plain("\n".join(said(section) for section in make_review(overview).sections))
    cells = [cell.text for table in every_table(make_review(overview))
             for row in table.rows for cell in row.cells]  # fmt: skip
    for name in (overview["jobs"][0]["job"], overview["coverage"][0]["node"]):
        assert name not in told
        assert name not in cells


def test_there_are_twelve_chapters_in_one_order_and_each_answers_a_question(
    overview: Overview, make_review: Make
) -> None:
    sections = make_review(overview).sections
    assert [one.id for one in sections] == [
        "answer", "response", "access", "production", "utilisation", "availability", "energy",
        "service", "coordination", "quality", "finance", "forecast", "annexes", "definitions",
    ]  # fmt: skip
    for one in sections:
        assert one.question.endswith("?"), one.id
        assert one.answer.endswith("."), one.id


def test_a_factory_without_jobs_has_a_review(overview: Overview, make_review: Make) -> None:
    overview["jobs"] = []
    overview["days"] = []
    overview["coverage"] = []
    for one in overview["figures"]:
        one.update(value=None, numerator=None, status="unknown", coverage=None, n=0, note="")
    made = make_review(overview)
    assert "No job ran in the period." in said(chapter(made, "production"))
    assert "0 of 8 KPIs" in said(chapter(made, "answer"))
    assert "What the factory made in November 2026 is not known" in plain(made.sections[0].answer)


def test_days_without_data_are_gaps(overview: Overview, make_review: Make) -> None:
    quality = said(chapter(make_review(overview), "quality"))
    assert "Nothing observed: 2 days: 17 Nov to 18 Nov." in quality
    assert "Under 95 % coverage: 1 day: 9 Nov" in quality
    titles = [chart.title for chart in charts(chapter(make_review(overview), "quality"))]
    assert "27 of 30" in titles[0]
    assert "2 of 32" in titles[1]


def test_the_seven_criteria_of_the_regulation_are_answered(
    overview: Overview, make_review: Make
) -> None:
    bullets = [
        b for b in chapter(make_review(overview), "quality").blocks if isinstance(b, Bullets)
    ]
    starts = [start for start, _ in bullets[-1].items]
    assert starts == [
        "Relevance.", "Accuracy.", "Timeliness and punctuality.", "Accessibility and clarity.",
        "Comparability.", "Coherence.",
    ]  # fmt: skip


def test_every_kpi_of_the_answer_is_defined_with_its_two_sums(
    overview: Overview, make_review: Make
) -> None:
    block = next(
        b
        for b in chapter(make_review(overview), "definitions").blocks
        if isinstance(b, Definitions)
    )
    defined = {item.id: dict(item.lines) for item in block.items}
    answered = [row.cells[0].text for row in tables(make_review(overview).sections[0])[0].rows]
    assert set(answered) <= set(defined)
    assert plain(defined["U01"]["This period"]).startswith(
        "111 350.3 GPU-h ÷ 165 425.6 GPU-h = 67.3 %"
    )
    for id, lines in defined.items():
        brief = {"Formula", "Unit"}
        assert (brief | {"Source", "This period"} if id in answered else brief) <= set(lines)


def test_every_figure_and_table_has_number_title_and_source(
    overview: Overview, make_review: Make
) -> None:
    made = make_review(overview)
    pictures = [chart for section in made.sections for chart in charts(section)]
    assert [plain(p.label) for p in pictures] == [f"Figure {n + 1}" for n in range(len(pictures))]
    labels = [plain(table.label) for table in every_table(made)]
    assert labels == [f"Table {n + 1}" for n in range(len(labels))]
    blocks: list[Table | Chart] = [*pictures, *every_table(made)]
    for block in blocks:
        assert block.title.endswith(".")
        assert block.source.endswith(".")
    assert all(picture.alt for picture in pictures)


def test_rows_have_as_many_cells_as_there_are_columns(
    overview: Overview, make_review: Make
) -> None:
    for table in every_table(make_review(overview)):
        assert {len(row.cells) for row in table.rows} == {len(table.columns)}


def test_every_system_stands_under_the_title(overview: Overview, make_review: Make) -> None:
    overview["systems"] = ["alpha", "beta"]
    made = make_review(overview)
    assert made.subject == "Systems alpha and beta"


def test_the_same_overview_gives_the_same_review(overview: Overview, make_review: Make) -> None:
    assert make_review(overview) == make_review(copy.deepcopy(overview))


def test_nothing_in_the_overview_is_changed(overview: Overview, make_review: Make) -> None:
    before = copy.deepcopy(overview)
    make_review(overview)
    assert overview == before


def test_a_registry_entry_without_a_formula_is_refused(overview: Overview) -> None:
    def broken(id: str) -> dict[str, object]:
        return explain(id) | {"formula": None}

    with pytest.raises(InputError, match="registry entry of P02: formula: not a text"):
        review.build(overview, broken)
