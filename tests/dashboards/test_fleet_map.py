from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS
from wattline_dashboards.figures import fleet_map, floor, views
from wattline_dashboards.figures.packed import packed, unpacked
from wattline_dashboards.picture import Picture, picture

Latest = Callable[..., dict[str, Any]]
WIDTH = 1216


@pytest.fixture
def shown(latest: Latest) -> Picture:
    return picture(latest())


@pytest.mark.parametrize("view", [view.id for view in views.VIEWS if view is not views.ACCOUNT])
def test_what_is_not_known_has_a_byte_that_no_value_has(shown: Picture, view: str) -> None:
    values = views.view_named(view).values(shown)
    assert None in values
    for value, byte in zip(values, fleet_map.cells(views.view_named(view), shown), strict=True):
        assert (byte == fleet_map.UNKNOWN) if value is None else byte <= fleet_map.LEVELS


def test_both_ends_of_a_scale_and_what_is_beyond_are_its_first_and_last_level(
    latest: Latest,
) -> None:
    answer = latest(1, 6)
    heat = [20.0, 95.0, -300.0, 1000.0, 57.5, None]
    answer["devices"] |= {"temperature_celsius": heat, "age_ms": [100] * 6}
    levels = fleet_map.cells(views.view_named("temperature"), picture(answer))
    last = fleet_map.LEVELS
    assert list(levels) == [0, last, 0, last, last // 2, fleet_map.UNKNOWN]


def test_what_arrow_does_not_know_is_a_gap_in_what_is_packed() -> None:
    values = pa.array([None, 1.5, None, 2.0])
    drawn = unpacked(packed(values))
    assert drawn[1::2] == [1.5, 2.0]
    assert all(value != value for value in drawn[::2])
    assert unpacked(packed(values.slice(1, 1), precise=True)) == [1.5]
    assert unpacked(packed(pa.array([], pa.float64()))) == []


def test_the_byte_of_an_account_is_its_place_in_the_plan(shown: Picture) -> None:
    said = fleet_map.plan(floor.plan(shown.devices, WIDTH), views.ACCOUNT)
    bytes_ = fleet_map.cells(views.ACCOUNT, shown)
    assert [said["accounts"][byte] for byte in bytes_] == [one.value for one in shown.accounts]
    assert said["hatched"] == [one.value for one in Account if ACCOUNTS[one].hatched]
    assert said["levels"] == 0


def test_the_browser_is_told_where_each_device_stands(shown: Picture) -> None:
    plan = floor.plan(shown.devices, WIDTH)
    packed_spots = base64.b64decode(fleet_map.plan(plan, views.ACCOUNT)["spots"])
    assert tuple(struct.iter_unpack("<HH", packed_spots)) == plan.spots


def test_the_map_says_in_words_what_it_shows(shown: Picture) -> None:
    said = fleet_map.plan(floor.plan(shown.devices, WIDTH), views.view_named("power"))
    assert said["title"] == "Power of 256 devices: power drawn, up to the highest limit"
    assert said["names"].split(", ") == [label[0] for label in said["racks"]]


def test_a_map_is_planned_anew_when_more_than_colours_changed(
    shown: Picture, latest: Latest
) -> None:
    plan, later = floor.plan(shown.devices, WIDTH), picture(latest(tick=3))
    name = fleet_map.drawn(plan, views.ACCOUNT)
    assert fleet_map.drawn(floor.plan(later.devices, WIDTH), views.ACCOUNT) == name
    assert fleet_map.drawn(plan, views.view_named("power")) != name
    fewer = picture(latest(31))
    assert fleet_map.drawn(floor.plan(fewer.devices, WIDTH), views.ACCOUNT) != name


def test_power_is_scaled_to_the_highest_limit_and_without_one_to_a_round_number(
    latest: Latest,
) -> None:
    answer = latest(1, 1)
    assert views.view_named("power").scale(picture(answer)) == (0.0, 700.0)
    answer["devices"]["power_limit_watts"] = [None]
    answer["devices"]["power_watts"] = [612.0]
    assert views.view_named("power").scale(picture(answer)) == (0.0, 700.0)


def test_a_view_nobody_declared_is_the_first() -> None:
    assert views.view_named("phase of the moon") is views.ACCOUNT


def test_packed_numbers_are_read_back() -> None:
    assert unpacked(packed([1.5, 2.0], (1, 2))) == [1.5, 2.0]
    assert packed([1.0], (1, 1))["shape"] == "1, 1"
    assert "shape" not in packed([1.0])
