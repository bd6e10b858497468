"""Following Slurm: what its jobs and nodes do, asked at intervals and stated as rows.

Each interval is at most one question of a kind: to the accounting, for what happened since the last
answer and a little before; to the controller, only while a job runs whose devices are not known
yet; and for states of nodes. What was missed while the collector was down is caught up with from
the newest statement in the store, a day per interval. Once an hour the last day is looked over
again, for what came to the accounting late. A job that ran and is no longer told of is asked for by
its id.

Only what changed is stated, so asking again, also after a restart, has no second effect.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from wattline_agents.catalogue import TABLES
from wattline_agents.clock import Clock
from wattline_agents.wire import Header
from wattline_collector.jobs import news, restarts
from wattline_collector.jobs.accounts import accounts
from wattline_collector.jobs.asking import AskFailed, Scheduler
from wattline_collector.jobs.claims import Devices, believed, resolve
from wattline_collector.jobs.encode import bodies
from wattline_collector.jobs.node_watch import ROWS, NodeWatch
from wattline_collector.receive.intake import Batch
from wattline_collector.store.store import Store

NODE = "slurm"
"""The sender of what Slurm says; no node has such rows."""
EVERY_SECONDS = 30.0
"""An assignment that is not repeated for 90 s counts as ended, and Slurm forgets who held which
device minutes after a job's end."""
OVERLAP_MS = 600_000
"""How far each question reaches back: slurmctld tells slurmdbd late when either is busy."""
SLICE_MS = 86_400_000
"""Of the past, asked for at once while catching up."""
LONGEST_MS = 31 * 86_400_000
"""Of the past, caught up with; what is older is for `wattline import slurm-sacct`."""
SWEEP_MS = 3_600_000
"""Between two looks over the last day."""
_DAY_MS = 86_400_000
_MOST_IDS = 400
"""Jobs asked for by their id at once: a command line of some kilobytes."""
_MOST_TRIES = 4
"""Questions for the devices of one job: a version that does not tell is not asked for ever."""
_WAIT_SECONDS = 600.0
"""Longest pause after questions that failed."""
_HELD = pl.Schema({"job": pl.String(), "device": pl.String()})


@dataclass(slots=True)
class Figures:
    """How following goes, for `/metrics`.

    Attributes:
        jobs_running: Jobs that run.
        behind_seconds: How much of the past is still to be caught up with.
        failed: Questions for devices or nodes that failed while the accounting answered.
        set_aside: Records that were none.
        unresolved: Devices of running jobs that Slurm names and no agent told of.
        unknown: Jobs that run on devices without its being known on which.
        odd: Jobs whose devices Slurm tells in a way that cannot be: their claims are not believed.
    """

    jobs_running: int = 0
    behind_seconds: float = 0.0
    failed: int = 0
    set_aside: int = 0
    unresolved: int = 0
    unknown: int = 0
    odd: int = 0


@dataclass(frozen=True, slots=True)
class _Question:
    since_ms: int
    until_ms: int | None
    ids: tuple[str, ...] = ()


@dataclass(slots=True)
class SlurmFollower:
    """Asks Slurm, as a `follow.Follower`.

    Attributes:
        scheduler: Where to ask.
        system: The system its jobs run on.
        clock: When it is.
        pause_seconds: Between two questions.
        figures: How it goes.
    """

    scheduler: Scheduler
    system: str
    clock: Clock
    pause_seconds: float = EVERY_SECONDS
    name: str = "slurm"
    figures: Figures = field(default_factory=Figures)
    _store: Store | None = None
    _known: pl.DataFrame | None = None
    _held: pl.DataFrame = field(default_factory=_HELD.to_frame)
    _tries: dict[str, int] = field(default_factory=dict)
    _nodes: NodeWatch = field(default_factory=NodeWatch)
    _missing: tuple[str, ...] = ()
    _since_ms: int = 0
    _swept_ms: int = 0
    _failures: int = 0
    _boot: str = field(default_factory=lambda: f"slurm-{secrets.token_hex(8)}")
    _sequence: int = 0

    def reads(self, store: Store) -> None:
        """Be told of the store, which says what was stated before and which devices there are."""
        self._store = store

    @property
    def every_seconds(self) -> float:
        """The pause before the next question; longer after questions that failed."""
        longest = max(_WAIT_SECONDS, self.pause_seconds)
        return min(self.pause_seconds * float(2 ** min(self._failures, 10)), longest)

    def metrics(self) -> Iterator[tuple[str, str, float]]:
        """Name, help and value of what it tells of itself beyond answers and errors."""
        figures = self.figures
        yield "jobs_running", "Jobs that run.", figures.jobs_running
        yield "behind_seconds", "How much of the past is still asked for.", figures.behind_seconds
        yield (
            "questions_failed_total",
            "Questions for devices or nodes without an answer.",
            figures.failed,
        )
        yield "set_aside_total", "Records that could not be used.", figures.set_aside
        yield (
            "devices_unresolved",
            "Devices of running jobs that no agent told of.",
            figures.unresolved,
        )
        yield (
            "jobs_without_devices",
            "Running jobs that got devices, without its being known which.",
            figures.unknown,
        )
        yield "jobs_odd", "Jobs whose devices are told in a way that cannot be.", figures.odd

    def ask(self) -> Sequence[Batch]:
        """Ask once.

        Raises:
            AskFailed: The accounting gave no answer.
        """
        now_ms = self.clock.unix_ms()
        if self._known is None:
            self._remember(now_ms)
        question = self._question(now_ms)
        try:
            records = self.scheduler.jobs(question.since_ms, question.until_ms, question.ids)
        except AskFailed:
            self._failures += 1
            raise
        self._failures = 0
        rows = self._typed(records, now_ms)
        changed, running = self._learn(rows, question, now_ms)
        tables = {"accounting": changed, "job_info": news.info_rows(changed)}
        if question.until_ms is None:
            tables["assignment"] = self._assignments(running, changed, now_ms)
        tables["node_state"] = self._node_states(question.since_ms, now_ms)
        return [batch for name, frame in tables.items() for batch in self._batches(name, frame)]

    # What to ask

    def _remember(self, now_ms: int) -> None:
        """Learn from the store what was stated before the collector was started."""
        self._known = news.KNOWN.to_frame()
        self._since_ms = now_ms - _DAY_MS
        if self._store is None or (span := self._store.span("accounting")) is None:
            return
        last = min(span[1], now_ms)
        rows = self._stored("accounting", last - news.FORGOTTEN_MS, last + 1)
        if rows.is_empty():
            return
        self._known = news.remembered(rows)
        last = int(self._known.select(pl.col("said_ms").max()).item())
        self._since_ms = max(last - OVERLAP_MS, now_ms - LONGEST_MS)
        held = self._stored("assignment", last - OVERLAP_MS, now_ms + 1)
        self._held = held.filter(pl.col("method") == "slurm").select("job", "device").unique()
        self._nodes.remember(self._stored("node_state", last - _DAY_MS, now_ms + 1))

    def _stored(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        assert self._store is not None
        rows = self._store.read(table, start_ms, end_ms)
        return rows.filter((pl.col("system") == self.system) & (pl.col("node") == NODE))

    def _question(self, now_ms: int) -> _Question:
        behind = now_ms - self._since_ms - OVERLAP_MS
        self.figures.behind_seconds = max(0.0, behind / 1000)
        if self._missing:
            earliest = (
                self._known_now.filter(pl.col("job").is_in(list(self._missing)))
                .select(pl.min_horizontal(pl.col("submit_unix_ms").min(), self._since_ms))
                .item()
            )
            return _Question(earliest or self._since_ms, None, self._missing)
        if behind > SLICE_MS:
            return _Question(self._since_ms, self._since_ms + SLICE_MS)
        if now_ms - self._swept_ms > SWEEP_MS:
            return _Question(min(self._since_ms, now_ms - _DAY_MS), None)
        return _Question(self._since_ms, None)

    @property
    def _known_now(self) -> pl.DataFrame:
        assert self._known is not None
        return self._known

    # What it says

    def _typed(self, records: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        typed = accounts(records, "UTC", now_ms)
        self.figures.set_aside += len(typed.damaged)
        known = restarts.known_of(self._known_now)
        older = self._older_runs(typed.rows, known)
        rows = restarts.numbered(typed.rows, pl.concat([known, older]))
        return rows.with_columns(pl.lit(now_ms, pl.Int64).alias("time_unix_ms")).unique(
            "job", keep="last", maintain_order=True
        )

    def _older_runs(self, rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        """Runs of ids that were given out long ago and are here again: Slurm counts ids up."""
        newest = known["id"].cast(pl.Int64, strict=False).max()
        numbers = pl.col("job").cast(pl.Int64, strict=False)
        run = ["job", "submit_unix_ms"]
        unknown = rows.filter(pl.col("restarts").is_null()).join(
            known, left_on=run, right_on=["id", "submit_ms"], how="anti"
        )
        if newest is None or self._store is None:
            return restarts.KNOWN.to_frame()
        again = unknown.filter(numbers <= newest)["job"]
        again = again.filter(~again.is_in(known["id"].implode()))
        if again.is_empty():
            return restarts.KNOWN.to_frame()
        now_ms = self.clock.unix_ms()
        columns = ("system", "job", "submit_unix_ms", "restarts")
        stored = self._store.rows("accounting", now_ms - 90 * _DAY_MS, now_ms, columns)
        runs = restarts.known_of(stored.filter(pl.col("system") == self.system))
        return runs.filter(pl.col("id").is_in(again.implode()))

    def _learn(
        self, rows: pl.DataFrame, question: _Question, now_ms: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Take an answer in; returns the rows that are news, and the jobs that run."""
        known = self._known_now
        changed = news.fresh(rows, known, now_ms)
        known = news.with_news(known, changed, now_ms)
        if question.ids:
            # Who is not known by id either is known to nobody: its record was purged.
            unknown = [job for job in question.ids if job not in set(rows["job"])]
            asked = set(unknown)
            known = known.filter(
                ~(pl.col("job").str.replace(r"\.[0-9]+\z", "").is_in(list(asked)))
                | ~pl.col("state").is_in(list(news.GOES_ON))
            )
            self._missing = ()
        elif question.until_ms is None:
            gone = known.filter(pl.col("state").is_in(["running", "suspended"])).join(
                rows, on="job", how="anti"
            )
            ids = gone["job"].str.replace(r"\.[0-9]+\z", "")
            self._missing = tuple(ids.unique(maintain_order=True).head(_MOST_IDS))
        if question.until_ms is None:
            if not question.ids:
                self._since_ms = now_ms - OVERLAP_MS
            if question.since_ms <= now_ms - _DAY_MS:
                self._swept_ms = now_ms
        else:
            self._since_ms = question.until_ms - OVERLAP_MS
        self._known = known
        running = known.filter(pl.col("state").is_in(["running", "suspended"]))
        self.figures.jobs_running = running.height
        return changed, running

    # Devices

    def _assignments(
        self, running: pl.DataFrame, changed: pl.DataFrame, now_ms: int
    ) -> pl.DataFrame:
        with_devices = running.filter(pl.col("gpus").fill_null(1) > 0)
        wanting = with_devices.join(self._held, on="job", how="anti")
        untold = [job for job in wanting["job"] if self._tries.get(job, 0) < _MOST_TRIES]
        if untold:
            for job in untold:
                self._tries[job] = self._tries.get(job, 0) + 1
            self._find_devices(wanting, now_ms)
        ended = changed.filter(~pl.col("state").is_in(list(news.GOES_ON)))
        held = self._held
        live = set(running["job"])
        self._held = held.filter(pl.col("job").is_in(list(live)))
        self._tries = {job: tries for job, tries in self._tries.items() if job in live}
        self.figures.unknown = with_devices.join(self._held, on="job", how="anti").height
        columns = ("job", "start_unix_ms", "end_unix_ms")
        jobs = pl.concat([running.select(columns), ended.select(columns)])
        return news.assignment_rows(jobs, held, now_ms)

    def _find_devices(self, wanting: pl.DataFrame, now_ms: int) -> None:
        try:
            claims = self.scheduler.held()
        except AskFailed:
            self.figures.failed += 1
            return
        plain = pl.col("job").str.replace(r"\.[0-9]+\z", "").alias("id")
        jobs = wanting.select(plain, "node_list", "gpus", "job")
        kept, self.figures.odd = believed(claims, jobs)
        found = resolve(kept, self._devices(now_ms))
        self.figures.unresolved = found.unresolved
        keys = dict(jobs.select("id", "job").iter_rows())
        new = pl.DataFrame(
            [(keys[job], device) for job, device in found.devices], _HELD, orient="row"
        )
        self._held = pl.concat([self._held, new])

    def _devices(self, now_ms: int) -> Devices:
        assert self._store is not None
        columns = ("system", "node", "time_unix_ms", "device", "minor", "index")
        # Agents say who their devices are every ten minutes.
        rows = self._store.rows("device_info", now_ms - 3_600_000, now_ms + 1, columns)
        return Devices.of(rows.filter(pl.col("system") == self.system))

    # Nodes

    def _node_states(self, since_ms: int, now_ms: int) -> pl.DataFrame:
        try:
            told = self.scheduler.events(since_ms, now_ms)
        except AskFailed:
            self.figures.failed += 1
            return ROWS.to_frame()
        return self._nodes.news(told, now_ms)

    def _batches(self, table: str, rows: pl.DataFrame) -> Iterator[Batch]:
        for _, body in bodies(TABLES[table], rows):
            self._sequence += 1
            yield Batch(table, Header(self.system, NODE, self._boot, self._sequence, 0), body)
