"""The reports as the collector has them made for its pages: which, for whom, by which words.

What a page may ask for is a closed list of words. An option that names a file is not for pages:
no path and no free text of theirs reaches the command, but for the name of a project.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattline_agents.errors import UsageError
from wattline_agents.nearest import instead
from wattline_collector.access import Sight
from wattline_collector.reports.press import Document, Listed, Offered, Ordered
from wattline_reports.kinds import ALL, FORMATS, MONTH, QUARTER, SPAN, YEAR, Kind, kinds
from wattline_reports.made_file import PAGE, Made
from wattline_reports.shelf import Shelf, of_store

if TYPE_CHECKING:
    from wattline_reports.network.page import Verifier

_FIGURES = (Sight.FIGURES,)
_BY_PROJECT = (Sight.FIGURES, Sight.PROJECTS)
_BY_PERSON = (Sight.FIGURES, Sight.JOBS, Sight.PROJECTS)

_NEEDS: Mapping[str, Mapping[str, tuple[Sight, ...]]] = {
    # By kind, then by the value of its option that decides: small cells are hidden, or not.
    "review": {"public": _FIGURES, "restricted": _BY_PROJECT},
    "eed": {"eed-2024": _FIGURES, "eed-2026-draft": _FIGURES},
    "operations": {"": (Sight.FIGURES, Sight.FLEET)},
    "hosting-audit": {"": _BY_PROJECT},
    "network": {"": _FIGURES},
    "certificate": {"": _BY_PROJECT},
    "project": {"": _BY_PERSON},
    "job": {"": (Sight.FIGURES, Sight.JOBS)},
}
_DECIDES = {"review": "variant", "eed": "schema"}
_EVERYTHING = tuple(Sight)
"""What a kind needs that does not stand there."""

OFFERED = ("review", "hosting-audit", "eed", "operations", "project")
"""Kinds that pages may ask for; a job has its own page, and a certificate needs a key."""

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}
_MOST_OF = 100
_CALENDAR_SECONDS = 30.0
"""A page asks every two seconds; what the store holds needs a look into the books."""
_MOST_PERIODS = {YEAR: 6, QUARTER: 8, MONTH: 18}


class ReportPress:
    """Makes reports with `wattline report`, and keeps them on the store's shelf."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._lock = threading.Lock()
        self._verifier: Verifier | None = None

    def offered(self, store: Path) -> Sequence[Offered]:
        """The kinds that pages may ask for, with the periods the store holds."""
        calendar = _calendar(store)
        return [
            Offered(_about(kinds()[name], calendar), _NEEDS[name])
            for name in OFFERED
            if name in kinds()
        ]

    def order(self, store: Path, asked: Mapping[str, Any], by: str) -> Ordered:
        """What somebody asks for.

        Raises:
            UsageError: It cannot be made so; says why.
        """
        kind = _kind(asked.get("kind"))
        options = _options(kind, asked.get("options", {}))
        of = _of(kind, asked.get("of"))
        period = _period(kind, asked.get("period"))
        formats = _formats(asked.get("formats"))
        words = ["report", "--store", str(store.resolve()), "--keep", "--progress", "--why", PAGE]
        words += ["--by", by] if by else []
        words += ["--period", period] if period else []
        words += ["--format", ",".join(formats)]
        for option in kind.options:
            if option.key in options:
                words += [option.flag, options[option.key]]
        about = {
            "kind": kind.name, "title": kind.title, "period": period, "of": list(of),
            "options": options, "formats": list(formats), "by": by,
        }  # fmt: skip
        # Behind `--` nothing is taken for an option.
        return Ordered((*words, "--", kind.name, *of), about, needs(kind.name, options))

    def kept(self, said: str) -> str | None:
        """Which report a run made: the folder of the first path it printed."""
        first = said.strip().partition("\n")[0]
        return Path(first).parent.name or None

    def listed(self, store: Path) -> Sequence[Listed]:
        """What was made, the newest first."""
        shelf = Shelf(of_store(store))
        found = (_known(shelf.directory, id) for id in shelf.ids())
        return [Listed(_told(one), needs_of(one)) for one in found if one is not None]

    def factories(
        self, store: Path, bundles: Path, ring: Path, period: str | None
    ) -> Mapping[str, Any]:
        """Factories side by side, of the bundles that were received and hold."""
        from wattline_reports.network import page

        with self._lock:
            self._verifier = self._verifier or page.Verifier()
        return page.answer(self._verifier, store, bundles, ring, period)

    def document(self, store: Path, id: str, form: str) -> Document | None:
        """A file of what was made; None where there is none.

        Raises:
            InputError: It is not the file that was made.
        """
        shelf = Shelf(of_store(store))
        made = shelf.find(id)
        file = None if made is None else made.file(form)
        if made is None or file is None:
            return None
        content = shelf.content(made, form)
        return Document(content, file.name, MEDIA_TYPES[form], needs_of(made), _jobs(made))


PRESS = ReportPress()


def needs(kind: str, options: Mapping[str, str]) -> tuple[Sight, ...]:
    """The sights that a report needs; a kind or a choice nobody thought of needs all there are."""
    by_choice = _NEEDS.get(kind, {})
    return by_choice.get(options.get(_DECIDES.get(kind, ""), ""), _EVERYTHING)


def needs_of(made: Made) -> tuple[Sight, ...]:
    """The sights that a made report needs."""
    held = needs(made.key.kind, made.key.options)
    return tuple(dict.fromkeys((*held, Sight.JOBS))) if _jobs(made) else held


def _jobs(made: Made) -> tuple[str, ...]:
    """Jobs of single people that a report names."""
    if made.key.kind == "job":
        return made.key.of
    jobs = made.key.options.get("jobs", "") if made.key.kind == "certificate" else ""
    return tuple(job.strip() for job in jobs.split(",") if job.strip())


def _told(made: Made) -> Mapping[str, Any]:
    key = made.key
    return {
        "id": made.id, "kind": key.kind, "title": made.title, "period": key.period,
        "of": list(key.of), "options": dict(key.options), "as_of": key.as_of, "code": made.code,
        "made_ms": _ms(made.made_at), "checked": made.checked,
        "checked_ms": _ms(made.checked_at) if made.checked_at else None,
        "why": made.why, "by": made.by, "good": made.good, "seconds": made.seconds,
        "files": [{"form": file.form, "bytes": file.bytes, "sha256": file.sha256}
                  for file in made.files],
    }  # fmt: skip


def _ms(iso: str) -> int:
    return round(datetime.fromisoformat(iso).timestamp() * 1000)


def _known(directory: Path, id: str) -> Made | None:
    """What is known of a report, read again only where its file has changed."""
    try:
        state = os.stat(directory / id / "made.json")
    except OSError:
        return None
    return _read(directory, id, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=8192)
def _read(directory: Path, id: str, _time_ns: int, _inode: int) -> Made | None:
    return Shelf(directory).find(id)


def _about(kind: Kind, calendar: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    decides = _DECIDES.get(kind.name)
    option = next((one for one in kind.options if one.key == decides), None)
    forms = (YEAR, QUARTER, MONTH)
    return {
        "name": kind.name, "title": kind.title, "help": kind.help,
        "of": None if kind.of is None else kind.of.help,
        "free": SPAN in kind.periods,
        "periods": {form: calendar[form] for form in forms if form in kind.periods},
        "usual": kind.default if kind.default != ALL else None,
        "option": None if option is None else option.key,
        "default": "" if option is None else option.default,
        "formats": list(FORMATS),
    }  # fmt: skip


def _calendar(store: Path) -> Mapping[str, Sequence[str]]:
    """Calendar periods of which the store holds something, newest first."""
    return _calendar_of(store, int(time.monotonic() // _CALENDAR_SECONDS))


@lru_cache(maxsize=8)
def _calendar_of(store: Path, _while: int) -> Mapping[str, Sequence[str]]:
    from wattline_collector.kpi.view import utc
    from wattline_collector.ledger.books import Books

    span = Books(store).span()
    if span is None:
        return {YEAR: [], QUARTER: [], MONTH: []}
    first, last = utc(span[0]), utc(span[1] - 1)
    months = [(place // 12, place % 12 + 1) for place in range(_month(last), _month(first) - 1, -1)]
    years = dict.fromkeys(f"{year:04d}" for year, _ in months)
    quarters = dict.fromkeys(f"{year:04d}-Q{(month + 2) // 3}" for year, month in months)
    found = {YEAR: list(years), QUARTER: list(quarters),
             MONTH: [f"{year:04d}-{month:02d}" for year, month in months]}  # fmt: skip
    return {form: codes[: _MOST_PERIODS[form]] for form, codes in found.items()}


def _month(when: datetime) -> int:
    return when.astimezone(UTC).year * 12 + when.astimezone(UTC).month - 1


def _kind(name: object) -> Kind:
    if not isinstance(name, str) or name not in OFFERED or name not in kinds():
        raise UsageError(f"kind {str(name)[:40]!r}: {instead(str(name)[:40], OFFERED)}")
    return kinds()[name]


def _options(kind: Kind, given: object) -> dict[str, str]:
    mine = {option.key: option for option in kind.options if option.choices}
    if not isinstance(given, Mapping):
        raise UsageError("options: an object is meant")
    found = {key: option.default for key, option in mine.items()}
    for key, value in given.items():
        if key not in mine:
            raise UsageError(f"option {str(key)[:40]!r}: {instead(str(key), mine)}")
        if value not in mine[key].choices:
            raise UsageError(f"{key} {str(value)[:40]!r}: there are {', '.join(mine[key].choices)}")
        found[key] = str(value)
    return found


def _of(kind: Kind, given: object) -> tuple[str, ...]:
    if kind.of is None:
        if given:
            raise UsageError(f"{kind.name} is of the whole factory")
        return ()
    one = given if isinstance(given, str) else ""
    if not one.strip() or len(one) > _MOST_OF or not one.isprintable():
        raise UsageError(f"which? {kind.name} needs {kind.of.help}")
    return (one.strip(),)


def _period(kind: Kind, given: object) -> str | None:
    """A period of that kind, as it was written; None where the usual one is meant."""
    from wattline_reports.period import parse_period, suited

    if given is None:
        return None
    if not isinstance(given, str) or len(given) > 80:
        raise UsageError("period: a text such as 2026-11 is meant")
    suited(kind, parse_period(given))
    return given.strip()


def _formats(given: object) -> tuple[str, ...]:
    asked = given if isinstance(given, list) else []
    unknown = [one for one in asked if one not in FORMATS]
    if unknown or not asked:
        raise UsageError(f"formats: some of {', '.join(FORMATS)} are meant")
    return tuple(one for one in FORMATS if one in asked)
