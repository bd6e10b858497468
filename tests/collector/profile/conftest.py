from __future__ import annotations

from collections.abc import Callable

import pytest

from wattline_collector.profile.parse import Read, must, parse_profile
from wattline_collector.profile.schema import FactoryProfile

HEAD = """\
id = "example-aif"
name = "Example AI Factory"
country = "FI"
time_zone = "Europe/Helsinki"
"""


def _read(more: str = "") -> Read:
    return parse_profile((HEAD + more).encode(), "f.toml")


@pytest.fixture
def read() -> Callable[..., Read]:
    """A profile of four lines, with more behind them."""
    return _read


@pytest.fixture
def profile() -> Callable[..., FactoryProfile]:
    """The same, which must be right."""
    return lambda more="": must(_read(more))
