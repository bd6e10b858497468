from __future__ import annotations

import itertools
import re
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from wattline_reports import charts
from wattline_reports.picture import Picture, text_width

DAY = date(2026, 11, 1)


def days(count: int, unknown: tuple[int, ...] = ()) -> list[charts.DayColumn]:
    return [
        charts.DayColumn(
            DAY + timedelta(days=n), None if n in unknown else (3e9 + n, 1e9), 0.0 if n in unknown
            else 1.0,
        )
        for n in range(count)
    ]  # fmt: skip


SERIES = [charts.Series("trained", "tokens-trained"), charts.Series("prompt", "tokens-prompt")]


def labels(picture: Picture) -> list[str]:
    root = ElementTree.fromstring(picture.svg())
    return [
        "".join(text.itertext()).replace("\u202f", " ").replace("\u00a0", " ")
        for text in root.iter("{http://www.w3.org/2000/svg}text")
    ]


def boxes(picture: Picture, fill: str) -> list[tuple[float, ...]]:
    root = ElementTree.fromstring(picture.svg())
    found = []
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        if path.get("class") == f"f-{fill}" or f"-{fill})" in path.get("fill", ""):
            for box in re.findall(r"M(\S+) (\S+)h(\S+)v([^h]+)h", path.get("d", "")):
                found.append(tuple(float(number) for number in box))
    return found


def inside(picture: Picture) -> bool:
    """Whether every text fits into the picture."""
    root = ElementTree.fromstring(picture.svg())
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        wide = text_width("".join(text.itertext()))
        x, anchor = float(text.get("x", "0")), text.get("text-anchor", "start")
        start = {"start": x, "middle": x - wide / 2, "end": x - wide}[anchor]
        if start < -0.5 or start + wide > picture.width + 0.5:
            return False
        if not 6 <= float(text.get("y", "0")) <= picture.height:
            return False
    return True


def test_a_stack_is_as_high_as_its_sum_says() -> None:
    picture = charts.stacked_days("t", days(3), SERIES, "tok")
    trained, prompt = boxes(picture, "tokens-trained"), boxes(picture, "tokens-prompt")
    # The first path of a series is its key.
    ratio = trained[1][3] / prompt[1][3]
    assert ratio == pytest.approx(3, rel=0.01)
    assert prompt[1][1] + prompt[1][3] == pytest.approx(trained[1][1], abs=0.02)


def test_an_unknown_day_is_hatched_and_not_drawn_as_zero() -> None:
    picture = charts.stacked_days("t", days(5, unknown=(2,)), SERIES, "tok")
    hatched = boxes(picture, "mark")
    assert max(box[3] for box in hatched) == 150
    assert len(boxes(picture, "tokens-trained")) == 1 + 4
    assert any("nothing known: 1 day" in label for label in labels(picture))


def test_an_axis_names_its_unit_and_starts_at_zero() -> None:
    texts = labels(charts.stacked_days("t", days(5), SERIES, "tok"))
    assert "Gtok per day" in texts
    assert "0" in texts
    plain = labels(charts.stacked_days("t", days(5), SERIES, "GPU-hours", prefixed=False))
    assert "GPU-hours per day" in plain


def test_nothing_to_draw_is_still_a_picture() -> None:
    nothing = charts.stacked_days("t", days(2, unknown=(0, 1)), SERIES, "tok")
    assert inside(nothing)
    assert inside(charts.waterfall("w", [charts.Level("installed", 0.0)], "GPU-hours"))
    assert inside(charts.account_bars("a", [], ["one"], "Wh"))
    assert inside(charts.coverage_cells("n", []))


@pytest.mark.parametrize("count", [1, 2, 7, 30, 31, 92, 366, 800])
def test_labels_fit_from_a_day_to_two_years(count: int) -> None:
    assert inside(charts.stacked_days("t", days(count, unknown=(0,)), SERIES, "tok"))
    assert inside(charts.coverage_days("c", days(count)))


@pytest.mark.parametrize("count", [1, 31, 366])
def test_dates_do_not_touch_each_other(count: int) -> None:
    picture = charts.coverage_days("c", days(count))
    root = ElementTree.fromstring(picture.svg())
    placed = sorted(
        (float(text.get("x", "0")), text_width("".join(text.itertext())))
        for text in root.iter("{http://www.w3.org/2000/svg}text")
        if text.get("text-anchor") == "middle"
    )
    assert placed
    for (left, first), (right, second) in itertools.pairwise(placed):
        assert right - second / 2 >= left + first / 2


def waterfall(known: float | None = 40.0) -> Picture:
    return charts.waterfall(
        "w",
        [
            charts.Level("installed", 100.0, (charts.Part("free", 60.0, "free"),)),
            charts.Level("kept", known, at_least=known is not None),
        ],
        "GPU-hours",
    )


def test_a_waterfall_says_each_amount_and_its_share() -> None:
    texts = labels(waterfall())
    assert "100.0 · 100 %" in texts
    assert "60.0 · 60.0 %" in texts
    assert "≥ 40.0 · 40.0 %" in texts
    assert inside(waterfall())


def test_a_step_that_is_not_known_has_no_bar() -> None:
    assert "–" in labels(waterfall(None))  # noqa: RUF001 (unknown is an en dash)
    assert boxes(waterfall(None), "busy") == []
    assert len(boxes(waterfall(), "busy")) == 1


def test_bars_share_one_scale_from_zero() -> None:
    picture = charts.account_bars(
        "a",
        [
            charts.Bar("busy", "busy", (10.0, 20.0)),
            charts.Bar("down", "down", (None, None)),
            charts.Bar("rest", "node-overhead", (None, 5.0), only=1),
        ],
        ["GPU", "node"],
        "kWh",
    )
    first, second = boxes(picture, "busy")
    assert first[0] == second[0]
    assert second[2] == pytest.approx(2 * first[2], rel=0.001)
    assert boxes(picture, "down") == []
    assert "– · –" in labels(picture)  # noqa: RUF001 (unknown is an en dash)
    assert inside(picture)


@pytest.mark.parametrize("count", [1, 32, 1000, 4000])
def test_a_node_is_a_cell_however_many_there_are(count: int) -> None:
    cells = [charts.Cell(f"gpu{n:04}", 1.0 if n else None) for n in range(count)]
    picture = charts.coverage_cells("n", cells)
    assert len(boxes(picture, "free")) == count - 1 + 1  # and one in the key
    assert inside(picture)


def test_hostile_labels_stay_text() -> None:
    picture = charts.coverage_cells("n", [charts.Cell('"><script>&', 1.0)])
    assert "<script>" not in picture.svg()
    assert '"><script>&' in labels(picture)
