"""Reads what `guards` needs from a store's books, and remembers days that have not changed.

A year of a large system is added up once, when the collector starts, and after that only the days
that were booked again, or all of them where the register of projects changed. Days of the last
week, and all of them once a day, are read again anyhow: jobs get their accounts later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector import registers
from wattline_collector.alerts import guards
from wattline_collector.alerts.book_days import MS_PER_DAY, Day, day_of, settled
from wattline_collector.alerts.grants import grants_of
from wattline_collector.alerts.guards import LastDay
from wattline_collector.alerts.series import BOOKS, GRANT
from wattline_collector.jobs.condense import ACCOUNTED
from wattline_collector.kpi import registry, view
from wattline_collector.kpi.access_time import accounted_hours
from wattline_collector.kpi.figure import Figure, Period
from wattline_collector.ledger.books import Books, Hour
from wattline_collector.ledger.schema import HOUR_MS
from wattline_collector.profile.kept import readable_profile
from wattline_collector.registers.kept import path_of, readable
from wattline_collector.registers.schema import PROJECTS

EVERY_MS = 3_600_000
"""How often figures are made anew, at most."""
BELIEVED_MS = 3 * EVERY_MS
"""Figures older than this are not known any more."""
_YOUNG_MS = 7 * MS_PER_DAY
_MOST_DAYS = 3 * 366
"""How far back a grant is followed."""

Marks = tuple[tuple[str, int, int], ...]


class FromBooks:
    """The figures of one store's books. One thread refreshes them, others read them."""

    def __init__(self, store: Path) -> None:
        """Know nothing yet."""
        self._store = store
        self._books = Books(store)
        self._days: dict[int, tuple[Marks, Day]] = {}
        self._forgot_ms = 0
        self._made_ms = 0
        self._frames: Mapping[str, pl.DataFrame] = {}

    def is_due(self, now_ms: int) -> bool:
        """Whether it is time to make them anew."""
        return now_ms - self._made_ms >= EVERY_MS

    def known(self, now_ms: int) -> Mapping[str, pl.DataFrame]:
        """The figures by table; none where they are too old to be believed."""
        return self._frames if now_ms - self._made_ms < BELIEVED_MS else {}

    def refresh(self, now_ms: int) -> None:
        """Make them anew.

        Raises:
            InputError: A file of the books, the register or the profile cannot be read.
        """
        self._made_ms = now_ms  # what fails is not tried again before its time either
        span = self._books.span()
        if span is None:
            self._frames = {}
            return
        until_ms = min(now_ms, span[1])
        if now_ms - self._forgot_ms >= MS_PER_DAY:
            self._days.clear()
            self._forgot_ms = now_ms
        # It may name people and is its owner's to read.
        projects = readable(lambda: registers.projects(self._store))
        grants = grants_of(projects, until_ms)
        first_ms = guards.first_needed_ms(grants, until_ms)
        first_ms = max(first_ms, span[0], until_ms - _MOST_DAYS * MS_PER_DAY)
        first_ms -= first_ms % MS_PER_DAY
        starts = range(first_ms, until_ms, MS_PER_DAY)
        systems = sorted(str(name) for name in self._books.inventory["system"].unique())
        accounted = self._books.frame("accounting", ACCOUNTED)
        jobs = self._jobs(accounted)
        days = [self._day(start, until_ms, systems, jobs, accounted, projects) for start in starts]
        self._days = {start: self._days[start] for start in starts}
        days = settled(days)
        profile = readable_profile(self._store)
        self._frames = guards.figures(days, grants, self._last_day(until_ms), profile, until_ms)

    def _day(
        self,
        start_ms: int,
        until_ms: int,
        systems: list[str],
        jobs: pl.DataFrame,
        accounted: pl.DataFrame,
        projects: pl.DataFrame | None,
    ) -> Day:
        marks = tuple(self._marks(start_ms, systems))
        kept = self._days.get(start_ms)
        if kept is not None and kept[0] == marks and start_ms < until_ms - _YOUNG_MS:
            return kept[1]
        end_ms = min(start_ms + MS_PER_DAY, -(-until_ms // HOUR_MS) * HOUR_MS)
        device, node = (self._books.read(table, start_ms, end_ms) for table in ("device", "node"))
        told = told_of_day(accounted, start_ms, min(end_ms, until_ms))
        day = day_of(start_ms, device, node, jobs, projects, told)
        self._days[start_ms] = (marks, day)
        return day

    def _marks(self, start_ms: int, systems: list[str]) -> Marks:
        """What tells that a day's files, or the register of projects, were written again."""
        paths = [("projects", path_of(self._store, PROJECTS))]
        for system in systems:
            for table in ("device", "node"):
                path = self._books.day_path(table, system, Hour(system, start_ms).day)
                paths.append((f"{system}/{table}", path))
        found = []
        for name, path in paths:
            if path.exists():
                stat = path.stat()
                found.append((name, stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    def _jobs(self, accounted: pl.DataFrame) -> pl.DataFrame:
        key = ["system", "job"]
        said = accounted.select(*key, "account", "submit_ms", pl.col("start_ms").alias("began"))
        own = self._books.jobs.select(*key, "start_ms", "project")
        return own.join(said, on=key, how="full", coalesce=True).select(
            *key, pl.coalesce("start_ms", "began").alias("start_ms"), "submit_ms", "project",
            pl.coalesce("account", "project").alias("account"),
        )  # fmt: skip

    def _last_day(self, until_ms: int) -> LastDay:
        ends_ms = until_ms // HOUR_MS * HOUR_MS
        period = Period(*(
            datetime.fromtimestamp(ms / 1000, UTC) for ms in (ends_ms - MS_PER_DAY, ends_ms)
        ))  # fmt: skip
        try:
            looked_at = view.load(self._store, period)
            found = {
                id: by_system(registry.evaluate(registry.find(id), looked_at, ["system"]))
                for id in ("Q03", "S14")
            }
        except UsageError:
            return LastDay({}, {})
        return LastDay(found["Q03"], found["S14"])


def told_of_day(accounted: pl.DataFrame, start_ms: int, end_ms: int) -> pl.DataFrame:
    """The jobs of a day as schedulers account for them, for `book_days.day_of`."""
    until = pl.coalesce("end_ms", pl.max_horizontal("stated_ms", "start_ms"))
    mine = accounted.filter(pl.col("start_ms") < end_ms, until > start_ms)
    hours = accounted_hours(mine, mine.head(0), [], start_ms, end_ms, "UTC")
    of = mine.select(
        "system", "job",
        # Of a job that is not over, or not known to be, other days may tell too.
        ((pl.col("start_ms") >= start_ms) & (pl.col("end_ms") <= end_ms))
        .fill_null(False).not_().alias("is_cut"),
    )  # fmt: skip
    return hours.select("system", "job", "gpu_hours").join(of, on=["system", "job"], how="left")


def by_system(figures: Iterable[Figure]) -> dict[str, float]:
    """Figures in per cent as ratios by system, of those that are known.

    Of S14 that of the nodes' own meters: what the meter of the building counts besides is network
    and storage, and no fault.
    """
    return {
        figure.dims["system"]: figure.value / 100
        for figure in figures
        if figure.value is not None and figure.dims.get("meter", "node") == "node"
    }


def exposition(frames: Mapping[str, pl.DataFrame]) -> list[str]:
    """The figures as text for a Prometheus, one gauge a column."""
    lines: list[str] = []
    for table, helps in (("books", BOOKS), ("grant", GRANT)):
        rows = frames.get(table)
        if rows is None:
            continue
        labels = [name for name in ("system", "project") if name in rows.columns]
        for column, help in helps.items():
            known = rows.select(*labels, column).drop_nulls(column)
            if known.is_empty():
                continue
            name = f"wattline_{table}_{column}"
            lines += [f"# HELP {name} {help}", f"# TYPE {name} gauge"]
            for *words, value in known.iter_rows():
                said = ",".join(
                    f'{label}="{_escaped(word)}"' for label, word in zip(labels, words, strict=True)
                )
                lines.append(f"{name}{{{said}}} {value}")
    return lines


def _escaped(word: str) -> str:
    """A label's value as the text format writes it."""
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
