"""What a KPI says where what it is made of is not there: one row, no value, and the next step."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.kpi.sums import shaped

ACCOUNTING = (
    "no scheduler told of its jobs: `wattline collector --slurm` follows one, "
    "`wattline import slurm-sacct FILE` reads an archive"
)
"""Where nothing is known of how long jobs waited, and how they ended."""

_TEMPLATE = (
    "`wattline import --template {0}` prints one to fill in, `wattline import {0}-csv` keeps it"
)


def unknown(columns: Sequence[str], note: str) -> pl.DataFrame:
    """The one row of a KPI that cannot be computed.

    Args:
        columns: What tells its rows apart.
        note: Why, and what to do about it.
    """
    names = list(dict.fromkeys(columns))
    row = {name: UNKNOWN for name in names} | {"n": 0, "note": note}
    return shaped(pl.DataFrame([row]), names)


def register(found: pl.DataFrame | None, name: str) -> str | None:
    """What there is to say of a register that nothing can be made of; None if something can.

    Args:
        found: The register; None where it is not the reader's to read.
        name: Its name.
    """
    if found is None:
        return f"the register of {name} is its owner's to read: ask whoever runs the store"
    if found.is_empty():
        return f"there is no register of {name}: {_TEMPLATE.format(name)}"
    return None


def profile(key: str) -> str:
    """Where a key of the factory's profile is wanted."""
    return f"not in the profile: {key}; `wattline profile template` explains it"
