from __future__ import annotations

import re

from wattline_reports.review.pictures import (
    Bullet,
    Mark,
    Square,
    bullets,
    heat_map,
    hours_strip,
)

LETTERS = "bshluFmdo"


def boxes(body: str, fill: str) -> list[tuple[float, ...]]:
    found: list[tuple[float, ...]] = []
    for path in re.findall(rf'<path d="([^"]*)" class="f-{fill}"', body):
        for box in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)", path):
            found.append(tuple(float(one) for one in box))
    return found


def test_bullets_of_one_unit_share_a_scale_from_zero() -> None:
    picture = bullets("x", [Bullet("a", 10.0, "10"), Bullet("b", 5.0, "5")], "h")
    first, second = boxes(picture.body, "busy")
    assert first[0] == second[0]
    assert abs(first[2] - 2 * second[2]) < 0.02


def test_a_bullet_that_is_not_known_is_hatched_and_has_no_bar() -> None:
    picture = bullets("x", [Bullet("a", None, "not shown", (Mark(20.0, "20"),))], "%")
    assert not boxes(picture.body, "busy")
    assert "url(#x-mark)" in picture.body
    assert "not shown" in picture.body


def test_a_hidden_cell_of_a_heat_map_is_hatched_without_a_number() -> None:
    picture = heat_map(
        "x", ["AT"], ["sme", "other"],
        {(0, 0): Square(12.0), (0, 1): Square(None, is_hidden=True)}, "h",
    )  # fmt: skip
    assert "url(#x-mark)" in picture.body
    assert len(boxes(picture.body, "busy")) == 1
    assert ">12" in picture.body


def test_a_heat_map_without_hidden_cells_has_no_key_for_them() -> None:
    picture = heat_map("x", ["AT"], ["sme"], {(0, 0): Square(1.0)}, "h")
    assert "not shown" not in picture.body


def test_each_hour_of_the_strip_has_the_colour_of_its_account() -> None:
    picture = hours_strip("x", "b" * 30 + "d" * 18, LETTERS, 0, 1)
    assert len(boxes(picture.body, "busy")) == 30 + 1  # and its key
    assert len(boxes(picture.body, "down")) == 18 + 1
    assert len({box[0] for box in boxes(picture.body, "busy")[:30]}) == 2  # days


def test_hours_in_which_nothing_was_installed_are_left_blank() -> None:
    picture = hours_strip("x", "." * 24, LETTERS, 0, 1)
    assert "<path" not in picture.body
