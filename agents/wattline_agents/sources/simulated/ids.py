"""What simulated things are called."""

from __future__ import annotations

import hashlib

MOST_DEVICES_A_NODE = 16


def simulated_id(text: str) -> str:
    """An id like a vendor's UUID that shows it is none."""
    return "SIM-" + hashlib.sha256(text.encode()).hexdigest()[:16]
