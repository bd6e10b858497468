from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.kpi.query import figures

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def answer(ask_planted: Ask) -> Any:
    return ask_planted("/v1/energy")


def of(rows: Any, id: str, **dims: str) -> Any:
    (found,) = [row for row in rows if row["id"] == id and row["dims"] == dims]
    return found


def test_its_figures_are_those_of_the_registry(answer: Any, planted: Path) -> None:
    expected = figures(planted, ["S03", "S08", "S14"])
    for one in expected:
        told = of(answer["figures"], one.id, **one.dims)
        assert told["value"] == pytest.approx(one.value)
        assert told["coverage"] == pytest.approx(one.coverage)


def test_at_every_knot_what_comes_in_goes_out(answer: Any) -> None:
    links = answer["flow"]["links"]
    into: dict[str, float] = {}
    out: dict[str, float] = {}
    for link in links:
        into[link["target"]] = into.get(link["target"], 0.0) + link["joules"]
        out[link["source"]] = out.get(link["source"], 0.0) + link["joules"]
    between = set(into) & set(out)
    assert between >= {"it", "booked", "devices"}
    for knot in between:
        assert into[knot] == pytest.approx(out[knot])
    assert 0 < answer["flow"]["coverage"] <= 1


def test_sums_over_time_add_up_to_the_whole(answer: Any) -> None:
    days = [row for row in answer["series"]["S01"] if row["indicator"] == "E_DC"]
    whole = of(answer["figures"], "S01", indicator="E_DC")
    assert answer["step"] == "day"
    assert sum(row["numerator"] for row in days) == pytest.approx(whole["numerator"])
    assert [row["at_unix_ms"] for row in days] == sorted(row["at_unix_ms"] for row in days)


def test_the_cost_by_tariff_is_that_of_the_dictionary(answer: Any) -> None:
    per_hour = of(answer["figures"], "I12", figure="energy_euro_per_gpu_hour")
    assert answer["cost"]["of"] == "E_DC"
    euro = sum(row["euro"] for row in answer["cost"]["rows"] if row["euro"] is not None)
    assert euro == pytest.approx(per_hour["numerator"])
    assert {row["tariff"] for row in answer["cost"]["rows"]} == {"all"}


def test_the_only_system_is_the_whole_site(ask_planted: Ask, answer: Any) -> None:
    mine = ask_planted("/v1/energy", [("system", "sim")])
    assert mine["system"] == "sim"
    links, expected = mine["flow"]["links"], answer["flow"]["links"]
    assert [(link["source"], link["target"]) for link in links] == [
        (link["source"], link["target"]) for link in expected
    ]
    assert [link["joules"] for link in links] == pytest.approx(
        [link["joules"] for link in expected]
    )


def test_a_system_that_is_not_there_is_named_with_those_that_are(ask_planted: Ask) -> None:
    with pytest.raises(UsageError, match="sim"):
        ask_planted("/v1/energy", [("system", "x" * 300)])


def test_a_period_before_the_books_is_empty_and_not_zero(ask_planted: Ask) -> None:
    before = [("from", "2020-01-01"), ("to", "2020-01-08")]
    empty = ask_planted("/v1/energy", before)
    assert empty["flow"]["links"] == []
    assert all(one["value"] is None for one in empty["figures"] if one["id"] in ("S10", "S12"))
