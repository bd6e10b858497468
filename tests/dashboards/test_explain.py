from __future__ import annotations

from typing import Any

from wattline_dashboards.answers import Answer
from wattline_dashboards.components.explain import explained, explanation
from wattline_dashboards.markup import drawing

ENTRY = Answer({"id": "S10", "name": "tokens per joule", "formula": "all / energy"}, 0, None)
FIGURE: dict[str, Any] = {
    "id": "S10", "value": 2.0, "unit": "tok/J", "numerator": 4.0, "denominator": 2.0,
    "numerator_unit": "tok", "denominator_unit": "J", "n": 3, "coverage": 0.5, "status": "ok",
    "method": "counter", "note": "<b>6 jobs are left out</b>", "dims": {"kind": "<i>"},
    "low": 1.9, "high": 2.1,
}  # fmt: skip


def drawn(entry: Answer, figure: Answer) -> str:
    return str(drawing({"x": explanation("S10", entry, figure)}))


def test_an_explanation_says_the_figure_and_what_defends_it() -> None:
    text = drawn(ENTRY, Answer({"figures": [FIGURE]}, 0, None))
    for part in ("Tokens per joule", "all / energy", "50", "counter", "<b>6 jobs", "kind <i>"):
        assert part in text


def test_who_may_not_see_the_figure_is_told_what_it_means() -> None:
    text = drawn(ENTRY, Answer(None, None, "403: your role does not see this"))
    assert "all / energy" in text
    assert "403" not in text


def test_a_kpi_nobody_knows_says_what_the_collector_said() -> None:
    assert "no KPI" in drawn(Answer(None, None, "404: no KPI 'S99'"), Answer(None, None, "404"))


def test_more_parts_than_can_be_read_are_counted() -> None:
    figures = [FIGURE | {"dims": {"kind": str(place)}} for place in range(30)]
    assert "6 more" in drawn(ENTRY, Answer({"figures": figures}, 0, None))


def test_a_figure_is_a_button_with_a_name() -> None:
    described = explained("S10", "2 tok/J", "Tokens per joule: 2 tokens per joule").to_plotly_json()
    assert described["props"]["data-explain"] == "S10"
    assert described["props"]["aria-label"].endswith("Explain S10")
