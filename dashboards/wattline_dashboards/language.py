"""Words of the pages in the reader's language, through gettext.

Every text people read is written in English inside `_()`; a catalogue under `locale/` says it in
another language, and what it does not say stays English. The language goes by what the reader
chose (the cookie), else by what their browser asks for.
"""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

from flask import g, has_request_context, request

DOMAIN = "wattline"
LOCALES = Path(__file__).parent / "locale"
COOKIE = "wattline-language"
LANGUAGES = {"en": "English", "de": "Deutsch"}
"""What there is to choose, each by its own name."""

_CHOSEN = "wattline_language"


def language() -> str:
    """The language of whoever looks, as in `LANGUAGES`; English outside a request."""
    if not has_request_context():
        return "en"
    found = g.get(_CHOSEN)
    if found is None:
        asked = request.cookies.get(COOKIE, "")
        found = (
            asked if asked in LANGUAGES else request.accept_languages.best_match(LANGUAGES, "en")
        )
        setattr(g, _CHOSEN, found)
    return str(found)


def _(text: str) -> str:
    """A text in the reader's language."""
    return _catalogue(language()).gettext(text)


def ngettext(one: str, several: str, count: float) -> str:
    """One of two texts by a count, in the reader's language: `{n} job`, `{n} jobs`."""
    whole = int(count) if count == int(count) else 2
    return _catalogue(language()).ngettext(one, several, whole)


@cache
def _catalogue(name: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALES, [name], fallback=True)
