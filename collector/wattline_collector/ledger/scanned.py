"""Entries of a period that may be more than memory has room for: a year of a large system.

They are read when somebody asks, and no more of them than is asked for. A large store is read in
parts, one after another, so that memory holds one part and what was made of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

AT_ONCE_BYTES = 8 << 20
"""Files of a period up to which it is read at once: two months of 1,000 devices."""
PART_BYTES = 64 << 20
"""Files of a part, but for a single file, which may be of any size: a year of 1,000 devices."""

Asked = Callable[[pl.LazyFrame], pl.LazyFrame]


def _all(entries: pl.LazyFrame) -> pl.LazyFrame:
    return entries


def _nothing_to_check() -> None:
    pass


@dataclass(frozen=True)
class Scanned:
    """Entries of one table.

    Attributes:
        parts: They, one at least.
        at_hand: Whether they are read already.
        check: Looks at the files beneath one by one, and raises `InputError` for one that cannot be
            read.
    """

    parts: tuple[pl.LazyFrame, ...]
    at_hand: bool = False
    check: Callable[[], None] = _nothing_to_check

    @classmethod
    def of(cls, entries: pl.DataFrame) -> Scanned:
        """Entries that are at hand."""
        return cls((entries.lazy(),), at_hand=True)

    def each(self, change: Asked) -> Scanned:
        """The same entries with something done to each; nothing is read."""
        return replace(self, parts=tuple(change(part) for part in self.parts))

    def with_more(self, entries: pl.DataFrame) -> Scanned:
        """These and some that are at hand, which belong to the last part."""
        *first, last = self.parts
        return replace(self, parts=(*first, pl.concat([last, entries.lazy()])))

    def collect(self, asked: Asked = _all) -> pl.DataFrame:
        """What is asked of each part, one below the other.

        What is added up has to be added up again: a part has a sum of its own.

        Args:
            asked: What is made of a part; all of it if not said.

        Raises:
            InputError: A file cannot be read; it is named.
        """
        try:
            return self._collected(asked)
        except pl.exceptions.PolarsError:
            self.check()
        # Each can be read: a booking put another in place of one while it was.
        return self._collected(asked)

    def _collected(self, asked: Asked) -> pl.DataFrame:
        # What is at hand is added up in its order, which files need not be: that takes half of the
        # time, and the last digit of a sum.
        engine: Literal["in-memory", "streaming"] = "in-memory" if self.at_hand else "streaming"
        return pl.concat([asked(part).collect(engine=engine) for part in self.parts])


def parted(paths: Iterable[Path]) -> Iterator[Sequence[Path]]:
    """Files in parts of about `PART_BYTES`, in their order."""
    part: list[Path] = []
    held = 0
    for path in paths:
        size = path.stat().st_size
        if part and held + size > PART_BYTES:
            yield part
            part, held = [], 0
        part.append(path)
        held += size
    if part:
        yield part
