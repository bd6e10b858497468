"""Which figures tell of projects and people, so that few of them must not be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattline_reports.exchange.cubes import FAMILIES, LINKS
from wattline_reports.exchange.disclosure.table import TOTAL, Key
from wattline_reports.exchange.manifest import Parameters

_ABOUT_WORK = ("P", "E", "I")
"""Groups of the dictionary that are made of projects' work."""
_ALSO = ("U04", "U05", "U06", "U07", "U09", "S10", "S12", "S13", "Q05")
_OF_THE_FACTORY = ("I09", "I10", "I11", "I12")
"""What a factory declares of itself."""


def is_sensitive(id: str) -> bool:
    """Whether a KPI is made of projects', jobs' or people's parts."""
    return (id.startswith(_ABOUT_WORK) or id in _ALSO) and id not in _OF_THE_FACTORY


def hides(figure: Mapping[str, Any], rules: Parameters) -> bool:
    """Whether a figure must not show its value.

    One made of nothing is not hidden: it says that it is not known.
    """
    n = figure["n"]
    return is_sensitive(figure["id"]) and n is not None and 0 < n < rules.contributors


IN_CUBES = ("I01", "I02", "I03", "U08", "I08")
"""Told by cubes, where cells are hidden together; by themselves their splits would tell more."""


def is_in_a_cube(id: str) -> bool:
    """Whether a bundle tells a KPI by a cube and not as a figure."""
    return id in IN_CUBES


_OF_CELLS = {
    "I04": tuple(one for link in LINKS[FAMILIES[0]] for one in link if one[-1] == "yes"),
    "U04": tuple(one for link in LINKS[FAMILIES[0]] for one in link if one[-1] == TOTAL),
}
"""Figures whose numerator is a cell, or all but little of it, of `access` and of `sectors`."""


def tells_hidden(id: str, cubes: Mapping[str, Mapping[Key, object]]) -> bool:
    """Whether a KPI is made of a sum that is hidden in a bundle's cubes.

    Args:
        id: Of the KPI.
        cubes: Cells by cube; None for a hidden one.
    """
    return any(
        key in cubes.get(name, {}) and cubes[name][key] is None
        for name, key in zip(FAMILIES[0], _OF_CELLS.get(id, ()), strict=False)
    )
