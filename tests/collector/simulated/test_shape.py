from __future__ import annotations

from dataclasses import dataclass

import pytest

from wattline_collector.simulated.shape import Hall


@dataclass(frozen=True, slots=True)
class Plain(Hall):
    nodes: int
    system: str


@pytest.mark.parametrize("nodes", [1, 3, 4, 10, 1000, 3125])
def test_the_nodes_of_each_rack_are_counted_from_one_without_a_gap(nodes: int) -> None:
    hall = Plain(nodes, "sim")
    by_rack: dict[int, list[str]] = {}
    for node in range(nodes):
        by_rack.setdefault(hall.rack_of(node), []).append(hall.node_name(node))
    assert len(by_rack) == min(4, nodes)
    sizes = [len(names) for names in by_rack.values()]
    assert max(sizes) - min(sizes) <= 1
    for rack, names in by_rack.items():
        assert names == [f"sim-r{rack + 1}-n{at + 1:02d}" for at in range(len(names))]
