from __future__ import annotations

from wattline_collector.jobs.nodelist import expand
from wattline_collector.simulated.year.statements import node_list


def test_a_list_of_nodes_is_what_slurm_writes() -> None:
    names = ["sim-r1-n01", "sim-r1-n04", "sim-r1-n05", "sim-r1-n06", "sim-r2-n02"]
    assert node_list(names) == "sim-r1-n[01,04-06],sim-r2-n[02]"
    assert list(expand(node_list(names))) == names


def test_a_list_of_a_thousand_nodes_is_short() -> None:
    names = [f"sim-r1-n{number:03d}" for number in range(1, 1000)]
    assert node_list(names) == "sim-r1-n[001-999]"
