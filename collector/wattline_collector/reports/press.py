"""What the collector needs of the reports, which are a distribution of their own.

The collector runs without it; where it is installed, it offers a `Press` by an entry point in the
group `wattline.press`. It says which reports there are, who may have them, by which words of the
command line each is made, and what was made. That there is one check on who may, is the
collector's business: a press only says what each report needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from wattline_collector.access import Sight

GROUP = "wattline.press"
JOBS = "Wattline-Jobs"
"""The header that says which jobs a file names, so that a page can write down who is shown them."""
INSTALL = "reports are made by the distribution wattline-reports; install it beside the collector"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A report that somebody asked for.

    Attributes:
        words: The words after `wattline` by which it is made.
        about: What it is, for whoever follows it.
        needs: Sights of which all are needed to have it.
    """

    words: tuple[str, ...]
    about: Json
    needs: tuple[Sight, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A made report.

    Attributes:
        about: What it is, and its files.
        needs: Sights of which all are needed to see it.
    """

    about: Json
    needs: tuple[Sight, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A file of a made report.

    Attributes:
        content: Its bytes.
        name: Its name.
        media_type: What it is.
        needs: Sights of which all are needed to have it.
        jobs: Jobs of single people that it names.
    """

    content: bytes
    name: str
    media_type: str
    needs: tuple[Sight, ...]
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """A kind of report that pages may ask for.

    Attributes:
        about: Its name, title, what it is of, its periods and options.
        needs: Sights needed, by the value of the option that decides; "" where none does.
    """

    about: Json
    needs: Mapping[str, tuple[Sight, ...]]


@runtime_checkable
class Press(Protocol):
    """What makes reports."""

    def offered(self, store: Path) -> Sequence[Offered]:
        """The kinds that pages may ask for, with the periods the store holds."""
        ...

    def order(self, store: Path, asked: Json, by: str) -> Ordered:
        """What somebody asks for; raises `UsageError` where it cannot be made so.

        Args:
            store: The store.
            asked: Kind, period, options and forms, from outside.
            by: The role of whoever asks.
        """
        ...

    def kept(self, said: str) -> str | None:
        """Which report a run of the command made, by what it printed."""
        ...

    def listed(self, store: Path) -> Sequence[Listed]:
        """What was made, the newest first."""
        ...

    def factories(self, store: Path, bundles: Path, ring: Path, period: str | None) -> Json:
        """Factories side by side, of the bundles that were received and hold.

        Args:
            store: The store; its profile says which factory is this one.
            bundles: The directory of the bundles.
            ring: The public keys that they are verified with.
            period: Of which period, as the answer names them; None: of most bundles.
        """
        ...

    def document(self, store: Path, id: str, form: str) -> Document | None:
        """A file of what was made; None where there is none; raises where it was changed."""
        ...


@cache
def found() -> Press | None:
    """The press that is installed; None where there is none."""
    for point in entry_points(group=GROUP):
        press = point.load()
        if isinstance(press, Press):
            return press
    return None
