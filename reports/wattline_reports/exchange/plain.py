"""Declared words as a bundle may hold them: names of products and places, cut to plain letters."""

from __future__ import annotations

import re

MOST = 64
"""Letters of a word in a bundle's JSON."""

_OTHERS = re.compile(r"[^A-Za-z0-9 ._:+/,()-]+")


def plain(text: str | None) -> str | None:
    """A declared text in the letters that the schemas allow; None where nothing is left of it.

    A trade mark's sign or an accent is no reason to refuse a bundle, and nothing else of what is
    left out belongs to a product's name.
    """
    if text is None:
        return None
    found = re.sub(r"\s+", " ", _OTHERS.sub(" ", text)).strip(" ._:+/,()-")[:MOST].strip()
    return found or None
