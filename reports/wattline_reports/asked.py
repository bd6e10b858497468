"""What a kind's `build` is handed: the store, the period, the moment, and ways to get figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from wattline_agents.errors import UsageError
from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Period, iso
from wattline_collector.kpi.overview import notes
from wattline_collector.kpi.view import View, load
from wattline_collector.ledger.books import Books
from wattline_reports import __version__
from wattline_reports.audited import Audited, audited
from wattline_reports.kinds import Kind
from wattline_reports.quoted import Quoted, clean, quoted
from wattline_reports.words import listed, period_code, shown

Said = Callable[[str], AbstractContextManager[None]]
"""Tells whoever waits what is being done while the context lasts."""

Counted = Callable[[str], Callable[[int, int], None]]
"""From what is being done to a callback that is told how much of it is."""


def _silent(what: str) -> AbstractContextManager[None]:
    return nullcontext()


def _uncounted(what: str) -> Callable[[int, int], None]:
    return lambda done, total: None


@dataclass(frozen=True)
class Asked:
    """One report that somebody asked for.

    Attributes:
        kind: Of which kind.
        store: The store's directory; of no meaning for a kind that needs none.
        period: Over what time.
        as_of: As the books and registers stood then; as they stand now if None.
        of: What the report is of: job ids, project ids, bundles.
        options: The kind's own options by key, each with its default.
        said: Tells what is being done.
        counted: Tells how far it is.
    """

    kind: Kind
    store: Path
    period: Period
    as_of: datetime | None = None
    of: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    said: Said = _silent
    counted: Counted = _uncounted

    @cached_property
    def view(self) -> View:
        """The ledger of the period, with registers and profile beside it.

        Raises:
            UsageError: The store holds no books, or how they stood then is not known.
        """
        with self.said("reading the books"):
            return load(self.store, self.period, self.as_of)

    @cached_property
    def audited(self) -> Audited:
        """What the proof of the books says of the period."""
        return audited(self.store, self.period, self.as_of, self.counted("auditing hours"))

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """The systems that the books know, as they are called."""
        return tuple(sorted(self.view.inventory["system"].unique()))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What whoever reads figures of this period must know."""
        return tuple(clean(note) for note in notes(self.view))

    def figures(self, id: str, by: Sequence[str] = ()) -> list[Quoted]:
        """A KPI of the period, as `wattline kpi ID --by ...` gives it."""
        with self.said(f"computing {id}"):
            found = registry.evaluate(registry.find(id), self.view, list(by))
        return [quoted(figure) for figure in found]

    @property
    def as_of_text(self) -> str:
        """The moment whose books are meant, ISO 8601; empty where it is now."""
        return "" if self.as_of is None else iso(self.as_of)

    @property
    def generator(self) -> str:
        """The program and its version."""
        return f"Wattline {__version__}"

    @property
    def file_name(self) -> str:
        """Stem of the report's files: kind, what it is of, period."""
        of = [
            "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in one)[:40]
            for one in self.of[:1]
        ]
        return "_".join([self.kind.name, *of, period_code(self.period)])

    def subject(self) -> str:
        """The systems, as the line under the title."""
        names = [shown(name) for name in self.systems]
        if not names:
            return "No system"
        if len(names) > 6:
            names = [*names[:6], f"{len(names) - 6} more"]
        return f"{'System' if len(self.systems) == 1 else 'Systems'} {listed(names)}"

    def factory(self) -> str:
        """The factory's name by its profile, else its systems."""
        profile = self.view.profile
        name = None if profile is None else profile.name
        return shown(name) if name else self.subject()


def checked(asked: Asked) -> Asked:
    """The same, if there is anything to make a report from.

    Raises:
        UsageError: Nothing is held of the period; the message says what is.
    """
    needs = asked.kind.needs_store and asked.kind.needs_entries
    if needs and asked.view.totals.is_empty() and asked.view.node.is_empty():
        bounds = asked.period.to_json()
        said = f"{asked.store} holds nothing from {bounds['from']} to {bounds['to']}"
        raise UsageError(f"{said}{held(asked.store)}")
    return asked


def held(store: Path) -> str:
    """What the store holds, to go on after what it does not; empty where it holds nothing."""
    from wattline_collector.kpi.view import utc

    span = Books(store).span()
    if span is None:
        return ""
    known = Period(utc(span[0]), utc(span[1])).to_json()
    return f"; it holds what happened from {known['from']} to {known['to']}"
