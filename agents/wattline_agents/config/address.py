"""Whether a text is an address that readings can go to."""

from __future__ import annotations

import re

_SECRETS = "no user or password in an address: use {}"


def complaint(text: str, secret_in: str = "token_file") -> str | None:
    """What is wrong with an HTTP address; None if nothing is.

    Addresses are printed and logged, so none may hold a password, and one that may is not shown.

    Args:
        text: The address.
        secret_in: The key or argument that a password or token belongs behind.
    """
    from urllib.parse import urlsplit

    if "@" in text.partition("?")[0]:
        return _SECRETS.format(secret_in)
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    shown = "" if "@" in text else f": {text[:80]!r}"
    return None if is_good else f"not an address such as http://host:8600{shown}"


def secret_complaint(source: str, url: str) -> str | None:
    """What is wrong with a source's address if it holds a user; the source checks the rest."""
    if "@" not in url.partition("?")[0]:
        return None
    return _SECRETS.format("login_file" if source == "redfish" else "token_file")


def listen_complaint(text: str) -> str | None:
    """What is wrong with a place to listen at; None if nothing is."""
    match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.%\w]+\]|[^:\[\]\s]+):(\d{1,5})", text)
    if match is None or int(match[1]) > 65535:
        return f"not HOST:PORT such as 127.0.0.1:9400: {text[:80]!r}"
    return None
