from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wattline_reports.exchange import checked
from wattline_reports.exchange.refused import Reason


def _kpis(kit: Any, **change: Any) -> dict[str, Any]:
    return {"schema": "wattline-kpis-v1", "figures": [{**kit.figure("P01", 1.0), **change}]}


def test_a_figure_as_it_should_be_is_taken(kit: Any) -> None:
    checked.check("kpis", _kpis(kit, unit="m³/MWh", method="ledger; samples, weighted"), "k")


@pytest.mark.parametrize(
    "change",
    [
        {"id": "U05\n"},
        {"dims": {"system": "alpha\n"}},
        {"unit": "\x1b[2J"},
        {"method": "a\nb"},
        {"unit": "\u202etok"},
    ],
)
def test_a_line_break_and_what_a_terminal_obeys_are_refused(
    change: dict[str, Any], kit: Any, refused: Callable[..., Any]
) -> None:
    words = refused(Reason.SCHEMA, lambda: checked.check("kpis", _kpis(kit, **change), "k"))
    assert words.isprintable()


def test_a_list_that_is_too_long_is_refused_without_being_looked_through(
    kit: Any, refused: Callable[..., Any]
) -> None:
    class Counted(list[Any]):
        looked = 0

        def __iter__(self) -> Any:
            Counted.looked += 1
            return super().__iter__()

    flags = Counted(["A"] * 4)
    words = refused(Reason.SCHEMA, lambda: checked.check("kpis", _kpis(kit, flags=flags), "k"))
    assert "flags" in words
    assert Counted.looked == 0


def test_too_many_fields_are_refused_by_their_number(kit: Any, refused: Callable[..., Any]) -> None:
    dims = {f"x{number}": "a" for number in range(50)}
    words = refused(Reason.SCHEMA, lambda: checked.check("kpis", _kpis(kit, dims=dims), "k"))
    assert words.startswith("k: figures[0].dims: {")
