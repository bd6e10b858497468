from __future__ import annotations

from wattline_collector.kpi.groups import HEADLINE, IF_KNOWN, group_of, grouped
from wattline_collector.kpi.registry import REGISTRY


def test_every_kpi_is_of_the_group_that_its_id_begins_with() -> None:
    for id in REGISTRY:
        assert group_of(id).letter == (id[0] if id[1:3].isdecimal() else "")


def test_groups_come_in_their_order_and_keep_the_order_of_their_ids() -> None:
    found = [(group.letter, ids) for group, ids in grouped(["S12", "P02", "OEE", "P01"])]
    assert found == [("", ["OEE"]), ("P", ["P02", "P01"]), ("S", ["S12"])]


def test_what_is_shown_at_first_sight_is_there() -> None:
    assert not set(HEADLINE) & set(IF_KNOWN)
    assert set(HEADLINE) <= set(REGISTRY)
