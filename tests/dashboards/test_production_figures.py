from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import plotly.graph_objects as go
import pytest

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS, TOKEN_KINDS, UNKNOWN, Mode
from wattline_dashboards.figures import coverage, days, energy, waterfall

Json = dict[str, Any]
Overview = Callable[..., Json]


def test_the_waterfall_shows_every_step_from_zero_and_what_each_took(overview: Overview) -> None:
    period = overview()
    figure = go.Figure(waterfall.figure(period["waterfall"], period["accounts"], Mode.LIGHT))
    left, *taken = figure.data
    assert list(left.y) == [step["step"] for step in period["waterfall"]]
    assert figure.layout.xaxis.range[0] == 0
    hours = {row["account"]: row["device_hours"] for row in period["accounts"]}
    for bar in taken:
        assert bar.x[0] == hours[bar.name]
        assert bar.marker.color == ACCOUNTS[Account(bar.name)].light


def test_the_waterfall_closes_step_by_step(overview: Overview) -> None:
    period = overview()
    figure = go.Figure(waterfall.figure(period["waterfall"], period["accounts"], Mode.LIGHT))
    left, *taken = figure.data
    for place in range(1, len(left.x)):
        lost = sum(bar.x[0] for bar in taken if bar.y[0] == left.y[place])
        assert left.x[place] + lost == pytest.approx(left.x[place - 1])


def test_what_may_be_more_says_at_least_and_what_is_unknown_is_a_dash() -> None:
    accounts = [{"account": "unmeasured", "device_hours": 4.0}]

    def said(left: float) -> list[str]:
        steps = [("installed", 10.0), ("assigned", 10.0), ("working", left), ("kept", left)]
        figure = go.Figure(
            waterfall.figure(
                [{"step": step, "device_hours": hours} for step, hours in steps],
                accounts,
                Mode.LIGHT,
            )
        )
        texts = {one.y: one.text for one in figure.layout.annotations}
        return [texts[step][0] for step in ("assigned", "working", "kept")]

    assert said(6.0) == ["<", "≥", "≥"]
    assert said(0.0) == ["<", UNKNOWN, UNKNOWN]


def test_what_is_not_known_is_hatched_in_the_waterfall(overview: Overview) -> None:
    period = overview()
    figure = go.Figure(waterfall.figure(period["waterfall"], period["accounts"], Mode.DARK))
    hatched = {bar.name for bar in figure.data[1:] if bar.marker.pattern.shape == "/"}
    assert hatched == {"unmeasured", "unobserved"}


def test_a_step_nobody_knows_is_a_dash_and_no_bar() -> None:
    figure = go.Figure(
        waterfall.figure(
            [{"step": "installed", "device_hours": 10.0}, {"step": "kept", "device_hours": None}],
            [],
            Mode.LIGHT,
        )
    )
    assert figure.data[0].x[-1] is None
    assert figure.layout.annotations[-1].text == "\u2013"


def test_no_joule_is_counted_twice_when_nodes_and_devices_are_metered(overview: Overview) -> None:
    rows = overview()["energy"]
    node = sum(
        row["energy_joules"]
        for row in rows
        if row["boundary"] == "node" and row["account"] != energy.OVERHEAD
    )
    split = energy.split(rows)
    assert split.boundary == "node"
    assert split.total == pytest.approx(node)


def test_overhead_stands_by_itself_where_only_some_nodes_are_metered() -> None:
    split = energy.split(
        [
            {"boundary": "gpu", "account": "busy", "energy_joules": 100.0},
            {"boundary": "node", "account": "busy", "energy_joules": 60.0},
            {"boundary": "node", "account": "node_overhead", "energy_joules": 12.0},
        ]
    )
    assert (split.boundary, split.total, split.overhead) == ("gpu", 112.0, 12.0)


def test_a_host_without_accelerators_has_its_node_energy() -> None:
    split = energy.split([{"boundary": "node", "account": "free", "energy_joules": 5.0}])
    assert (split.boundary, split.beyond) == ("node", {Account.FREE: 5.0})


def test_energy_nobody_metered_is_no_bar_at_all() -> None:
    split = energy.split([{"boundary": "gpu", "account": "busy", "energy_joules": None}])
    assert (split.boundary, split.total) == ("", 0)
    assert energy.figure(split, Mode.LIGHT)["data"] == []


def test_energy_bars_start_at_zero_in_the_order_of_the_accounts(overview: Overview) -> None:
    split = energy.split(overview()["energy"])
    figure = go.Figure(energy.figure(split, Mode.LIGHT))
    assert figure.layout.xaxis.range[0] == 0
    known = [a for a in Account if split.devices.get(a)]
    assert list(figure.data[0].y) == [ACCOUNTS[account].label for account in known]


def test_a_day_nobody_counted_is_a_hatched_gap_and_not_a_zero(overview: Overview) -> None:
    rows = overview()["days"]
    gaps = days.missing(rows)
    assert gaps == [date(2026, 11, 12), date(2026, 11, 13)]
    *kinds, gap = go.Figure(days.figure(rows, Mode.LIGHT)).data
    assert [bar.name for bar in kinds] == list(TOKEN_KINDS)
    assert not set(kinds[0].x) & set(gaps)
    assert list(gap.x) == gaps
    assert gap.marker.pattern.shape == "/"


def test_a_day_left_out_of_the_answer_is_a_gap_too() -> None:
    rows = [{"day": "2026-11-01", "tokens_trained": 5}, {"day": "2026-11-03", "tokens_trained": 6}]
    assert days.missing(rows) == [date(2026, 11, 2)]


def test_tokens_start_at_zero(overview: Overview) -> None:
    axis = go.Figure(days.figure(overview()["days"], Mode.LIGHT)).layout.yaxis
    assert axis.range[0] == 0
    assert axis.tickvals[0] == 0


def test_days_on_which_nobody_ever_counted_make_no_picture() -> None:
    rows = [{"day": "2026-11-01", "tokens_trained": None}]
    assert days.figure(rows, Mode.LIGHT)["data"] == []
    assert days.total(rows) is None


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, [0.0]),
        (1.2e9, [0.0, 5e8, 1e9]),
        (3.1e9, [0.0, 1e9, 2e9, 3e9]),
        (9e9, [0.0, 2e9, 4e9, 6e9, 8e9]),
    ],
)
def test_ticks_are_round(highest: float, ticks: list[float]) -> None:
    assert days.ticks_to(highest) == ticks


def test_the_part_of_a_node_that_was_not_observed_is_hatched() -> None:
    figure = go.Figure(
        coverage.figure([{"node": "n1", "expected_hours": 10.0, "observed_hours": 6.0}], Mode.LIGHT)
    )
    seen, missing = figure.data
    assert (seen.y, missing.y) == ((0.6,), (0.4,))
    assert missing.marker.pattern.shape == "/"
    assert figure.layout.yaxis.range == (0, 1)


def test_node_names_cannot_become_markup() -> None:
    figure = go.Figure(
        coverage.figure(
            [{"node": "<i>n</i>", "expected_hours": 1.0, "observed_hours": 1.0}], Mode.LIGHT
        )
    )
    assert figure.data[0].customdata[0][0] == "&lt;i&gt;n&lt;/i&gt;"


@pytest.mark.parametrize(("count", "numbers"), [(7, 7), (28, 1)])
def test_coverage_of_thin_days_is_read_where_it_has_room_and_marked_where_not(
    count: int, numbers: int
) -> None:
    rows = [
        {"day": str(date(2026, 1, 1 + place)), "tokens_trained": 5.0, "coverage": 0.9 - place / 100}
        for place in range(count)
    ]
    notes = go.Figure(days.figure(rows, Mode.LIGHT)).layout.annotations
    written = [note.text for note in notes if note.text.endswith("%")]
    assert len(written) == numbers
    assert f"{90 - count + 1}\u2009%" in written  # the least is always told
    assert sum(note.text == "▾" for note in notes) == (count if count > numbers else 0)
    assert all("coverage" in note.hovertext for note in notes)
