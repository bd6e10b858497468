from __future__ import annotations

from dataclasses import replace
from typing import Any

from wattline_reports.exchange import canonical, factors_file
from wattline_reports.exchange.bundle import Bundle
from wattline_reports.exchange.diff import diff


def test_a_bundle_says_the_same_as_itself(made: Bundle) -> None:
    assert diff(made, made) == []


def test_what_a_revision_changed_is_named(made: Bundle, factory: Any, kit: Any) -> None:
    figures = [*kit.plain_figures()[1:], kit.figure("P02", 5.0)]
    after = factory.bundle(figures=figures, supersedes=made, files={"dcat.jsonld": b"{}"})
    told = {change.where: change for change in diff(made, after)}
    assert set(told) == {"manifest revision", "P01", "P02", "dcat.jsonld"}
    assert told["P01"].after is None
    assert told["P02"].before is None
    assert (told["manifest revision"].before, told["manifest revision"].after) == (1, 2)


def test_a_changed_cell_is_named_by_its_words(factory: Any) -> None:
    before, after = factory.bundle(seed=1), factory.bundle(seed=2)
    cells = [change.where for change in diff(before, after) if change.where.startswith("access ")]
    assert cells
    assert all(where.count("/") == 3 for where in cells)


def test_what_is_declared_is_compared_value_by_value(factory: Any, declared: Any) -> None:
    profile = declared.profile()
    changed = declared.profile(count=2048)
    files = {
        "profile.json": canonical.dumps(profile),
        "factors.csv": factors_file.to_csv([declared.FACTOR]),
    }
    other = {
        "profile.json": canonical.dumps(changed),
        "factors.csv": factors_file.to_csv([replace(declared.FACTOR, grams_per_kwh=61.5)]),
    }
    before, after = factory.bundle(files=files), factory.bundle(files=other)
    told = {change.where: (change.before, change.after) for change in diff(before, after)}
    assert told == {
        "profile.json systems[example-1].devices[NVIDIA H200].count": (1024, 2048),
        "factors.csv location_annual FI 2025 consumption lifecycle CC BY 4.0 the grid operator": (
            72.0, 61.5,
        ),
    }  # fmt: skip
    gone = {change.where: change.after for change in diff(before, factory.bundle())}
    assert set(gone.values()) == {None}
    assert "profile.json is_gigafactory" in gone
