from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask

import wattline_dashboards
from wattline_collector.ledger.accounts import MEANING
from wattline_collector.palette import ACCOUNTS, NODE_OVERHEAD, TOKEN_KINDS
from wattline_dashboards import app, language, times, words
from wattline_dashboards.answers import Answer
from wattline_dashboards.components import pickers
from wattline_dashboards.figures import views
from wattline_dashboards.pages import fleet
from wattline_dashboards.picture import picture

PACKAGE = Path(wattline_dashboards.__file__).parent
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
OTHERS = [name for name in language.LANGUAGES if name != "en"]


def texts() -> set[str]:
    """All that people read on the pages: what stands in `_()`, `N_()` and `ngettext()`."""
    found: set[str] = set()
    for _, _, message, _, _ in extract_from_dir(
        PACKAGE,
        [("**.py", "python")],
        keywords=KEYWORDS,
    ):
        found |= {message} if isinstance(message, str) else set(message)
    return found


def said(name: str) -> dict[str, list[str]]:
    """What a catalogue says, by the English text; several where there are plurals."""
    with (language.LOCALES / name / "LC_MESSAGES" / f"{language.DOMAIN}.po").open("rb") as file:
        catalogue = read_po(file, locale=name)
    found: dict[str, list[str]] = {}
    for message in catalogue:
        if not message.id or message.fuzzy:
            continue
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        string = message.string or ()
        strings = [string] if isinstance(string, str) else list(string)
        for id in ids:
            found[id] = [string for string in strings if string]
    return found


@pytest.mark.parametrize("name", OTHERS)
def test_every_text_of_the_pages_is_said_in_every_language(name: str) -> None:
    known = said(name)
    missing = sorted(text for text in texts() if not known.get(text))
    assert missing == [], f"{len(missing)} texts are not in locale/{name}"


@pytest.mark.parametrize("name", OTHERS)
def test_a_translation_has_the_places_of_its_text_and_none_is_left_over(name: str) -> None:
    known, asked = said(name), texts()
    places = re.compile(r"\{[^}]*\}")
    for text, strings in known.items():
        for string in strings:
            assert set(places.findall(string)) <= set(places.findall(text)), text
    assert sorted(set(known) - asked) == []


def test_no_text_stands_within_an_f_string_where_extraction_passes_it_by() -> None:
    within = [
        f"{path.relative_to(PACKAGE)}:{call.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for string in ast.walk(ast.parse(path.read_text()))
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in KEYWORDS
        and any(isinstance(text, ast.Constant) for text in call.args)
    ]
    assert within == []


def test_names_that_stand_in_constants_are_among_the_texts() -> None:
    named = {page.TITLE for page in app.PAGES} | {view.label for view in views.VIEWS}
    named |= {name for _, name in pickers.PERIODS} | {name for _, name, _ in times.PRESETS}
    assert named - texts() == set()


def test_accounts_and_tokens_are_called_as_in_the_palette() -> None:
    assert {account: style.label for account, style in ACCOUNTS.items()} == words.ACCOUNTS
    assert {kind: style.label for kind, style in TOKEN_KINDS.items()} == words.TOKENS
    assert words.MEANINGS == MEANING
    assert words.node_overhead() == NODE_OVERHEAD.label


def test_no_text_is_the_head_of_the_catalogue(server: Flask) -> None:
    with server.test_request_context("/", headers={"Accept-Language": "de"}):
        assert language._("") == ""


@pytest.fixture
def server() -> Flask:
    return Flask("test")


@pytest.mark.parametrize(
    ("cookie", "accepted", "expected"),
    [
        (None, None, "en"),
        (None, "de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en", "de", "en"),
        ("de", None, "de"),
        ("../../etc", "fr", "en"),
    ],
)
def test_the_choice_goes_before_the_browsers_wish_and_that_before_english(
    server: Flask, cookie: str | None, accepted: str | None, expected: str
) -> None:
    headers = {}
    if cookie:
        headers["Cookie"] = f"{language.COOKIE}={cookie}"
    if accepted:
        headers["Accept-Language"] = accepted
    with server.test_request_context("/", headers=headers):
        assert language.language() == expected


def test_a_fleet_that_was_drawn_in_one_language_is_drawn_anew_for_another(
    server: Flask, latest: Callable[..., dict[str, Any]]
) -> None:
    now, drawing = picture(latest()), fleet._Drawing()
    answer = Answer(value={}, age_ms=0, error=None)
    said = {}
    for name in ("de", "en"):
        with server.test_request_context("/", headers={"Accept-Language": name}):
            parts = fleet.render(now, answer, None, None, "", None)["parts"]
            said[name] = str(drawing.of(now, "", parts)["fleet-totals"])
    assert "Leistung" in said["de"]
    assert "Leistung" not in said["en"]


def test_what_a_catalogue_does_not_say_stays_english(server: Flask) -> None:
    with server.test_request_context("/", headers={"Accept-Language": "de"}):
        assert language._("no catalogue says this") == "no catalogue says this"
        assert language._("Close") == "Schließen"
    assert language._("Close") == "Close"
