"""Projects from a program of the site that answers a JSON list over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from pathlib import Path

from wattline_agents.clock import Clock
from wattline_agents.errors import InputError
from wattline_collector.fetch import Place, get
from wattline_collector.receive.intake import Batch
from wattline_collector.registers import json_list, kept
from wattline_collector.registers.cells import Setting
from wattline_collector.registers.merge import Merged
from wattline_collector.registers.schema import PROJECTS
from wattline_collector.registers.taken import Taken

LEAST_SECONDS = 60.0
"""A register changes a few times a day; whoever answers it should not notice us."""


def digest(data: bytes) -> str:
    """Names content: the same content has the same name, wherever it lies."""
    return f"sha256:{hashlib.sha256(data).hexdigest()[:16]}"


def take(
    store: Path,
    place: Place,
    now_ms: int,
    *,
    zone: tzinfo = UTC,
    system: str | None = None,
    keeps_good: bool = False,
) -> tuple[Taken, Merged]:
    """Ask once and keep what is answered.

    The answer is the whole list: a project that an earlier one named and this one does not, no
    longer holds. Projects from elsewhere stay. An empty list after one that was not is refused, as
    is one with too many damaged rows: the last good one stays.

    Raises:
        FetchFailed: There is no answer.
        InputError: It cannot be used; what was kept stays.
        UsageError: The token cannot be read, or the register cannot be written.
    """
    body = get(place)
    taken = json_list.read(body, place.url, PROJECTS, Setting(zone, system))
    if taken.is_mostly_damaged and not keeps_good:
        first = taken.error(taken.damaged[0])
        raise InputError(
            f"{first.reason} ({len(taken.damaged)} of {len(taken.rows) + len(taken.damaged)} rows"
            " are damaged: the register stays as it was)",
            path=first.path, line=first.line, field=first.field,
        )  # fmt: skip
    origin = place.url.partition("?")[0]
    if not taken.rows and not kept.projects(store).filter(origin=origin).is_empty():
        raise InputError("names no project any more: the register stays as it was", path=origin)
    merged = kept.update(
        store, PROJECTS, taken.frame, origin=origin, source=digest(body), now_ms=now_ms,
        is_whole=not taken.damaged,
    )  # fmt: skip
    return taken, merged


class ProjectsFollower:
    """Asks for the projects again and again, beside a running collector."""

    name = "projects"

    def __init__(
        self,
        store: Path,
        place: Place,
        every_seconds: float,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        """Ask `place`, and keep what it answers in `store`."""
        self._store, self._place, self._clock, self._say = store, place, clock, say
        self.every_seconds = every_seconds
        self._said: list[str] = []

    def ask(self) -> Sequence[Batch]:
        """Ask once; the register is no telemetry, so nothing is for the log.

        Raises:
            WattlineError: There is no answer, or none that can be used.
        """
        taken, merged = take(self._store, self._place, self._clock.unix_ms())
        if merged.changes_anything:
            self._say(
                f"projects: {merged.added} new, {merged.replaced} changed, {merged.retired} gone"
            )
        notes = taken.notes()
        if notes != self._said:
            self._said = notes
            for note in notes:
                self._say(f"projects: {note.strip()}")
        return []
