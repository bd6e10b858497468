"""Values over time as a strip of characters: one column, one stretch of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from wattline_collector.efficiency.terminal.ink import COLOURS, Ink
from wattline_collector.ledger.accounts import Account

T = TypeVar("T")

_LEVELS = "▂▃▄▅▆▇█"
IDLE = "▁"
"""The lowest bar is idle time's alone, so that it is told by its shape too."""
UNKNOWN = "░"


def squeezed(values: Sequence[float | None], wide: int) -> list[float | None]:
    """Values brought to so many columns: the mean of those known in each."""
    return [
        sum(known) / len(known) if (known := [v for v in part if v is not None]) else None
        for part in _parts(values, wide)
    ]


def accounts_of(values: Sequence[Account | None], wide: int) -> list[Account | None]:
    """The account that most of each column's time went to."""
    return [Counter(part).most_common(1)[0][0] for part in _parts(values, wide)]


def activity(
    values: Sequence[float | None], accounts: Sequence[Account | None], wide: int, ink: Ink
) -> str:
    """A device's activity as heights, coloured by where its time went."""
    cells: list[tuple[str, Account | None]] = []
    for value, account in zip(squeezed(values, wide), accounts_of(accounts, wide), strict=True):
        if account is None:
            cells.append((" ", None))
        elif account is Account.HELD:
            cells.append((IDLE, account))
        elif value is None:
            cells.append((UNKNOWN, account))
        else:
            cells.append((_level(value), account))
    return _painted(cells, ink)


def amounts(values: Sequence[float | None], wide: int, most: float) -> str:
    """Amounts as heights, the greatest fills the column."""
    return "".join(
        UNKNOWN if value is None else _level(value / most) if value > 0 else IDLE
        for value in squeezed(values, wide)
    )


def bar(share: float, wide: int) -> str:
    """A share as a bar; what is there at all is seen."""
    full = round(share * wide)
    return "█" * full if full or share <= 0 else "▏"


def _level(value: float) -> str:
    return _LEVELS[min(len(_LEVELS) - 1, max(0, int(value * len(_LEVELS))))]


def _parts(values: Sequence[T], wide: int) -> list[Sequence[T]]:
    """The values in so many parts of about one size, fewer where there are fewer values."""
    count = min(wide, len(values))
    return [values[i * len(values) // count : (i + 1) * len(values) // count] for i in range(count)]


def _painted(cells: Sequence[tuple[str, Account | None]], ink: Ink) -> str:
    """Cells in their colours, neighbours of one colour together."""
    runs: list[tuple[str, Account | None]] = []
    for char, account in cells:
        if runs and runs[-1][1] is account:
            runs[-1] = (runs[-1][0] + char, account)
        else:
            runs.append((char, account))
    return "".join(
        text if account is None else ink.painted(text, COLOURS[account]) for text, account in runs
    )
