"""What the collector says in words, with what is to be typed set apart."""

from __future__ import annotations

from typing import Any

from dash import html

from wattline_dashboards.markup import typed


def said(text: str) -> list[Any]:
    """A text in which commands stand between backticks, as a page shows it: without them."""
    return [html.Code(part) if is_typed else part for is_typed, part in typed(text)]
