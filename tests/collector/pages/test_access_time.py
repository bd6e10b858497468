from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.errors import UsageError
from wattline_collector.access import Role, Viewer
from wattline_collector.kpi.figure import Figure, Period, Status
from wattline_collector.kpi.query import figures
from wattline_collector.pages.access_time import gaps

Ask = Callable[..., Any]
MANAGER = Viewer("mara", roles=frozenset({Role.MANAGER}))
SUPPORT = Viewer("sven", roles=frozenset({Role.SUPPORT}))


@pytest.fixture(scope="module")
def answer(ask_planted: Ask) -> Any:
    return ask_planted("/v1/access-time", viewer=MANAGER)


def test_its_figures_are_those_of_the_registry(answer: Any, planted: Path) -> None:
    told = {(row["id"], tuple(row["dims"].items())): row["value"] for row in answer["figures"]}
    for one in figures(planted, ["I01", "I02", "I03", "I04"]):
        assert told[one.id, tuple(one.dims.items())] == pytest.approx(one.value)


def test_grants_add_up_to_the_pace_of_all(answer: Any, planted: Path) -> None:
    (pace,) = figures(planted, ["U05"])
    rows = answer["burn"]["rows"]
    assert answer["burn"]["by"] == "project"
    assert sum(row["used"] for row in rows) == pytest.approx(pace.numerator)
    assert sum(row["due"] for row in rows) == pytest.approx(pace.denominator)


def test_who_may_not_see_projects_is_told_of_none(ask_planted: Ask, answer: Any) -> None:
    seen = ask_planted("/v1/access-time", viewer=SUPPORT)
    assert seen["burn"]["by"] == "access_mode"
    assert seen["may_see_all"] is False
    names = [row["project"] for row in answer["burn"]["rows"]]
    assert names and not any(name in str(seen) for name in names)


def test_small_cells_are_hidden_from_everybody_who_does_not_ask_for_all(answer: Any) -> None:
    cells = answer["states"]["cells"]
    assert cells and all(cell["hidden"] for cell in cells)  # no cell has five projects
    assert not any("used" in cell or "projects" in cell for cell in cells)


def test_all_cells_are_shown_to_who_sees_projects_and_refused_to_others(
    ask_planted: Ask, planted: Path
) -> None:
    every = ask_planted("/v1/access-time", [("cells", "all")], MANAGER)["states"]["cells"]
    expected = figures(planted, ["I03"], by="user_category")
    told = sorted(one.numerator for one in expected if one.numerator is not None)
    assert sorted(cell["used"] for cell in every) == pytest.approx(told)
    with pytest.raises(UsageError, match="projects"):
        ask_planted("/v1/access-time", [("cells", "all")], SUPPORT)
    with pytest.raises(UsageError, match="safe"):
        ask_planted("/v1/access-time", [("cells", "some")], MANAGER)


def test_the_commercial_guard_says_what_is_over_its_limit(answer: Any, planted: Path) -> None:
    (figure,) = figures(planted, ["I04"])
    (guard,) = answer["guard"]
    assert figure.value is not None
    assert guard["share"] == pytest.approx(figure.value / 100)
    assert guard["levels"] == [0.15, 0.18, 0.2]
    assert guard["alarm"] == "over"
    assert guard["left"] == pytest.approx(0.2 * guard["union"] - guard["used"])


def test_waits_have_the_limit_of_their_mode(answer: Any) -> None:
    waits = {row["mode"]: row for row in answer["waits"]}
    assert (waits["playground"]["most"], waits["playground"]["unit"]) == (2, "working days")
    assert (waits["ai_for_science"]["most"], waits["ai_for_science"]["unit"]) == (
        30, "calendar days",
    )  # fmt: skip
    assert all(row["p50"] is None or row["p50"] <= row["p95"] for row in waits.values())


def figure(value: float | None, note: str, **dims: str) -> Figure:
    period = Period(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC))
    status = Status.UNKNOWN if value is None else Status.OK
    return Figure("I07", "time to access", "d", value, None, None, 0, None, "register", status,
                  period, note, dims)  # fmt: skip


def test_what_the_registers_lack_is_named_once_for_each_reason() -> None:
    found = gaps(
        [
            figure(None, "no call_cut_off", access_mode="large_scale", figure="p50"),
            figure(None, "no call_cut_off", access_mode="large_scale", figure="p95"),
            figure(None, "there is no register", access_mode="unknown"),
            figure(3.0, "a remark", access_mode="playground", figure="p50"),
        ]
    )
    assert [(one["note"], one["of"]) for one in found] == [
        ("no call_cut_off", ["large_scale p50", "large_scale p95"]),
        ("there is no register", []),
    ]
