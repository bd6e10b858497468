"""Which states of nodes are news: kept between two answers, stated when they change."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from wattline_collector.jobs.asking import Events
from wattline_collector.jobs.news import FORGOTTEN_MS, RUNNING_AGAIN_MS

ROWS = pl.Schema(
    {
        "time_unix_ms": pl.Int64(),
        "host": pl.String(),
        "state": pl.String(),
        "reason": pl.String(),
        "start_unix_ms": pl.Int64(),
        "end_unix_ms": pl.Int64(),
    }
)
"""Columns of table `node_state`."""

_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class _Said:
    reason: str | None
    end_ms: int | None
    time_ms: int


@dataclass(slots=True)
class NodeWatch:
    """What was last stated of each state of each node."""

    _said: dict[_Key, _Said] = field(default_factory=dict)
    _now: set[_Key] = field(default_factory=set)

    def remember(self, rows: pl.DataFrame) -> None:
        """Take in what was stated before: rows of table `node_state`."""
        columns = ("time_unix_ms", "host", "state", "reason", "start_unix_ms", "end_unix_ms")
        for time_ms, host, state, reason, start_ms, end_ms in (
            rows.sort("time_unix_ms").select(columns).iter_rows()
        ):
            self._said[host, state, start_ms] = _Said(reason, end_ms, time_ms)
        # Which of them were written down is not known any more; those that were will be told of.
        self._now = {key for key, said in self._said.items() if said.end_ms is None}

    def news(self, told: Events, now_ms: int) -> pl.DataFrame:
        """Rows to state now: what is new or changed, and now and then what goes on."""
        columns = ("host", "state", "start_unix_ms", "reason", "end_unix_ms")
        written = {(h, s, t): (r, e) for h, s, t, r, e in told.rows.select(columns).iter_rows()}
        now = {(h, s, t): (r, e) for h, s, t, r, e in told.now.select(columns).iter_rows()}
        ended = {
            key: (self._said[key].reason, now_ms)
            for key in self._now - now.keys() - written.keys()
            if key in self._said
        }
        self._now = set(now)
        new = []
        for (host, state, start_ms), (reason, end_ms) in (ended | now | written).items():
            before = self._said.get((host, state, start_ms))
            if (
                before is None
                or (reason, end_ms) != (before.reason, before.end_ms)
                or (end_ms is None and now_ms - before.time_ms >= RUNNING_AGAIN_MS)
            ):
                self._said[host, state, start_ms] = _Said(reason, end_ms, now_ms)
                new.append((now_ms, host, state, reason, start_ms, end_ms))
        old = now_ms - FORGOTTEN_MS
        self._said = {
            key: said
            for key, said in self._said.items()
            if said.end_ms is None or said.end_ms > old
        }
        return pl.DataFrame(new, ROWS, orient="row")
