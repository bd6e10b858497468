"""A small SVG canvas: shapes named by what they mean, text escaped, coordinates rounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from wattline_reports import theme

UNKNOWN = "mark"
"""The fill of what nothing is known of: a thin hatch on a quiet ground."""

_DIGIT, _CAPITAL, _SMALL, _SPACE = 0.65, 0.74, 0.61, 0.28
"""Advance widths of Inter in em, rounded up, so that a label judged to fit does fit."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished drawing.

    Attributes:
        name: Unique in its document; its patterns' ids start with it.
        width: In units of the view box; text is 11 high.
        height: In the same units.
        body: SVG elements without the `svg` around them.
    """

    name: str
    width: float
    height: float
    body: str

    def svg(self, attributes: str = "", style: str = "") -> str:
        """The whole element; `style` holds CSS rules where no page around it has them."""
        sheet = f"<style>{style}</style>" if style else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(self.width)} '
            f'{_n(self.height)}"{attributes}>{sheet}{self.body}</svg>'
        )


@dataclass(slots=True)
class Canvas:
    """Collects shapes and turns into a `Picture`."""

    name: str
    width: float
    parts: list[str] = field(default_factory=list)
    hatches: dict[str, None] = field(default_factory=dict)

    def rect(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """A filled rectangle; nothing where it has no area."""
        self.rects([(x, y, width, height)], fill)

    def rects(self, boxes: Iterable[tuple[float, float, float, float]], fill: str) -> None:
        """Rectangles of one meaning as one path, so that a year of days stays a small file."""
        d = "".join(
            f"M{_n(x)} {_n(y)}h{_n(w)}v{_n(h)}h{_n(-w)}z" for x, y, w, h in boxes if w > 0 and h > 0
        )
        if d and theme.hatched(fill):
            self.hatches[fill] = None
            self.parts.append(f'<path d="{d}" fill="url(#{self._hatch(fill)})"/>')
        elif d:
            self.parts.append(f'<path d="{d}" class="f-{fill}"/>')

    def line(
        self, x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1
    ) -> None:
        """A straight line."""
        self.parts.append(
            f'<path d="M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}" class="s-{stroke}" '
            f'stroke-width="{_n(width)}"/>'
        )

    def dot(self, x: float, y: float, radius: float, fill: str) -> None:
        """A filled circle."""
        self.parts.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" class="f-{fill}"/>')

    def path(self, points: Iterable[tuple[float, float]], stroke: str, width: float = 1.5) -> None:
        """Straight lines from point to point, as one."""
        d = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        if "L" in d:
            self.parts.append(
                f'<path d="M{d}" class="s-{stroke}" stroke-width="{_n(width)}" '
                'stroke-linejoin="round"/>'
            )

    def text(self, x: float, y: float, text: str, kind: str = "t", anchor: str = "start") -> None:
        """Text whose baseline is at `y`; `kind` is `t` plain, `m` muted or `b` semibold."""
        place = "" if anchor == "start" else f" text-anchor={quoteattr(anchor)}"
        self.parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" class="{kind}"{place}>{escape(text)}</text>'
        )

    def finish(self, height: float) -> Picture:
        """The drawing, with the patterns it uses."""
        patterns = "".join(
            f'<pattern id="{self._hatch(fill)}" width="5" height="5" '
            f'patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            f'<path d="M0 0h5v5h-5z" class="f-{under}"/>'
            f'<path d="M0 0h{wide}v5h-{wide}z" class="f-{fill}"/></pattern>'
            for fill in self.hatches
            for under, wide in [("neutral", 1) if fill == UNKNOWN else ("background", 3)]
        )
        head = f"<defs>{patterns}</defs>" if patterns else ""
        return Picture(self.name, self.width, height, head + "".join(self.parts))

    def _hatch(self, fill: str) -> str:
        return f"{self.name}-{fill}"


def text_width(text: str, size: float = 11) -> float:
    """About how wide a text is, never less than it is for names and numbers."""
    ems = 0.0
    for letter in text:
        if letter.isspace():
            ems += _SPACE
        elif letter.isdigit():
            ems += _DIGIT
        elif letter.islower() or letter in ".,:;·'|()[]":
            ems += _SMALL
        else:
            ems += _CAPITAL
    return ems * size


def _n(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
