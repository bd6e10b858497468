"""That no name of a person, job or machine stands in a bundle: it is held against the store's own.

The schemas leave no room for names; this proves it for the names there are. Names are looked for
as whole words, in upper and lower case alike, in every text of every file. Numbers are not looked
at: a job's id may well be equal to somebody's GPU-hours.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from wattline_collector.jobs.condense import ACCOUNTED, NODE_STATES
from wattline_collector.ledger.books import Books
from wattline_collector.registers import projects
from wattline_collector.registers import words as register_words
from wattline_reports.exchange import checked, dictionary
from wattline_reports.exchange.cubes import COUNTERPARTS
from wattline_reports.exchange.refused import Reason, Refused

LEAST_LETTERS = 3
"""Shorter names are also syllables of everything."""

_WORD = re.compile(r"[^\s,;:\"'()\[\]{}<>=|/]+")
_OURS = frozenset(
    word
    for words in (
        register_words.ACCESS_MODES,
        register_words.USER_CATEGORIES,
        register_words.SECTORS,
        register_words.FIELDS,
        register_words.STATES,
        register_words.SHARES,
        COUNTERPARTS,
    )
    for word in words
)
"""Words that are a cube's own: a project that is called `health` cannot be told from the sector."""


def names_of(store: Path, *, with_named: bool = True) -> frozenset[str]:
    """Every name in a store that must not leave it: users, jobs, projects, nodes, devices.

    In lower case. Numbers alone are left out.

    Args:
        store: The store's directory.
        with_named: Whether names that users give to jobs and runs are among them.
    """
    given = ("name", "run") if with_named else ()
    books = Books(store)
    accounted = books.frame("accounting", ACCOUNTED)
    states = books.frame("node_states", NODE_STATES)
    frames = [
        (books.jobs, ("job", *given, "project", "user")),
        (accounted, ("job", "job_id", *given, "user", "account")),
        (books.inventory, ("key", "node")),
        (states, ("node",)),
        (projects(store), ("project", "account", "title", "lead", "organisation")),
    ]
    found: set[str] = set()
    for frame, columns in frames:
        for column in columns:
            if column in frame.columns:
                found.update(frame[column].drop_nulls().cast(str).unique())
    return (
        frozenset(
            name
            for name in (one.strip().lower() for one in found)
            if len(name) >= LEAST_LETTERS and not name.isdigit()
        )
        - _our_words()
    )


@cache
def _our_words() -> frozenset[str]:
    """Words that every bundle holds: a job that is called `energy` cannot be told from them."""
    texts = (*_json_texts(dictionary.definitions()), *_json_texts(checked.schema("kpis")))
    return _OURS | {word for text in texts for word in _WORD.findall(text.lower())}


def check(files: Mapping[str, bytes], names: Iterable[str], path: object = None) -> None:
    """Check that none of the names stands in a bundle's files.

    Raises:
        Refused: One does. The message says where, and not which.
    """
    wanted = frozenset(names)
    phrases = sorted(name for name in wanted if _WORD.fullmatch(name) is None)
    for file, data in sorted(files.items()):
        for text in texts_of(file, data):
            low = text.lower()
            if wanted.intersection(_WORD.findall(low)) or any(one in low for one in phrases):
                raise Refused(
                    Reason.PERSONAL,
                    "a name that the store knows of a user, job, project or node stands in it",
                    path=path,
                    field=file,
                )


def texts_of(file: str, data: bytes) -> Iterator[str]:
    """Every text of a file: keys and words of JSON, cells of CSV that are no numbers, else all."""
    text = data.decode("utf-8", "replace")
    if file.endswith((".json", ".jsonld")):
        yield from _json_texts(json.loads(text))
    elif file.endswith(".csv"):
        for row in csv.reader(io.StringIO(text, newline="")):
            yield from (cell for cell in row if not _is_number(cell))
    else:
        yield text


def _json_texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _json_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _json_texts(item)
    elif isinstance(value, str):
        yield value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
