"""A question a page may ask: where, who may, what it takes, and what answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from wattline_agents.errors import UsageError, WattlineError
from wattline_collector.access import Sight, Viewer
from wattline_collector.alerts.watch import Watch
from wattline_collector.follow import Followed
from wattline_collector.kpi.figure import Period
from wattline_collector.reports.workshop import Workshop
from wattline_collector.store.latest import Latest
from wattline_collector.store.store import Store

Json = Mapping[str, Any]

PERIOD = ("from", "to")
"""What says a period; every question may have one."""

_MOST_CHARACTERS = 400
_MOST_VALUES = 64


class Missing(WattlineError):
    """What was asked for by name is not there, or is not theirs: HTTP 404 for both."""


@dataclass(frozen=True, slots=True)
class House:
    """Where answers come from.

    Attributes:
        store: The open store.
        latest: The newest row of everything.
        watch: What judges alerts; None in a collector without.
        followed: Schedulers and lists that the collector asks, and how that went.
        workshop: What makes reports; None where nothing does.
        bundles: Where bundles of factories lie; None: in the store.
    """

    store: Store
    latest: Latest
    watch: Watch | None = None
    followed: Sequence[Followed] = ()
    workshop: Workshop | None = None
    bundles: Path | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        viewer: Who asks. They see at least one of the sights its `Read` names; an answer that
            holds more than that sight shows must be narrowed by whoever answers.
        now: When.
        period: What `from` and `to` say; None where neither is given.
        query: All else that was asked, by name, each in the order given.
        place: What the path names, by the names in `Read.path`.
    """

    viewer: Viewer
    now: datetime
    period: Period | None = None
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    place: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str) -> str | None:
        """The value of a parameter; None where it is not given.

        Raises:
            UsageError: It is given more than once.
        """
        values = self.query.get(name, ())
        if len(values) > 1:
            raise UsageError(f"{name}: given {len(values)} times; once is meant")
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Read:
    """A question that may be asked with GET.

    Attributes:
        path: Its route, such as `/v1/energy` or `/v1/nodes/{node:path}`.
        sights: Sights any of which lets somebody ask.
        answer: Answers it; may block. Raises `UsageError` for what cannot be asked so (400) and
            `Missing` for what is not there (404).
        takes: Parameters it takes besides the period; any other is refused.
        keep_seconds: An answer this old may be given again to who asks the same; one that took
            long may be older.
        by_viewer: Whether different people get different answers; then nobody is given what was
            computed for somebody else.
        quick: Whether it needs nothing of the books but a moment, so that it does not wait behind
            questions over long periods.
        small: Whether it is about one thing, such as a node: it waits behind its like, and not
            behind questions over all that was booked.
    """

    path: str
    sights: tuple[Sight, ...]
    answer: Callable[[House, Question], Json]
    takes: frozenset[str] = frozenset()
    keep_seconds: float = 5.0
    by_viewer: bool = False
    quick: bool = False
    small: bool = False


def checked(read: Read, query: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The parameters of a question, those of its period left out.

    Raises:
        UsageError: One is not known there, is too long, or there are too many.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, values in query.items():
        if name in PERIOD:
            continue
        if name not in read.takes:
            known = ", ".join(sorted({*read.takes, *PERIOD}))
            raise UsageError(f"{name[:40]!r} is not asked for here; what is: {known}")
        if len(values) > _MOST_VALUES or any(len(value) > _MOST_CHARACTERS for value in values):
            raise UsageError(
                f"{name}: at most {_MOST_VALUES} values of {_MOST_CHARACTERS} characters"
            )
        found[name] = tuple(values)
    return found
