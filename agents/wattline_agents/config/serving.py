"""The section `[serving]`: which engines' pages to read, as options of the source of that name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from wattline_agents.config.settings import SourceChoice
from wattline_agents.errors import UsageError

NAME = "serving"

_OPTIONS = {
    "pages": "pages",
    "discover": "discover",
    "kubernetes": "kubernetes",
    "kubernetes_node": "kubernetes_node",
    "every_seconds": "every",
    "token_file": "token_file",
    "first_token_target_seconds": "first_token_target",
    "per_token_target_seconds": "per_token_target",
}
"""Key of the section -> option of the source."""


def check_pages(pages: list[Any]) -> None:
    """Refuse a page that is none.

    Raises:
        UsageError: Names the page by its place in the list, and the key.
    """
    from wattline_agents.sources.serving.told import told

    for number, page in enumerate(pages, start=1):
        try:
            told(page)
        except UsageError as error:
            raise UsageError(f"page {number}: {error}") from error


def choice(section: Mapping[str, Any], place: Callable[[tuple[str, ...]], str]) -> SourceChoice:
    """The source, told what the section says.

    Args:
        section: Checked.
        place: Says where a key stands.
    """
    options = {_OPTIONS[key]: _text(value) for key, value in section.items()}
    places = {_OPTIONS[key]: place((NAME, key)) for key in section}
    return SourceChoice(NAME, options, places={**places, "": place((NAME,))})


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)
