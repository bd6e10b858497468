"""Names from outside, cut to what a line has room for."""

from __future__ import annotations

from wattline_dashboards.elements import Span

SHOWN = 80
WHOLE = 400


def cut(name: object, most: int = SHOWN) -> str:
    """At most so many characters of it."""
    text = str(name if name is not None else "")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def short(name: object, class_name: str | None = None, most: int = SHOWN) -> Span:
    """The name, cut; what was cut off stands under the pointer."""
    text = str(name if name is not None else "")
    title = cut(text, WHOLE) if len(text) > most else None
    return Span(cut(text, most), className=class_name, title=title)
