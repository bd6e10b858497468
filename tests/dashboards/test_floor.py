from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wattline_dashboards.columns import Columns
from wattline_dashboards.figures import floor
from wattline_dashboards.picture import picture

Latest = Callable[..., dict[str, Any]]


def columns(*devices: tuple[str, str | None, str, int]) -> Columns:
    system, rack, node, index = zip(*devices, strict=True)
    return Columns(
        {
            "system": system,
            "rack": rack,
            "node": node,
            "index": index,
            "device": [f"{n}-{i}" for n, i in zip(node, index, strict=True)],
        },
        len(devices),
    )


@pytest.mark.parametrize(("nodes", "width"), [(32, 1216), (1000, 1216), (1000, 2496), (3125, 1216)])
def test_every_device_has_a_place_of_its_own_and_none_stands_outside(
    latest: Latest, nodes: int, width: int
) -> None:
    plan = floor.plan(picture(latest(nodes)).devices, width)
    assert len(set(plan.spots)) == nodes * 8
    assert plan.columns * plan.cell <= width
    assert all(0 <= row < plan.rows and 0 <= column < plan.columns for row, column in plan.spots)


def test_a_device_keeps_its_place_whatever_the_order_it_comes_in() -> None:
    devices = [("s", "r1", f"n{node}", index) for node in range(3) for index in range(2)]
    one = floor.plan(columns(*devices), 800)
    other = floor.plan(columns(*reversed(devices)), 800)
    assert one.spots == tuple(reversed(other.spots))


def test_a_node_is_a_row_and_its_devices_stand_side_by_side() -> None:
    plan = floor.plan(columns(*[("s", "r1", "n1", i) for i in (2, 0, 1)]), 800)
    (row,) = {row for row, _ in plan.spots}
    first = min(column for _, column in plan.spots)
    assert plan.spots == ((row, first + 2), (row, first), (row, first + 1))


def test_racks_and_nodes_are_in_the_order_people_count() -> None:
    plan = floor.plan(
        columns(("s", "r10", "a", 0), ("s", "r2", "n10", 0), ("s", "r2", "n2", 0)), 800
    )
    assert [label.text for label in plan.racks] == ["r2", "r10"]
    assert [label.text for label in plan.nodes] == ["n2", "n10", "a"]


def test_nodes_without_a_rack_stand_in_stacks_without_a_name() -> None:
    plan = floor.plan(columns(*[("s", None, f"n{node:02d}", 0) for node in range(20)]), 800)
    assert plan.racks == ()
    assert len({row for row, _ in plan.spots}) == 8


def test_the_part_that_all_names_of_a_rack_share_is_left_out() -> None:
    plan = floor.plan(columns(*[("s", "r1", f"sim-r1-n{node:02d}", 0) for node in range(3)]), 800)
    assert [label.text for label in plan.nodes] == ["n00", "n01", "n02"]


def test_a_node_with_very_many_devices_takes_more_rows() -> None:
    plan = floor.plan(columns(*[("s", "r1", "all", index) for index in range(100)]), 800)
    assert len(set(plan.spots)) == 100
    assert plan.columns * plan.cell <= 800


def test_two_systems_do_not_share_a_band_and_say_whose_a_rack_is() -> None:
    plan = floor.plan(columns(("a", "r1", "n1", 0), ("b", "r1", "n1", 0)), 800)
    assert plan.bands == 2
    assert plan.spots[0][0] != plan.spots[1][0]


def test_no_devices_make_an_empty_floor() -> None:
    assert floor.plan(Columns({}, 0), 800).spots == ()


def test_the_key_changes_with_the_devices_and_with_the_width() -> None:
    one, two = columns(("s", "r", "n", 0)), columns(("s", "r", "n", 1))
    keys = {floor.plan(one, 800).key, floor.plan(two, 800).key, floor.plan(one, 808).key}
    assert len(keys) == 3
