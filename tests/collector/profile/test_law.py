from collections.abc import Callable

import pytest

from wattline_collector.profile import law
from wattline_collector.profile.schema import FactoryProfile

Maker = Callable[..., FactoryProfile]


@pytest.mark.parametrize(
    ("mode", "working_days", "days", "most"),
    [
        ("playground", 2, None, None),
        ("fast_lane", 4, None, 50_000.0),
        ("large_scale", 10, None, None),
        ("ai_for_science", None, 30, None),
        ("regular", None, None, None),
    ],
)
def test_clocks_are_those_of_the_calls_where_nothing_is_told(
    profile: Maker, mode: str, working_days: int | None, days: int | None, most: float | None
) -> None:
    for told in (None, profile()):
        found = law.access_mode(told, mode)
        assert (found.working_days, found.days, found.gpu_hours_most) == (working_days, days, most)


def test_what_is_told_of_a_mode_wins_and_the_rest_stays(profile: Maker) -> None:
    found = law.access_mode(profile("[access_mode.fast_lane]\nworking_days = 5\n"), "fast_lane")
    assert (found.working_days, found.gpu_hours_most) == (5, 50_000.0)


def test_calendar_days_take_the_place_of_working_days_and_back(profile: Maker) -> None:
    found = law.access_mode(profile("[access_mode.fast_lane]\ndays = 7\n"), "fast_lane")
    assert (found.working_days, found.days) == (None, 7)
    more = "[access_mode.ai_for_science]\nworking_days = 30\n"
    found = law.access_mode(profile(more), "ai_for_science")
    assert (found.working_days, found.days) == (30, None)


@pytest.mark.parametrize(
    ("track", "ceilings"),
    [
        (1, (None, None, 0.5, None)),
        (2, (None, 0.5, None, 0.35)),
        (3, (0.5, None, 0.5, None)),
        (None, (None, None, None, None)),
    ],
)
def test_ceilings_are_those_of_the_track(
    profile: Maker, track: int | None, ceilings: tuple[float | None, ...]
) -> None:
    found = law.ceilings(profile("" if track is None else f"track = {track}\n"))
    assert ceilings == (
        found.acquisition_share, found.upgrade_share, found.operating_share,
        found.additional_operating_share,
    )  # fmt: skip


def test_a_ceiling_can_be_told(profile: Maker) -> None:
    found = law.ceilings(profile("track = 2\n[ceilings]\nupgrade_share = 0.35\n"))
    assert (found.upgrade_share, found.additional_operating_share) == (0.35, 0.35)


def test_levels_of_commercial_use_are_the_laws_unless_told(profile: Maker) -> None:
    assert law.commercial_levels(None) == law.commercial_levels(profile()) == (0.15, 0.18, 0.20)
    told = profile("[guard]\ncommercial_share = [0.1, 0.2]\n")
    assert law.commercial_levels(told) == (0.1, 0.2)
    assert law.commercial_share_most(None) == 0.20


def test_the_level_of_burn_down_can_be_told(profile: Maker) -> None:
    assert law.burn_down_least(None) == law.burn_down_least(profile("[guard]\n")) == 0.40
    assert law.burn_down_least(profile("[guard]\nburn_down_share = '50 %'\n")) == 0.50


@pytest.mark.parametrize(
    ("kind", "most"), [("mid_range", 0.35), ("ai_optimised", 0.5), (None, 0.5)]
)
def test_the_unions_share_has_a_cap_by_class(kind: str | None, most: float) -> None:
    assert law.union_share_most(kind) == most


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ("", None),
        ("[data_centre]\n", None),
        ("[data_centre]\nrated_it_power = '499.9 kW'\n", False),
        ("[data_centre]\nrated_it_power = '0.5 MW'\n", True),
    ],
)
def test_who_must_report_energy_hangs_on_the_rated_load(
    profile: Maker, more: str, answer: bool | None
) -> None:
    assert law.must_report_energy(profile(more)) is answer
