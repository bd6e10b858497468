"""Counts as the driver tells them, and as a column can hold them."""

from __future__ import annotations

import pytest

from wattline_agents.sources.nvml.slow import whole


@pytest.mark.parametrize(
    ("told", "held"), [(0, 0), (2**63 - 1, 2**63 - 1), (2**63, None), (2**64 - 1, None), (-1, None)]
)
def test_a_count_with_all_bits_set_is_not_known(told: int, held: int | None) -> None:
    assert whole(told) == held
