from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from dash import no_update

from wattline_collector.access import STAFF, Role, Viewer
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import fleet_order
from wattline_dashboards.elements import Td
from wattline_dashboards.figures import floor, views
from wattline_dashboards.figures.floor import Order
from wattline_dashboards.markup import drawing
from wattline_dashboards.pages import fleet
from wattline_dashboards.pages.fleet import Asked
from wattline_dashboards.picture import Picture, picture

Json = dict[str, Any]
WIDTH = 1216
CURRENT = Answer({}, 0, None)


@pytest.fixture
def shown(latest: Callable[..., Json]) -> Picture:
    return picture(latest())


@pytest.mark.parametrize(
    ("viewer", "hidden"),
    [
        (STAFF, set()),
        (Viewer("o", roles=frozenset({Role.OPERATOR})), set()),
        (Viewer("s", roles=frozenset({Role.SUPPORT})), {"project"}),
        (Viewer("m", roles=frozenset({Role.MANAGER})), {"job"}),
    ],
)
def test_an_order_is_offered_to_those_who_may_tell_its_groups_apart(
    viewer: Viewer, hidden: set[str]
) -> None:
    offered = {one["value"] for one in fleet_order.offered(viewer)}
    assert offered == set(fleet_order.ORDERS) - hidden


@pytest.mark.parametrize("id", fleet_order.ORDERS)
@pytest.mark.parametrize("nodes", [32, 1000])
def test_in_every_order_every_device_has_a_place_of_its_own(
    latest: Callable[..., Json], id: str, nodes: int
) -> None:
    now = picture(latest(nodes))
    plan = floor.plan(now.devices, WIDTH, fleet_order.order(id, now, None))
    assert len(set(plan.spots)) == nodes * 8
    assert plan.columns * plan.cell <= WIDTH
    assert all(0 <= row < plan.rows and 0 <= column < plan.columns for row, column in plan.spots)


def test_devices_of_a_job_stand_together_and_the_free_ones_last(shown: Picture) -> None:
    plan = floor.plan(shown.devices, WIDTH, fleet_order.order("job", shown, None))
    jobs = shown.devices.texts("job")
    assert plan.racks[-1].text == "no job"
    assert {label.text for label in plan.racks} == {job or "no job" for job in jobs}
    for name in {*jobs}:
        mine = [spot for spot, job in zip(plan.spots, jobs, strict=True) if job == name]
        height, width = (max(s[i] for s in mine) - min(s[i] for s in mine) + 1 for i in (0, 1))
        assert height * width < len(mine) + width  # a block, its last row perhaps not full


def test_partitions_are_those_that_the_collector_says(shown: Picture) -> None:
    nodes = shown.devices.texts("node")
    said = {"partitions": {"system": ["sim"], "node": [nodes[0]], "partition": ["booster"]}}
    order = fleet_order.order("partition", shown, said)
    assert order.groups is not None
    assert {g for g, n in zip(order.groups, nodes, strict=True) if n == nodes[0]} == {"booster"}
    assert {g for g, n in zip(order.groups, nodes, strict=True) if n != nodes[0]} == {None}


def test_a_plan_is_kept_until_something_moves(latest: Callable[..., Json]) -> None:
    one, later = picture(latest()), picture(latest(tick=3))
    kept = floor.plan(one.devices, WIDTH)
    assert floor.plan(later.devices, WIDTH) is kept
    assert floor.plan(one.devices, WIDTH - 8) is not kept
    assert floor.plan(one.devices, WIDTH, Order("node", tuple(one.devices.texts("node")))) != kept


def test_long_names_of_groups_are_cut_to_their_block(shown: Picture) -> None:
    groups = tuple("a-project-with-a-very-long-name-" * 9 if at < 8 else None for at in range(256))
    plan = floor.plan(shown.devices, WIDTH, Order("project", groups, "no project"))
    assert plan.racks[0].text.endswith("…")


@pytest.mark.parametrize(
    ("words", "count"), [("GPU-0003", 8), ("sim-r1-n02", 8), ("n02 #3", 4), ("nothing here", 0)]
)
def test_devices_are_found_by_their_id_and_by_their_place(
    shown: Picture, words: str, count: int
) -> None:
    found = fleet_order.search(shown, words)
    assert found is not None
    assert sum(found) == count


def test_devices_are_found_by_the_job_that_holds_them(shown: Picture) -> None:
    job, name = shown.jobs.texts("job")[0], shown.jobs.texts("name")[0]
    assert job is not None and name is not None
    held = [one == job for one in shown.devices.texts("job")]
    assert fleet_order.search(shown, job) == held
    by_name = fleet_order.search(shown, name.upper())
    assert by_name is not None
    assert all(wanted for wanted, is_held in zip(by_name, held, strict=True) if is_held)


def test_nothing_is_veiled_until_somebody_looks_for_something(shown: Picture) -> None:
    assert fleet_order.search(shown, "   ") is None

    def sought(search: str) -> bytes:
        asked = Asked(search=search)
        changes = fleet.render(shown, CURRENT, "account", WIDTH, "", None, asked=asked)
        return base64.b64decode(changes["found"])

    assert sought("") == b""
    found = fleet_order.search(shown, "sim-r1-n02")
    assert list(sought("sim-r1-n02")) == found


def test_what_is_found_leads_to_its_page(shown: Picture) -> None:
    found = fleet_order.search(shown, "sim-r1-n02")
    (parts,) = drawing({"x": fleet_order.found(shown, found)})["x"]
    assert "/device?device=GPU-0001" in str(parts)
    assert "8 devices" in str(parts)


def keyed(shown: Picture, key: str | None, at: object = None, **more: Any) -> Json:
    return fleet.moved(shown, key, at, WIDTH, Asked(**more))


def test_arrow_keys_lead_from_cell_to_cell_and_say_where_one_is(shown: Picture) -> None:
    first = keyed(shown, "ArrowRight")
    assert first["at"] == ["sim", "GPU-000000-7f3e"]
    assert "sim-r1-n01 #0" in first["said"] and "Enter opens it" in first["said"]
    right = keyed(shown, "ArrowRight", first["at"])
    assert right["at"] == ["sim", "GPU-000001-7f3e"]
    assert keyed(shown, "ArrowDown", first["at"])["at"] == ["sim", "GPU-000100-7f3e"]
    assert keyed(shown, "ArrowLeft", right["at"])["at"] == first["at"]
    assert keyed(shown, "ArrowUp", first["at"])["at"] == first["at"]


def test_a_key_leads_on_from_the_end_of_a_row_and_no_further_than_the_last(
    shown: Picture,
) -> None:
    plan = floor.plan(shown.devices, WIDTH)
    last = keyed(shown, "End")
    assert keyed(shown, "ArrowRight", last["at"])["at"] == last["at"]
    assert floor.neighbour(plan, max(plan.spots), "Home") == min(plan.spots)
    seen, spot = set(), None
    for _ in plan.spots:
        spot = floor.neighbour(plan, spot, "ArrowRight")
        seen.add(spot)
    assert seen == set(plan.spots)


def test_enter_and_a_click_open_the_device(shown: Picture) -> None:
    at = ["sim", "GPU-000001-7f3e"]
    assert keyed(shown, "Enter", at)["go"] == "/device?device=GPU-000001-7f3e&system=sim"
    assert keyed(shown, "Enter")["go"] is no_update
    box = {"x0": 0, "y0": 0, "x1": 4, "y1": 4}
    click = {"place": 1, "plan": floor.plan(shown.devices, WIDTH).key, "box": box}
    assert fleet.pressed(shown, click, WIDTH, Asked()) == keyed(shown, "Enter", at)["go"]
    assert fleet.pressed(shown, click | {"plan": "another"}, WIDTH, Asked()) is no_update


def test_the_mark_stays_on_its_device_when_the_order_changes(shown: Picture) -> None:
    at = ["sim", "GPU-003107-7f3e"]
    by_rack, by_job = keyed(shown, None, at), keyed(shown, None, at, group="job")
    assert by_rack["style"] != by_job["style"]
    assert by_rack["at"] is no_update
    assert keyed(shown, None, ["sim", "gone"])["hidden"] is True


@pytest.mark.parametrize("view", views.VIEWS, ids=lambda view: view.id)
def test_every_metric_can_be_drawn(shown: Picture, view: views.View) -> None:
    low, high = view.scale(shown)
    assert low < high
    changes = fleet.render(shown, CURRENT, view.id, WIDTH, "", None)
    assert len(base64.b64decode(changes["cells"])) == shown.devices.rows
    assert changes["plan"]["title"].startswith(view.label)


def test_parts_that_all_share_are_drawn_once_for_a_picture(shown: Picture) -> None:
    made: list[str] = []

    def part() -> str:
        made.append("x")
        return "x"

    kept = fleet._Drawing()
    for _ in range(3):
        assert kept.of(shown, "", {"a": part, "b": "own"}) == {"a": '["x"]', "b": ["own"]}
    assert made == ["x"]
    assert kept.of(shown, "", {"a": part, "c": lambda: "y"}) == {"a": '["x"]', "c": '["y"]'}
    assert made == ["x"]
    kept.of(shown, "n02", {"a": part})
    assert made == ["x", "x"]


def test_a_plain_element_is_what_dash_would_have_made() -> None:
    cell = Td("x", className="numeric", title=None)
    assert cell.to_plotly_json() == {
        "props": {"children": "x", "className": "numeric"},
        "type": "Td",
        "namespace": "dash_html_components",
    }
    assert drawing({"a": cell})["a"] == [["td", {"class": "numeric"}, "x"]]
