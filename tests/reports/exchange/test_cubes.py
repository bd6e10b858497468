from __future__ import annotations

from typing import Any

import pytest

from wattline_reports.exchange import cubes
from wattline_reports.exchange.cubes import CUBES, Cube
from wattline_reports.exchange.refused import Reason

ENERGY = CUBES["energy"]


@pytest.mark.parametrize("cube", CUBES.values(), ids=lambda cube: cube.name)
def test_every_cube_is_written_and_read_back(cube: Cube) -> None:
    words = [
        "_T" if place % 2 else (dimension.words or ("2026-11",))[0]
        for place, dimension in enumerate(cube.dimensions)
    ]
    unknown = tuple("_U" for _ in cube.dimensions)
    values = tuple(float(place) + 0.5 for place in range(len(cube.measures)))
    rows = {tuple(words): values, unknown: None}
    assert cubes.from_csv(cube, cubes.to_csv(cube, rows), "x") == rows


def test_a_number_that_nobody_knows_is_empty_and_not_nought() -> None:
    rows: dict[Any, Any] = {("2026-11", "it"): (None, 0.0)}
    data = cubes.to_csv(ENERGY, rows)
    assert b"2026-11,it,,0,,F" in data
    assert cubes.from_csv(ENERGY, data, "x") == rows


@pytest.mark.parametrize(
    "line",
    [
        "2026-13,it,1,1,,F",
        "2026-1,it,1,1,,F",
        "=1+1,it,1,1,,F",
        "2026-11,node17,1,1,,F",
        "2026-11,it,-1,1,,F",
        "2026-11,it,nan,1,,F",
        "2026-11,it,1e400,1,,F",
        "2026-11,it,many,1,,F",
        "2026-11,it,1,1,A,F",
        "2026-11,it,1,1",
    ],
)
def test_a_line_that_no_cube_holds_is_refused_with_its_number(line: str, refused: Any) -> None:
    data = (",".join(ENERGY.columns) + "\n" + line + "\n").encode()
    words = refused(Reason.SCHEMA, lambda: cubes.from_csv(ENERGY, data, "b.zip"))
    assert words.startswith("b.zip:2: cubes/energy.csv")


def test_the_same_in_other_bytes_is_refused(refused: Any) -> None:
    good = cubes.to_csv(ENERGY, {("2026-11", "it"): (1.0, 1.0)})
    for data in (good.replace(b"\n", b"\r\n"), good.replace(b",1,", b",1.0,", 1), good + b"\n"):
        refused_code = Reason.SCHEMA if data.endswith(b"\n\n") else Reason.NOT_CANONICAL
        refused(refused_code, lambda data=data: cubes.from_csv(ENERGY, data, "x"))


def test_bytes_that_are_no_text_are_refused(refused: Any) -> None:
    refused(Reason.SCHEMA, lambda: cubes.from_csv(ENERGY, b"\xff\xfe", "x"))
