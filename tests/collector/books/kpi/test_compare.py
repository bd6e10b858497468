from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wattline_collector.kpi.compare import Compared, Verdict, side_by_side
from wattline_collector.kpi.figure import Figure, Period, Status
from wattline_collector.kpi.registry import REGISTRY
from wattline_collector.kpi.targets import Aim, aim_of
from wattline_collector.profile.parse import must, parse_profile
from wattline_collector.profile.schema import FactoryProfile

NOVEMBER = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))

PROFILE = """
id = "example"
name = "Example"
country = "FI"
time_zone = "Europe/Helsinki"
[target.U01]
direction = "up"
value = 85
by = 2026-12-31
source = "board"
[sla.U01]
direction = "up"
threshold = 70
[sla.E06]
direction = "down"
threshold = 100
target = 50
[system.s1]
name = "One"
[system.s1.sla.U01]
direction = "up"
threshold = 80
"""


def _figure(value: float | None, id: str = "U01", **more: object) -> Figure:
    figure = Figure(
        id=id, name="", unit="%", value=value, numerator=None, denominator=None, n=1, coverage=1.0,
        method="", status=Status.OK, period=NOVEMBER,
    )  # fmt: skip
    return replace(figure, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def profile() -> FactoryProfile:
    return must(parse_profile(PROFILE.encode(), Path("profile.toml")))


@pytest.mark.parametrize(
    ("now", "then", "direction", "verdict"),
    [
        (80, 70, "up", Verdict.BETTER),
        (80, 70, "down", Verdict.WORSE),
        (70, 80, "down", Verdict.BETTER),
        (80, 70, "none", Verdict.CHANGED),
        (80, 80 + 1e-12, "up", Verdict.SAME),
        (None, 80, "up", Verdict.UNKNOWN),
        (80, None, "up", Verdict.UNKNOWN),
        (0, 0, "up", Verdict.SAME),
    ],
)
def test_a_change_is_better_or_worse_by_the_kpis_direction(
    now: float | None, then: float | None, direction: str, verdict: Verdict
) -> None:
    assert Compared(_figure(now), _figure(then), None, direction).verdict is verdict


def test_a_change_within_what_is_not_known_is_neither() -> None:
    now, then = _figure(100, low=95, high=105), _figure(103, low=98, high=108)
    assert Compared(now, then, None, "down").verdict is Verdict.UNCLEAR
    far = _figure(130, low=125, high=135)
    assert Compared(now, far, None, "down").verdict is Verdict.BETTER


def test_figures_meet_those_of_the_same_id_and_dimensions() -> None:
    now = [_figure(1, dims={"rack": "a"}), _figure(2, dims={"rack": "b"})]
    then = [_figure(5, dims={"rack": "b"}), _figure(9, dims={"rack": "gone"})]
    found = side_by_side(now, then, REGISTRY, lambda _: None)
    assert [(one.change, one.change_ratio) for one in found] == [(None, None), (-3, -0.6)]


def test_nothing_to_divide_by_gives_a_change_and_no_ratio() -> None:
    one = Compared(_figure(3), _figure(0), None, "up")
    assert (one.change, one.change_ratio) == (3, None)


def test_as_json_a_figure_has_its_previous_and_its_target_beside_it() -> None:
    aim = Aim(85, "up", threshold=70)
    seen = Compared(_figure(80), _figure(64), aim, "up").to_json()
    assert json.loads(json.dumps(seen, allow_nan=False)) == seen
    assert list(seen)[:12] == list(_figure(80).to_json())[:12]
    previous, target = seen["previous"], seen["target"]
    assert isinstance(previous, dict) and isinstance(target, dict)
    assert (previous["value"], previous["change"], previous["change_ratio"]) == (64, 16, 0.25)
    assert (target["value"], target["met"], target["kept"]) == (85, False, True)


def test_without_either_both_are_null() -> None:
    seen = Compared(_figure(80), None, None, "up").to_json()
    assert (seen["previous"], seen["target"]) == (None, None)


def test_the_factorys_target_stands_beside_what_its_system_promises(
    profile: FactoryProfile,
) -> None:
    aim = aim_of(REGISTRY["U01"], _figure(75), profile, ["s1"])
    assert aim is not None
    assert (aim.value, aim.threshold, aim.source) == (85, 80, "board")
    assert (aim.met(75), aim.kept(75)) == (False, False)


def test_of_two_systems_the_factorys_own_level_counts_until_they_are_split(
    profile: FactoryProfile,
) -> None:
    both = aim_of(REGISTRY["U01"], _figure(75), profile, ["s1", "s2"])
    assert both is not None and both.threshold == 70
    split = _figure(75, dims={"system": "s1"})
    one = aim_of(REGISTRY["U01"], split, profile, ["s1", "s2"])
    assert one is not None and one.threshold == 80


def test_less_is_better_where_the_profile_says_so(profile: FactoryProfile) -> None:
    aim = aim_of(REGISTRY["E06"], _figure(60, "E06"), profile, ["s1"])
    assert aim is not None
    assert (aim.met(60), aim.kept(60), aim.kept(None)) == (False, True, None)


@pytest.mark.parametrize("dims", [{"node": "n1"}, {"system": "s1", "project": "p"}])
def test_a_part_has_no_target_of_the_whole(profile: FactoryProfile, dims: dict[str, str]) -> None:
    figure = _figure(75, dims=dims)
    assert aim_of(REGISTRY["U01"], figure, profile, ["s1"]) is None


def test_without_a_profile_nothing_is_aimed_at() -> None:
    assert aim_of(REGISTRY["U01"], _figure(75), None, ["s1"]) is None
