"""The words that a profile uses."""

from __future__ import annotations

_GROUPS = {"P": 9, "E": 8, "U": 9, "A": 8, "S": 14, "I": 12, "Q": 5, "C": 5}

KPIS = (
    *(f"{group}{number:02}" for group, count in _GROUPS.items() for number in range(1, count + 1)),
    "P02_GPU", "OEE", "OEE_A", "OEE_P", "OEE_Q", "LOADING", "TEEP",
)  # fmt: skip
"""The ids of the KPI dictionary, of figures beside its own, and of overall equipment
effectiveness; a test holds them against what is computed."""

REPORTS = ("hosting-audit", "coordination-review", "eed", "challenge")

DIRECTIONS = ("up", "down")

DTYPES = ("fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "fp6", "fp4", "int8")
"""Number formats that vendors state a peak for."""

CLASSES = ("ai_optimised", "high_end", "quantum", "mid_range", "industrial_grade")
"""Classes of supercomputers in Council Regulation (EU) 2021/1173; the Union's share hangs on it."""

COOLING = ("air", "rear_door", "direct_liquid", "immersion", "mixed")

REDUNDANCY = ("N", "N+1", "2N")
"""Levels of Delegated Regulation (EU) 2024/1364, Annex I."""

OWNERSHIP = ("enterprise", "colocation", "co_hosting")
STRUCTURE = ("structure", "group")

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAY = "holiday"

CRITERIA = ("tracked", "no_double_count", "actual_rate", "market_boundary", "vintage")
"""Quality criteria that a contract must meet to count in market-based carbon (GHG Protocol)."""

CONTRACTS = ("guarantee_of_origin", "purchase_agreement", "on_site", "supplier")
"""Guarantees of origin, power purchase agreements, generation on site, a supplier's own mix."""
