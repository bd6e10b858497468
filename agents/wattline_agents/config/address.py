"""Whether a text is an address that readings can go to."""

from __future__ import annotations

import re


def complaint(text: str) -> str | None:
    """What is wrong with an HTTP address; None if nothing is."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    return None if is_good else f"not an address such as http://host:8600: {text[:80]!r}"


def listen_complaint(text: str) -> str | None:
    """What is wrong with a place to listen at; None if nothing is."""
    match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]\s]+):(\d{1,5})", text)
    if match is None or int(match[1]) > 65535:
        return f"not HOST:PORT such as 127.0.0.1:9400: {text[:80]!r}"
    return None
