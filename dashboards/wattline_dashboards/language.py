"""Words of the pages in the reader's language, through gettext.

Every text people read is written in English inside `_()`, or inside `N_()` where it stands in a
constant; a catalogue under `locale/` says it in another language, and what it does not say stays
English. The language goes by what the reader chose (the cookie), else by what their browser asks
for.

Catalogues are kept as translators write them (`.po`) and compiled when they are first needed, so
that none can be older than its words. CONTRIBUTING.md says how one is brought up to date.
"""

from __future__ import annotations

import gettext
import io
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
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
    return _catalogue(language()).gettext(text) if text else text  # of an empty one it has a head


def N_(text: str) -> str:
    """A text that is translated where it is shown: what stands in a constant."""
    return text


def ngettext(one: str, several: str, count: float) -> str:
    """One of two texts by a count, in the reader's language: `{n} job`, `{n} jobs`."""
    whole = int(count) if count == int(count) else 2
    return _catalogue(language()).ngettext(one, several, whole)


@cache
def _catalogue(name: str) -> gettext.NullTranslations:
    path = LOCALES / name / "LC_MESSAGES" / f"{DOMAIN}.po"
    if not path.exists():
        return gettext.NullTranslations()  # English, which the texts themselves are
    with path.open("rb") as file:
        catalogue = read_po(file, locale=name, domain=DOMAIN)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
