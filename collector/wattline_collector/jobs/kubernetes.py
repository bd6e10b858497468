"""Following Kubernetes: what its pods and nodes do, asked at the API server and stated as rows.

First all pods are listed, then only what changes is asked for, so that the last word of a pod that
is deleted at once is heard, too. Nodes are listed every few minutes: what they say has the time
since when it is so. Nothing is written to the cluster; `get`, `list` and `watch` of pods, nodes and
Jobs are all the rights that are needed.

Which device a pod holds the API server does not know; the agents of the nodes do.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from wattline_agents.catalogue import TABLES
from wattline_agents.clock import Clock
from wattline_agents.wire import Header
from wattline_collector.fetch import FetchFailed
from wattline_collector.jobs import kube_api, kube_nodes, kube_pods, news
from wattline_collector.jobs.asking import Events
from wattline_collector.jobs.encode import bodies
from wattline_collector.jobs.kube_api import Expired, Fetch
from wattline_collector.jobs.kube_pods import JobFacts, Settings
from wattline_collector.jobs.kube_values import Json, at, text
from wattline_collector.jobs.node_watch import ROWS, NodeWatch
from wattline_collector.receive.intake import Batch
from wattline_collector.store.store import Store

NODE = "kubernetes"
"""The sender of what the API server says; no node has such rows."""
NODES_MS = 300_000
"""Between two lists of nodes."""
_DAY_MS = 86_400_000
_PAUSE_SECONDS = 1.0
_WAIT_SECONDS = 300.0
_MOST_FACTS = 50_000
_MOST_ASKED = 50
"""Jobs asked for one by one at a time; more of them are listed."""
GONE = "deleted while nobody watched: how it ended is not known"


@dataclass(slots=True)
class Figures:
    """How following goes, for `/metrics`."""

    pods_running: int = 0
    lists: int = 0
    changes: int = 0
    refused: int = 0
    failed: int = 0


@dataclass(slots=True)
class KubernetesFollower:
    """Asks an API server, as a `follow.Follower`.

    Attributes:
        fetch: Asks it.
        system: The system its nodes belong to.
        clock: When it is.
        settings: How pods are read.
        figures: How it goes.
    """

    fetch: Fetch
    system: str
    clock: Clock
    settings: Settings = field(default_factory=Settings)
    name: str = "kubernetes"
    figures: Figures = field(default_factory=Figures)
    _store: Store | None = None
    _known: pl.DataFrame | None = None
    _told: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    _facts: OrderedDict[tuple[str, str], JobFacts] = field(default_factory=OrderedDict)
    _version: str | None = None
    _nodes: NodeWatch = field(default_factory=NodeWatch)
    _nodes_ms: int | None = None
    _failures: int = 0
    _boot: str = field(default_factory=lambda: f"kubernetes-{secrets.token_hex(8)}")
    _sequence: int = 0

    def reads(self, store: Store) -> None:
        """Be told of the store, which says what was stated before."""
        self._store = store

    @property
    def every_seconds(self) -> float:
        """The pause before the next question, which itself waits for changes."""
        return min(_PAUSE_SECONDS * float(2 ** min(self._failures, 10)), _WAIT_SECONDS)

    def metrics(self) -> Iterator[tuple[str, str, float]]:
        """Name, help and value of what it tells of itself beyond answers and errors."""
        figures = self.figures
        yield "pods_running", "Pods that run and are jobs.", figures.pods_running
        yield "lists_total", "Times all pods were listed.", figures.lists
        yield "changes_total", "Changes of pods.", figures.changes
        yield "pods_refused_total", "Pods that say nothing that can be used.", figures.refused
        yield "questions_failed_total", "Questions for nodes or Jobs that failed.", figures.failed

    def ask(self) -> Sequence[Batch]:
        """Ask once; waits for changes for some seconds.

        Raises:
            FetchFailed: The API server gave no answer.
        """
        if self._known is None:
            self._remember(self.clock.unix_ms())
        try:
            rows, info = self._news()
        except FetchFailed:
            self._failures += 1
            raise
        self._failures = 0
        now_ms = self.clock.unix_ms()
        fresh = self._learn(rows, now_ms)
        tables = {
            "accounting": fresh,
            "job_info": self._infos(fresh, info),
            "node_state": self._node_states(now_ms),
        }
        return [batch for name, frame in tables.items() for batch in self._batches(name, frame)]

    # Pods

    def _remember(self, now_ms: int) -> None:
        """Learn from the store what was stated before the collector was started."""
        self._known = news.KNOWN.to_frame()
        if self._store is None or (span := self._store.span("accounting")) is None:
            return
        last = min(span[1], now_ms)
        rows = self._stored("accounting", last - news.FORGOTTEN_MS, last + 1)
        if not rows.is_empty():
            self._known = news.remembered(rows)
        self._nodes.remember(self._stored("node_state", last - _DAY_MS, now_ms + 1))

    def _stored(self, table: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        assert self._store is not None
        rows = self._store.read(table, start_ms, end_ms)
        return rows.filter((pl.col("system") == self.system) & (pl.col("node") == NODE))

    def _news(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        if self._version is not None:
            try:
                return self._changed()
            except Expired:
                self._version = None
        return self._listed()

    def _listed(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        pods, version = kube_api.listed(self.fetch, kube_api.PODS)
        self.figures.lists += 1
        now_ms = self.clock.unix_ms()
        self._learn_jobs(pods, now_ms)
        found = self._read(pods, now_ms)
        gone = self._gone(found.rows, now_ms)
        self._version = version
        return pl.concat([found.rows, gone]), found.info

    def _changed(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        assert self._version is not None
        changes, self._version = kube_api.changes(self.fetch, kube_api.PODS, self._version)
        self.figures.changes += len(changes)
        now_ms = self.clock.unix_ms()
        # Of one pod only its last state matters.
        last: OrderedDict[str, tuple[bool, Json]] = OrderedDict()
        for place, change in enumerate(changes):
            uid = text(at(change.object, "metadata", "uid")) or f"?{place}"
            last[uid] = change.is_gone, change.object
        gone = [pod for is_gone, pod in last.values() if is_gone]
        there = [pod for is_gone, pod in last.values() if not is_gone]
        self._learn_jobs([*gone, *there], now_ms, again=gone)
        first, second = self._read(there, now_ms), self._read(gone, now_ms, gone=True)
        return pl.concat([first.rows, second.rows]), pl.concat([first.info, second.info])

    def _read(self, pods: Iterable[Json], now_ms: int, *, gone: bool = False) -> kube_pods.Read:
        found = kube_pods.read(pods, self._facts, now_ms, self.settings, gone=gone)
        self.figures.refused += found.refused
        return found

    def _gone(self, rows: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        """Pods that were known to wait or run and are no longer there."""
        assert self._known is not None
        lost = self._known.filter(pl.col("state").is_in(list(news.GOES_ON))).join(
            rows, on="job", how="anti"
        )
        return lost.with_columns(
            pl.lit(now_ms, pl.Int64).alias("time_unix_ms"),
            pl.lit("cancelled").alias("state"),
            pl.lit(GONE).alias("reason"),
            pl.lit(now_ms, pl.Int64).alias("end_unix_ms"),
        ).select(list(kube_pods.ROWS))

    def _learn(self, rows: pl.DataFrame, now_ms: int) -> pl.DataFrame:
        """Take rows in; returns those that are news, and what goes on and is to be said again."""
        assert self._known is not None
        stated = rows.with_columns(pl.lit(now_ms, pl.Int64).alias("time_unix_ms"))
        # Changes name few pods: of the others what was known is still so.
        others = self._known.join(rows, on="job", how="anti").with_columns(
            pl.lit(now_ms, pl.Int64).alias("time_unix_ms")
        )
        every = pl.concat([stated, others.select(list(kube_pods.ROWS))])
        fresh = news.fresh(every, self._known, now_ms)
        self._known = known = news.with_news(self._known, fresh, now_ms)
        self.figures.pods_running = known.filter(pl.col("state") == "running").height
        return fresh

    def _infos(self, fresh: pl.DataFrame, info: pl.DataFrame) -> pl.DataFrame:
        """Rows of table `job_info` of pods that have started."""
        for job, project, run in info.iter_rows():
            self._told[job] = project, run
        assert self._known is not None
        live = set(self._known["job"])
        self._told = {job: told for job, told in self._told.items() if job in live}
        told = pl.DataFrame(
            [(job, *some) for job, some in self._told.items()], kube_pods.INFO, orient="row"
        )
        rows = news.info_rows(fresh).rename({"project": "account"})
        return rows.join(told, on="job", how="left", maintain_order="left").with_columns(
            pl.coalesce("project", "account").alias("project")
        )

    # Jobs

    def _learn_jobs(self, pods: Iterable[Json], now_ms: int, again: Iterable[Json] = ()) -> None:
        """Ask for the Jobs of pods that are not known yet, and once more for those of others.

        What a Job says makes its pods' times better; without it they are still right.
        """
        wanted = {owner for pod in pods if (owner := kube_pods.owner_job(pod)) is not None}
        wanted -= self._facts.keys()
        wanted |= {owner for pod in again if (owner := kube_pods.owner_job(pod)) is not None}
        if not wanted:
            return
        found: list[Json] = []
        try:
            if len(wanted) > _MOST_ASKED:
                found, _ = kube_api.listed(self.fetch, kube_api.JOBS)
            else:
                for namespace, name in sorted(wanted):
                    job = kube_api.one(self.fetch, namespace, name)
                    found += [] if job is None else [job]
        except FetchFailed:
            self.figures.failed += 1
        for job in found:
            if (told := kube_pods.job_facts(job, now_ms)) is not None:
                self._facts[told[0]] = told[1]
                self._facts.move_to_end(told[0])
        while len(self._facts) > _MOST_FACTS:
            self._facts.popitem(last=False)

    # Nodes

    def _node_states(self, now_ms: int) -> pl.DataFrame:
        if self._nodes_ms is not None and 0 <= now_ms - self._nodes_ms < NODES_MS:
            return ROWS.to_frame()
        try:
            nodes, _ = kube_api.listed(self.fetch, kube_api.NODES)
        except FetchFailed:
            self.figures.failed += 1
            return ROWS.to_frame()
        self._nodes_ms = now_ms
        states = kube_nodes.node_states(nodes, now_ms)
        return self._nodes.news(Events(ROWS.to_frame(), states), now_ms)

    def _batches(self, table: str, rows: pl.DataFrame) -> Iterator[Batch]:
        for _, body in bodies(TABLES[table], rows):
            self._sequence += 1
            yield Batch(table, Header(self.system, NODE, self._boot, self._sequence, 0), body)
