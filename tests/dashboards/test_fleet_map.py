from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import ACCOUNTS, RAMP, TOKENS, Mode
from wattline_dashboards.figures import fleet_map, floor, views
from wattline_dashboards.figures.packed import packed, unpacked
from wattline_dashboards.picture import Picture, picture

Latest = Callable[..., dict[str, Any]]
WIDTH = 1216


@pytest.fixture
def shown(latest: Latest) -> Picture:
    return picture(latest())


def z_of(shown: Picture, view_id: str) -> list[float]:
    """The colour value of each device, in the order they came in."""
    plan = floor.plan(shown.devices, WIDTH)
    cells = fleet_map.cells(plan, views.view_named(view_id), shown)
    z = cells.z.to_pylist()
    return [z[row * plan.columns + column] for row, column in plan.spots]


@pytest.mark.parametrize("view", [view.id for view in views.VIEWS if view is not views.ACCOUNT])
def test_what_is_not_known_has_a_place_below_every_value(shown: Picture, view: str) -> None:
    values = views.view_named(view).values(shown)
    assert None in values
    for value, z in zip(values, z_of(shown, view), strict=True):
        assert (z == fleet_map.UNKNOWN_Z) if value is None else (0 <= z <= 1)


def test_unknown_cells_are_neutral_and_never_the_coldest_colour(shown: Picture) -> None:
    plan = floor.plan(shown.devices, WIDTH)
    figure = fleet_map.figure(plan, views.view_named("temperature"), shown, Mode.LIGHT)
    scale = [(place, colour.upper()) for place, colour in figure.data[0].colorscale]
    assert scale[0][1] == scale[1][1] == TOKENS[Mode.LIGHT].neutral
    assert scale[1][0] == scale[2][0]  # a hard edge, nothing blends into the ramp
    assert scale[2][1] == RAMP[0]


def test_every_unknown_cell_is_hatched_and_no_other(shown: Picture) -> None:
    plan = floor.plan(shown.devices, WIDTH)
    cells = fleet_map.cells(plan, views.view_named("power"), shown)
    unknown = {
        (row, column)
        for (row, column), value in zip(plan.spots, shown.known("power_watts"), strict=True)
        if value is None
    }
    strokes = [
        (round(y), round(x))
        for x, y in zip(cells.hatch_x, cells.hatch_y, strict=True)
        if not math.isnan(x) and abs(x - round(x)) < 0.49 and abs(y - round(y)) < 0.49
    ]
    assert set(strokes) == unknown


def test_what_arrow_does_not_know_is_a_gap_in_what_is_packed() -> None:
    values = pa.array([None, 1.5, None, 2.0])
    drawn = unpacked(packed(values))
    assert drawn[1::2] == [1.5, 2.0]
    assert all(math.isnan(value) for value in drawn[::2])
    assert unpacked(packed(values.slice(1, 1), precise=True)) == [1.5]
    assert unpacked(packed(pa.array([], pa.float64()))) == []


def test_where_no_device_stands_there_is_no_cell(shown: Picture) -> None:
    plan = floor.plan(shown.devices, WIDTH)
    cells = fleet_map.cells(plan, views.ACCOUNT, shown)
    assert len(cells.z) - cells.z.null_count == 256


@pytest.mark.parametrize("mode", list(Mode))
def test_an_account_is_drawn_in_its_own_colour(shown: Picture, mode: Mode) -> None:
    plan = floor.plan(shown.devices, WIDTH)
    figure = fleet_map.figure(plan, views.ACCOUNT, shown, mode)
    scale = [(place, colour.upper()) for place, colour in figure.data[0].colorscale]
    low, high = figure.data[0].zmin, figure.data[0].zmax

    def colour_at(z: float) -> str:
        place = (z - low) / (high - low)
        return str([colour for edge, colour in scale if edge <= place][-1])

    for account, z in zip(shown.accounts, z_of(shown, "account"), strict=True):
        assert colour_at(z) == ACCOUNTS[account].colour(mode).upper()


def test_a_patch_changes_only_colours_and_hatching(shown: Picture, latest: Latest) -> None:
    plan = floor.plan(shown.devices, WIDTH)
    patch = fleet_map.patch(plan, views.ACCOUNT, picture(latest(tick=3)))
    operations = json.loads(json.dumps(patch.to_plotly_json()))["operations"]
    assert [operation["location"] for operation in operations] == [
        ["data", 0, "z"], ["data", 1, "x"], ["data", 1, "y"],
    ]  # fmt: skip
    z = operations[0]["params"]["value"]
    assert z["dtype"] == "f4"
    assert z["shape"] == f"{plan.rows}, {plan.columns}"


def test_a_map_is_drawn_anew_when_more_than_colours_changed(shown: Picture, latest: Latest) -> None:
    plan, later = floor.plan(shown.devices, WIDTH), picture(latest(tick=3))
    name = fleet_map.drawn(plan, views.ACCOUNT, Mode.LIGHT)
    assert fleet_map.drawn(floor.plan(later.devices, WIDTH), views.ACCOUNT, Mode.LIGHT) == name
    assert fleet_map.drawn(plan, views.ACCOUNT, Mode.DARK) != name
    assert fleet_map.drawn(plan, views.view_named("power"), Mode.LIGHT) != name
    fewer = picture(latest(31))
    assert fleet_map.drawn(floor.plan(fewer.devices, WIDTH), views.ACCOUNT, Mode.LIGHT) != name


def test_a_device_is_found_where_it_is_drawn(shown: Picture) -> None:
    plan = floor.plan(shown.devices, WIDTH)
    for place, (row, column) in enumerate(plan.spots[:20]):
        assert fleet_map.device_at(plan, column, row) == place
    assert fleet_map.device_at(plan, -1, -1) is None


def test_names_of_racks_and_nodes_cannot_become_markup(latest: Latest) -> None:
    answer = latest(2, 8)
    answer["devices"]["rack"] = ["<b>r1</b>"] * 16
    shown = picture(answer)
    figure = fleet_map.figure(floor.plan(shown.devices, WIDTH), views.ACCOUNT, shown, Mode.LIGHT)
    assert figure.data[2].text == ("&lt;b&gt;r1&lt;/b&gt;",)


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


def test_the_accounts_keep_the_ledgers_order_on_the_colour_axis(latest: Latest) -> None:
    answer = latest(9, 1)
    answer["devices"]["account"] = [account.value for account in Account]
    answer["devices"]["age_ms"] = [100] * 9
    z = z_of(picture(answer), "account")
    assert z == sorted(z)
    assert len(set(z)) == 9
