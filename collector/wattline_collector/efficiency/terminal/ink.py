"""What a terminal can show: how wide it is, and whether it has colours and more than ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from wattline_collector.efficiency.words import columns
from wattline_collector.palette import ACCOUNTS, THIN_SPACE, Mode

LEAST_WIDTH, MOST_WIDTH = 40, 200
TEXT_WIDTH = 100
"""Running text wider than this is hard to read."""

_SHADES = (0, 95, 135, 175, 215, 255)
_RESET = "\x1b[0m"
_ASCII = str.maketrans(
    {
        "\u2013": "-", "\u2212": "-", "\u00d7": "x", "·": "|", "°": " ", "…": "~", "€": "EUR",
        "₂": "2",
        "█": "#", "▇": "#", "▆": "*", "▅": "+", "▄": "=", "▃": "-", "▂": ".", "▁": "_", "░": "?",
        "▏": "|",
    }
)  # fmt: skip


class Stream(Protocol):
    """Where a page is written to."""

    @property
    def encoding(self) -> str | None:
        """How its text becomes bytes."""
        ...

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        ...


@dataclass(frozen=True, slots=True)
class Ink:
    """What may be used.

    Attributes:
        width: Columns.
        colour: Colours and weights.
        true_colour: All colours, and not 240 of them.
        unicode: More than ASCII.
    """

    width: int = 80
    colour: bool = False
    true_colour: bool = False
    unicode: bool = True

    @classmethod
    def of(cls, out: Stream, width: int, environment: Mapping[str, str]) -> Ink:
        """What can be used on a stream: colours only on a terminal that wants them."""
        plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
        encoding = (out.encoding or "ascii").lower().replace("-", "")
        return cls(
            width=min(MOST_WIDTH, max(LEAST_WIDTH, width)),
            colour=out.isatty() and not plain,
            true_colour=environment.get("COLORTERM") in ("truecolor", "24bit"),
            unicode=encoding.startswith("utf"),
        )

    @property
    def text_width(self) -> int:
        """How wide running text is set."""
        return min(self.width, TEXT_WIDTH)

    def bold(self, text: str) -> str:
        """Text that matters."""
        return f"\x1b[1m{text}{_RESET}" if self.colour else text

    def faint(self, text: str) -> str:
        """Text that explains."""
        return f"\x1b[2m{text}{_RESET}" if self.colour else text

    def painted(self, text: str, colour: str) -> str:
        """Text in a colour `#RRGGBB`."""
        if not self.colour:
            return text
        red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
        if self.true_colour:
            return f"\x1b[38;2;{red};{green};{blue}m{text}{_RESET}"
        at = (min(range(6), key=lambda i: abs(_SHADES[i] - part)) for part in (red, green, blue))
        r, g, b = at
        return f"\x1b[38;5;{16 + 36 * r + 6 * g + b}m{text}{_RESET}"

    def finished(self, line: str) -> str:
        """A line as it is written out."""
        line = line.replace(THIN_SPACE, " ").rstrip()
        if self.unicode:
            return line
        return line.translate(_ASCII).encode("ascii", "replace").decode()


COLOURS = {account: style.colour(Mode.LIGHT) for account, style in ACCOUNTS.items()}
"""The accounts' colours; of the two kinds those that can be seen on black and on white."""


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Text filled up with spaces to a number of columns."""
    space = " " * max(0, width - columns(text))
    return space + text if right else text + space
