"""Batches that were refused: a few kept for people to look at, all counted."""

from __future__ import annotations

import json
from pathlib import Path

_KEPT = 64
_MOST_BYTES = 64 * 1024
"""Of one body: enough to see what it is. Both bound what a broken sender can fill: 4 MiB."""


class Refused:
    """A ring of files; a new one takes the place of the oldest."""

    def __init__(self, path: Path) -> None:
        """Keep them in this directory, made when the first comes."""
        self._path = path
        self.total = 0

    def keep(self, header_text: str, body: bytes, reason: str) -> None:
        """Write one; a disk that refuses it too must not make the refusal fail."""
        name = f"{self.total % _KEPT:02d}"
        self.total += 1
        about = {"reason": reason, "header": header_text[:2000], "bytes": len(body)}
        try:
            self._path.mkdir(exist_ok=True)
            (self._path / f"{name}.json").write_text(json.dumps(about, indent=1) + "\n")
            (self._path / f"{name}.body").write_bytes(body[:_MOST_BYTES])
        except OSError:
            return  # counted all the same
