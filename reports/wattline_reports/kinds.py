"""The kinds of report there are.

A kind is a package of this one that has a `KIND`. To know the kinds must cost nothing, so such a
package imports only this module at its top; what its report is made of, it imports in `build`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from wattline_agents.errors import UsageError

if TYPE_CHECKING:
    from wattline_reports.asked import Asked
    from wattline_reports.document import Report

FORMATS = ("html", "pdf", "xlsx", "json")
"""The forms a report is handed over in."""

YEAR, QUARTER, MONTH, DAY, SPAN = "year", "quarter", "month", "day", "span"
ALL = "all"
OWN = "own"
ANY = (YEAR, QUARTER, MONTH, DAY, SPAN)
"""Calendar periods, and FROM..TO."""

Instead = Callable[[tuple[str, ...], Mapping[str, str]], int | None]
"""From what a kind is asked for, and its options, to an exit code; None: a report is wanted."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option that only some kinds have.

    Attributes:
        flag: `--schema`; kinds that share a flag share its meaning.
        help: What it does, for `--help`.
        metavar: The word that stands for its value.
        choices: The values there may be; any if empty.
        default: Its value where it is not given.
    """

    flag: str
    help: str
    metavar: str = "TEXT"
    choices: tuple[str, ...] = ()
    default: str = ""

    @property
    def key(self) -> str:
        """Its name in `Asked.options`."""
        return self.flag.lstrip("-").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Of:
    """What a kind is of, where a store and a period do not say it: a job, a project, bundles.

    Attributes:
        metavar: The word that stands for one in the help: `JOB`.
        help: What it is.
        least: How many there must be.
        most: How many there may be.
    """

    metavar: str
    help: str
    least: int = 1
    most: int = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of report.

    Attributes:
        name: What people type: `hosting-audit`.
        title: The report's own title.
        help: One line for the list of kinds.
        description: What `wattline report KIND --help` says of it; ends without a line break.
        build: Makes the report; imports what is heavy itself.
        periods: What its period may be, of `ANY`.
        default: Its period where none is asked for: `all` that the store holds, the last calendar
            `year`, `quarter` or `month` that is over and of which the store holds something, or
            the `own` time of what it is of, which its `build` knows (it is handed `period.EVER`).
        options: Options of its own.
        of: What it is of; None: the factory.
        needs_store: Whether it is made from a store; one that is made from files alone is not.
        needs_entries: Whether it makes no sense without anything booked in the period.
        template: Name of `templates/NAME.html.jinja` and `templates/NAME.typ`.
        css: Style sheets of `templates`, in order.
        instead: Does what an option asks for in place of a report, such as checking one.
    """

    name: str
    title: str
    help: str
    description: str
    build: Callable[[Asked], Report]
    periods: tuple[str, ...] = ANY
    default: str = ALL
    options: tuple[Option, ...] = ()
    of: Of | None = None
    needs_store: bool = True
    needs_entries: bool = True
    template: str = "report"
    css: tuple[str, ...] = ("report.css",)
    instead: Instead | None = None


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind by name, in the order of names."""
    package = importlib.import_module("wattline_reports")
    found: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg:
            kind = getattr(importlib.import_module(f"wattline_reports.{module.name}"), "KIND", None)
            if isinstance(kind, Kind):
                found[kind.name] = kind
    return MappingProxyType(dict(sorted(found.items())))


def find(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    kind = kinds().get(name)
    if kind is None:
        raise UsageError(f"no report {name[:40]!r}; there are {', '.join(kinds())}")
    return kind
