from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dash import no_update

from wattline_collector.palette import Mode
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import fleet_sheet
from wattline_dashboards.figures import floor
from wattline_dashboards.markup import drawing
from wattline_dashboards.pages import fleet, production
from wattline_dashboards.picture import Picture, picture

Json = dict[str, Any]
WIDTH = 1216


def rendered(shown: Picture | None, answer: Answer, **more: Any) -> Json:
    given: Json = {"view_id": "account", "width": WIDTH, "host": ""}
    return fleet.render(shown, answer, **({"drawn": None} | given | more))


@pytest.fixture
def shown(latest: Callable[..., Json]) -> Picture:
    return picture(latest())


CURRENT = Answer({}, 0, None)


def test_the_first_tick_plans_the_map_and_the_next_ones_send_its_cells_alone(
    shown: Picture,
) -> None:
    first = rendered(shown, CURRENT)
    assert first["plan"]["rows"] > 0
    second = rendered(shown, CURRENT, drawn=first["drawn"])
    assert second["cells"] == first["cells"]
    assert second["plan"] is no_update
    assert second["drawn"] is no_update  # or each tick would ask where the cursor stands
    other = rendered(shown, CURRENT, drawn=first["drawn"], view_id="power")
    assert other["plan"]["levels"] > 0


def test_tables_are_left_as_they_are_where_they_are_not_asked_for(shown: Picture) -> None:
    every = rendered(shown, CURRENT)["parts"]
    without = rendered(shown, CURRENT, tables=False)["parts"]
    assert set(every) - set(without) == {"fleet-jobs", "fleet-attention", "fleet-hosts"}


def test_the_map_waits_for_the_width_and_the_rest_does_not(shown: Picture) -> None:
    changes = rendered(shown, CURRENT, width=None)
    assert changes["plan"] is no_update
    assert changes["cells"] is no_update
    assert changes["parts"]["fleet-totals"]


def test_every_part_can_be_drawn_without_dash(shown: Picture) -> None:
    assert set(drawing(rendered(shown, CURRENT)["parts"])) >= {
        "fleet-notice", "fleet-totals", "fleet-jobs", "fleet-hosts", "fleet-attention",
    }  # fmt: skip


@pytest.mark.parametrize(("devices", "map_", "cards"), [(0, False, False), (1, False, True)])
def test_few_devices_are_cards_and_none_are_nothing(
    latest: Callable[..., Json], devices: int, map_: bool, cards: bool
) -> None:
    changes = rendered(picture(latest(1, devices)), CURRENT)
    assert changes["no_map"] is not map_
    assert changes["no_cards"] is not cards
    assert ("hosts-only" in changes["class"]) is (devices == 0)


def test_while_the_collector_is_away_the_last_picture_stays_greyed(shown: Picture) -> None:
    changes = rendered(shown, Answer({}, 60_000, "gone", reached=False))
    assert "stale" in changes["class"]
    assert changes["parts"]["fleet-notice"] is not None
    assert changes["parts"]["fleet-totals"]


def test_before_the_first_answer_only_the_notice_is_drawn() -> None:
    changes = rendered(None, Answer(None, None, "gone", reached=False))
    assert "waiting" in changes["class"]
    assert list(changes["parts"]) == ["fleet-notice"]


def named(shown: Picture, **more: Any) -> Json:
    """What a browser says of the device under the pointer."""
    box = {"x0": 1, "y0": 2, "x1": 5, "y1": 6}
    return {"place": 3, "plan": floor.plan(shown.devices, WIDTH).key, "box": box} | more


@pytest.mark.parametrize(("left", "side"), [(True, "left"), (False, "right")])
def test_pointing_at_a_cell_shows_its_device_on_the_side_with_room(
    shown: Picture, left: bool, side: str
) -> None:
    said = named(shown, left=left)
    visible, box, parts, direction = fleet.pointed(shown, said, WIDTH)
    assert (visible, box, direction) == (True, said["box"], side)
    assert str(shown.devices.texts("device")[3]) in str(drawing({"x": parts}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"place": -1}, {"place": 256}, {"place": "3"}, {"place": True}, {"plan": "another"},
        {"box": None}, {"box": {"x0": "<b>"}},
    ],
)  # fmt: skip
def test_what_a_browser_cannot_have_pointed_at_shows_nothing(shown: Picture, wrong: Any) -> None:
    assert fleet.pointed(shown, named(shown, **wrong), WIDTH)[0] is False


@pytest.mark.parametrize("said", [None, {}, [], "3", 3])
def test_pointing_at_nothing_shows_nothing(shown: Picture, said: Any) -> None:
    assert fleet.pointed(shown, said, WIDTH)[0] is False


def test_the_fleet_as_a_file_has_a_row_for_each_device_and_gaps_for_what_is_not_known(
    shown: Picture,
) -> None:
    sheet = fleet_sheet.sheet(shown)
    assert sheet is not None
    assert len(sheet.rows) == shown.devices.rows
    watts = [row[list(sheet.heads).index("power_watts")] for row in sheet.rows]
    assert watts == shown.known("power_watts")
    assert None in watts
    assert fleet_sheet.sheet(None) is None


def test_an_overview_fills_the_production_page(overview: Callable[..., Json]) -> None:
    asked: list[str] = []

    def explain(id: str) -> Json:
        asked.append(id)
        return {"formula": "f"}

    changes = production.render(Answer(overview(), 0, None), explain, Mode.LIGHT)
    assert set(changes) == set(production.OUTPUTS)
    assert "S10" in asked
    assert drawing(changes["parts"])["production-answer"]


def test_a_collector_that_is_away_is_not_asked_to_explain(overview: Callable[..., Json]) -> None:
    def explain(id: str) -> Json:
        raise AssertionError(id)

    changes = production.render(Answer(overview(), 9_000, "gone"), explain, Mode.LIGHT)
    assert "stale" in changes["class"]


def test_a_store_without_books_leaves_the_page_waiting_and_says_why() -> None:
    answer = Answer(None, None, "/v1/overview: 400: the store holds no booked hours")
    changes = production.render(answer, lambda id: None, Mode.LIGHT)
    assert changes["losses"] is no_update
    assert "no booked hours" in str(drawing(changes["parts"])["production-notice"])


def test_a_host_without_accelerators_has_no_equation(overview: Callable[..., Json]) -> None:
    changes = production.render(Answer(overview(1, 0, 1), 0, None), lambda id: None, Mode.LIGHT)
    assert "hosts-only" in changes["class"]
    assert changes["parts"]["production-equation"] is None
    assert changes["no_energy"] is True
