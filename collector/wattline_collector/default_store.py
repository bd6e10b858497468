"""Where a person's store is when they do not say."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "WATTLINE_STORE"
HELP = f"the store's directory (default: ${VARIABLE}, else the one `wattline up` keeps)"


def default_store() -> Path:
    """`$WATTLINE_STORE`, else `wattline` in the user's data directory."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "wattline"
