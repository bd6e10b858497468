from typing import Any

import pytest

from wattline_collector.jobs.kube_nodes import node_states
from wattline_collector.jobs.node_watch import ROWS

NOW_MS = 1_793_534_400_000


def test_a_node_that_is_ready_is_in_production(make: Any) -> None:
    assert node_states([make.node("n1")], NOW_MS).schema == ROWS
    assert node_states([make.node("n1")], NOW_MS).is_empty()


@pytest.mark.parametrize("ready", ["False", "Unknown"])
def test_a_node_that_does_not_answer_is_down_since_then(make: Any, ready: str) -> None:
    assert node_states([make.node("n1", ready)], NOW_MS).rows() == [
        (NOW_MS, "n1", "down", "KubeletNotReady", NOW_MS - 500_000, None)
    ]


def test_a_node_that_takes_no_pods_drains(make: Any) -> None:
    assert node_states([make.node("n1", cordoned=-900)], NOW_MS).rows() == [
        (NOW_MS, "n1", "drain", "cordoned", NOW_MS - 900_000, None)
    ]


def test_both_may_be_so(make: Any) -> None:
    found = node_states([make.node("n1", "False", cordoned=-900)], NOW_MS)
    assert found["state"].to_list() == ["down", "drain"]


@pytest.mark.parametrize(
    "node", [None, {}, {"metadata": {"name": "../x"}}, {"metadata": {"name": 5}}]
)
def test_what_is_no_node_is_passed_over(node: Any) -> None:
    assert node_states([node], NOW_MS).is_empty()
