"""What `GET /v1/latest` answers: all that is newest, or the columns asked for, to whoever may.

The picture is made once for all who ask at about the same time, and each form of it once: whole or
some columns of it, as Arrow or as JSON, for whoever sees the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector import narrow, tables
from wattline_collector.access import Sight, Viewer, sees
from wattline_collector.remembered import Remembered
from wattline_collector.store import live
from wattline_collector.store.latest import Latest

_SECONDS = 0.25
_FORMS = 32
"""Of one picture; each may be of some megabytes, for a quarter of a second."""

Names = frozenset[str]


def columns(asked: Sequence[str]) -> Names | None:
    """The columns that a question names, as in `columns=power_watts,account`; None: all.

    Args:
        asked: Every value that `columns` was given.

    Raises:
        UsageError: It is given more than once, or names what no table has.
    """
    if not asked:
        return None
    if len(asked) > 1:
        raise UsageError(f"columns: given {len(asked)} times; once is meant, with commas")
    names = frozenset(asked[0].split(","))
    known = {name for of in live.COLUMNS.values() for name in of}
    if unknown := sorted(names - known):
        raise UsageError(
            f"columns: neither devices nor nodes nor jobs have one called {unknown[0][:40]!r}; "
            "names are separated by commas, and an answer without columns= has all of them"
        )
    return names


class _Shot:
    """One picture, and the forms it was asked for in."""

    def __init__(self, frames: Mapping[str, Any], owners: pl.DataFrame) -> None:
        self._frames, self._owners = frames, owners
        self._forms = Remembered[bytes](math.inf, _FORMS)

    def form(self, viewer: Viewer, names: Names | None, arrow: bool) -> bytes:
        everything = sees(viewer, Sight.FLEET, Sight.JOBS)
        asked = (None if everything else viewer, names, arrow)
        return self._forms.get(asked, lambda: self._made(viewer, names, arrow))

    def _made(self, viewer: Viewer, names: Names | None, arrow: bool) -> bytes:
        # What is not theirs is left out first, whatever they named.
        seen = narrow.latest(self._frames, viewer, self._owners)
        cut = {name: _cut(name, part, names) for name, part in seen.items()}
        if arrow:
            return tables.packed(cut)
        lists = {
            name: live.lists(part) if isinstance(part, pl.DataFrame) else part
            for name, part in cut.items()
        }
        return json.dumps(lists, separators=(",", ":"), allow_nan=False).encode()


class Newest:
    """Answers `GET /v1/latest`; safe to ask from many threads."""

    def __init__(self, latest: Latest) -> None:
        """Look at nothing yet."""
        self._latest = latest
        self._shots = Remembered[_Shot](_SECONDS)

    def body(self, viewer: Viewer, names: Names | None = None, *, arrow: bool = False) -> bytes:
        """The answer, at most a quarter of a second old.

        Args:
            viewer: Who asks: what is not theirs stays away, also when they name it.
            names: Columns that are wanted of every table that has them; None: all. What says which
                row it is (`live.KEYS`) is always there.
            arrow: Whether tables travel as `tables.packed` puts them; else as JSON, by columns.
        """
        return self._shots.get(None, self._shot).form(viewer, names, arrow)

    def _shot(self) -> _Shot:
        known, now_ms = self._latest.known()
        owners = known.rows("job_info").select("system", "job", "user", "project")
        return _Shot(live.frames(known, now_ms), owners)


def _cut(table: str, part: Any, names: Names | None) -> Any:
    if names is None or not isinstance(part, pl.DataFrame):
        return part
    wanted = {*live.KEYS[table], *names}
    return part.select(name for name in part.columns if name in wanted)
