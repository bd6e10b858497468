from __future__ import annotations

from typing import Any

from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.diff import diff


def test_a_bundle_says_the_same_as_itself(made: Bundle) -> None:
    assert diff(made, made) == []


def test_what_a_revision_changed_is_named(made: Bundle, factory: Any, kit: Any) -> None:
    figures = [*kit.plain_figures()[1:], kit.figure("P02", 5.0)]
    after = factory.bundle(figures=figures, supersedes=made, files={"factors.csv": b"x\n"})
    told = {change.where: change for change in diff(made, after)}
    assert set(told) == {"manifest revision", "P01", "P02", "factors.csv"}
    assert told["P01"].after is None
    assert told["P02"].before is None
    assert (told["manifest revision"].before, told["manifest revision"].after) == (1, 2)


def test_a_changed_cell_is_named_by_its_words(factory: Any) -> None:
    before, after = factory.bundle(seed=1), factory.bundle(seed=2)
    cells = [change.where for change in diff(before, after) if change.where.startswith("access ")]
    assert cells
    assert all(where.count("/") == 3 for where in cells)
