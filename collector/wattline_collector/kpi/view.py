"""What KPIs are computed from: the ledger of a period, labelled and ready to be added up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial, wraps
from pathlib import Path

import polars as pl

from wattline_agents.errors import UsageError
from wattline_collector.jobs.condense import ACCOUNTED, NODE_STATES
from wattline_collector.kpi.controls import Controls
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.inputs import Inputs
from wattline_collector.ledger.accounts import ASSIGNED, Account
from wattline_collector.ledger.books import Books
from wattline_collector.ledger.known_jobs import booked, running_intervals
from wattline_collector.ledger.lost import lost_time, post, post_scanned
from wattline_collector.ledger.scanned import Asked, Scanned
from wattline_collector.ledger.schema import MINUTE_MS
from wattline_collector.ledger.standing import OUTAGES
from wattline_collector.ledger.sums import added_up
from wattline_collector.ledger.undone import UNDONE
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.registers import projects
from wattline_collector.registers.kept import readable

MS_PER_HOUR = 3_600_000
JOULES_PER_KWH = 3_600_000

_OF_DEVICES = ("system", "node", "device", "job", "account")
_OF_HOURS = ("system", "job", "account", "minute")
_NOT_TOTALLED = ("energy_method", "power_max_watts", "temperature_max_celsius")

NODE_METER_FROM = 0.5
"""A node's own meter is taken where it covers at least half of the time in which the node was
observed; else its devices'."""


@dataclass(frozen=True)
class View:
    """The ledger of one period.

    Attributes:
        period: Which.
        device_scan: `schema.DEVICE`: of a long period nothing is read before somebody asks for
            it, by `collected`.
        node: `schema.NODE`.
        job: `schema.JOB`, and the job's `kind`.
        jobs: `books.JOBS`.
        inventory: `books.INVENTORY`.
        running: `system`, `job`, `start`, `end` (ms): when jobs ran, clipped to the period; those
            that only their scheduler knows, and that held no device, are not among them.
        knows_outages: Whether anybody ever said when nodes were out of use.
        accounted: `condense.ACCOUNTED`: what schedulers said of jobs, of all time.
        projects: The register of projects, as `registers.projects` gives it; None where it is not
            the reader's to read.
        control: What the meters say of the hours the period touches.
        inputs: What is kept beside the entries; None for a view that was put together by hand.
        split: The dimensions that were put beside the entries.
        unsplit: The same view without them; None where there are none.
        splits: The same period with dimensions beside its entries, as far as anybody asked.
    """

    period: Period
    device_scan: Scanned
    node: pl.DataFrame
    job: pl.DataFrame
    jobs: pl.DataFrame
    inventory: pl.DataFrame
    running: pl.DataFrame
    knows_outages: bool = False
    accounted: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=ACCOUNTED))
    projects: pl.DataFrame | None = None
    control: Controls = field(default_factory=Controls)
    inputs: Inputs | None = None
    split: tuple[str, ...] = ()
    unsplit: View | None = field(default=None, repr=False, compare=False)
    splits: dict[tuple[str, ...], View] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _labels: dict[str, pl.DataFrame] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    @cached_property
    def profile(self) -> FactoryProfile | None:
        """What the factory says of itself; None too where it may not be read."""
        return None if self.inputs is None else self.inputs.profile

    @cached_property
    def zone(self) -> str:
        """The time zone whose days and months are meant: the profile's, else UTC."""
        return "UTC" if self.profile is None else self.profile.time_zone

    @property
    def bounds_ms(self) -> tuple[int, int]:
        """First moment of the period, and the first one after it."""
        start, end = (round(at.timestamp() * 1000) for at in (self.period.start, self.period.end))
        return start, end

    @property
    def whole(self) -> View:
        """The same view without dimensions: for what is the same whatever it is split by."""
        return self if self.unsplit is None else self.unsplit

    def labels(self, name: str, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """A frame that several KPIs need, made when it is first asked for."""
        if name not in self._labels:
            self._labels[name] = make()
        return self._labels[name]

    @cached_property
    def device(self) -> pl.DataFrame:
        """`device_scan`, whole and in memory: of a year and a large system it is gigabytes."""
        return self.collected(lambda entries: entries)

    def collected(self, asked: Asked) -> pl.DataFrame:
        """What is asked of `device_scan`, part by part; sums have to be added up again.

        Args:
            asked: What is made of entries; no more is read than it needs.

        Raises:
            InputError: A file of the books cannot be read; it is named.
        """
        return self.device_scan.collect(asked)

    @cached_property
    def totals(self) -> pl.DataFrame:
        """Device entries added up over time, but for what they are split by.

        For figures that do not ask when: a year of hours has many times as many rows.

        Returns:
            The columns of `device` without `minute`; whatever names a method or a largest value is
            left out.
        """
        if "hour" in self.split:  # as many as the hours
            return self.collected(lambda entries: entries.drop("minute", *_NOT_TOTALLED))
        key = list(dict.fromkeys([*_OF_DEVICES, *self.split]))
        sums = self.collected(lambda part: added_up("device", part.drop(_NOT_TOTALLED), key))
        return sums if len(self.device_scan.parts) == 1 else added_up("device", sums, key)

    @cached_property
    def job_hours(self) -> pl.DataFrame:
        """Device time by job, account and when, and by what entries are split by.

        A job holds many devices, so these are few rows of a year; several figures ask for them.

        Returns:
            `system`, `job`, `account`, `minute`, `duration_ms`, and the dimensions.
        """
        key = list(dict.fromkeys([*_OF_HOURS, *self.split]))
        time = pl.col("duration_ms").sum()
        return self.collected(lambda part: part.group_by(key).agg(time)).group_by(key).agg(time)

    @cached_property
    def assigned(self) -> pl.DataFrame:
        """`totals` of assigned time."""
        return self.totals.filter(pl.col("account").is_in([a.value for a in ASSIGNED]))

    @cached_property
    def energy(self) -> pl.DataFrame:
        """Every joule once, at the widest boundary that is metered, node by node.

        Returns:
            `system`, `node`, `job`, `account`, `minute`, `boundary` (node, module or gpu),
            `method`, `joules`, `known_ms` and `device_ms` (device-time with known energy, and
            all), `is_shared` (of a job that had a part of a device), and what the entries are
            split by, but for the device: a node's meter knows none.
        """
        node_key = ["system", "node"]
        had = {*node_key, "job", "account", "minute", "device"}
        split = [name for name in self.split if name not in had]
        # Time nobody observed says nothing of which meters there are.
        metered = (
            self.node.filter(pl.col("account") != Account.UNOBSERVED)
            .group_by(node_key)
            .agg(pl.col("energy_ms").sum() / pl.col("duration_ms").sum())
            .filter(pl.col("energy_ms") >= NODE_METER_FROM)
        )
        devices = (
            self.inventory.filter(pl.col("kind") == "device")
            .group_by(node_key)
            .agg(pl.len().alias("devices"))
        )
        at_node = (
            self.node.lazy()
            .join(metered.select(node_key).lazy(), on=node_key, how="semi")
            .join(devices.lazy(), on=node_key, how="left")
            .select(
                *node_key,
                "job",
                "account",
                "minute",
                *split,
                pl.lit("node").alias("boundary"),
                pl.col("energy_method").cast(pl.String).alias("method"),
                pl.col("energy_joules").alias("joules"),
                (pl.col("energy_ms") * pl.col("devices").fill_null(1)).alias("known_ms"),
                (pl.col("duration_ms") * pl.col("devices").fill_null(1)).alias("device_ms"),
            )
        )
        held = self.whole.totals.select(node_key).unique()
        # Where every node has a meter, a year of devices need not be looked through.
        has_gpu = held.join(metered, on=node_key, how="anti").height > 0
        scopes = self.device_scopes.lazy()

        def at_gpu(entries: pl.LazyFrame) -> pl.LazyFrame:
            return (
                entries.join(metered.select(node_key).lazy(), on=node_key, how="anti")
                .join(scopes, on=["system", "device"], how="left")
                .select(
                    *node_key,
                    "job",
                    "account",
                    "minute",
                    *split,
                    pl.col("scope").fill_null("gpu").alias("boundary"),
                    pl.col("energy_method").cast(pl.String).alias("method"),
                    pl.col("energy_joules").alias("joules"),
                    pl.col("energy_ms").cast(pl.Float64).alias("known_ms"),
                    pl.col("duration_ms").cast(pl.Float64).alias("device_ms"),
                )
            )

        shared = self.shared_jobs.with_columns(pl.lit(True).alias("is_shared"))
        parts = [at_node, *([self.collected(at_gpu).lazy()] if has_gpu else [])]
        return (
            pl.concat(parts)
            .join(shared.lazy(), on=["system", "job"], how="left")
            .with_columns(pl.col("is_shared").fill_null(False))
            .collect()
        )

    @cached_property
    def shared_jobs(self) -> pl.DataFrame:
        """`system`, `job` of those that had a part of a device: what they have is an estimate."""
        parts = self.totals.filter(pl.col("shared_ms") > 0, pl.col("job").is_not_null())
        return parts.select("system", "job").unique()

    @cached_property
    def device_scopes(self) -> pl.DataFrame:
        """`system`, `device`, `scope`: what a device's own meter sees, `gpu` or `module`.

        That of a GH200 sees processor and memory too; that of a MI250X two dies, each of which is
        booked its part.
        """
        return self.inventory.filter(pl.col("kind") == "device").select(
            "system", pl.col("key").alias("device"), device_scope()
        )

    def only_system(self, system: str) -> View:
        """The same period of one system; this very view where there is no other.

        Registers stay whole: many of their rows are of no one system, and whoever reads them asks
        which they are of.
        """
        names = ("node", "job", "jobs", "inventory", "running", "accounted")
        frames = [self.totals, *(getattr(self, name) for name in names)]
        if {hour.system for hour in self.control.hours} <= {system} and all(
            frame["system"].unique().to_list() in ([], [system]) for frame in frames
        ):
            return self
        mine = pl.col("system") == system
        return replace(
            self,
            control=self.control.only(system),
            unsplit=None if self.unsplit is None else self.unsplit.only_system(system),
            device_scan=self.device_scan.each(lambda part: part.filter(mine)),
            **{name: getattr(self, name).filter(mine) for name in names},
        )


def load(store: Path, period: Period | None, as_of: datetime | None = None) -> View:
    """Load a period of a store's ledger.

    Args:
        store: The store's directory.
        period: Which; all that the store holds if None. Its ends are moved out to whole minutes.
        as_of: As the books and registers stood at that moment; as they stand now if None.

    Raises:
        UsageError: The directory holds no books, or how they stood then is not known.
    """
    books = Books(store) if as_of is None else Books(store).as_of(as_of)
    as_of_ms = None if as_of is None else round(as_of.timestamp() * 1000)
    span = books.span()
    if span is None:
        if books.jobs.height:
            raise UsageError(
                f"{store} holds what a scheduler said of jobs and no reading of a device, so "
                "nothing is booked: `wattline job ID` shows one; agents, or `wattline import` of "
                "a recording, bring readings"
            )
        raise UsageError(
            f"{store} holds no booked hours: `wattline import` brings in a recording, "
            "`wattline up` measures this machine"
        )
    if period is None:
        start_ms, end_ms = span
    else:
        start_ms, end_ms = (int(t.timestamp() * 1000) for t in (period.start, period.end))
    start_ms = start_ms // MINUTE_MS * MINUTE_MS
    end_ms = -(-end_ms // MINUTE_MS) * MINUTE_MS
    jobs = books.jobs
    lost = lost_time(jobs, books.frame("undone", UNDONE))

    device, node = books.scan("device", start_ms, end_ms), books.read("node", start_ms, end_ms)
    running = pl.concat(
        [
            pl.DataFrame(
                schema={"system": pl.String, "job": pl.String, "start": pl.Int64, "end": pl.Int64}
            ),
            *(
                running_intervals(booked(jobs), system, span[1]).select(
                    pl.lit(system).alias("system"), "job", "start", "end"
                )
                for system in jobs["system"].unique().sort()
            ),
        ]
    ).with_columns(
        pl.col("start").clip(lower_bound=start_ms), pl.col("end").clip(upper_bound=end_ms)
    )
    return View(
        period=Period(utc(start_ms), utc(end_ms)),
        device_scan=post_scanned(books, "device", device, lost, start_ms, end_ms),
        node=post(books, "node", node, lost, start_ms, end_ms),
        job=books.read("job", start_ms, end_ms).join(
            jobs.select("system", "job", "kind"), on=["system", "job"], how="left"
        ),
        control=Controls.of_books(books, start_ms, end_ms),
        jobs=jobs,
        inventory=books.inventory,
        running=running.filter(pl.col("start") < pl.col("end")),
        knows_outages=any(
            books.frame(name, schema).height
            for name, schema in (("outages", OUTAGES), ("node_states", NODE_STATES))
        ),
        accounted=books.frame("accounting", ACCOUNTED),
        projects=readable(lambda: projects(store, as_of_ms)),
        inputs=Inputs(store, start_ms, end_ms, as_of_ms),
    )


def utc(ms: int) -> datetime:
    """The moment that many milliseconds after 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def device_scope() -> pl.Expr:
    """`scope` of a device of `books.INVENTORY`: `gpu`, or `module` where its meter sees more."""
    is_module = (pl.col("scope") == "module").fill_null(False) | pl.col("module").is_not_null()
    return pl.when(is_module).then(pl.lit("module")).otherwise(pl.lit("gpu")).alias("scope")


def running_seconds(running: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Time in which at least one of the jobs ran: the length of the union of their intervals.

    Args:
        running: `start`, `end` (ms) and the columns of `by`.
        by: What to split by.

    Returns:
        The columns of `by`, and `seconds`.
    """
    inside = running.filter(pl.col("start") < pl.col("end")).sort("start", "end")
    # Of each interval counts what lies after the end of all that began before it.
    covered = pl.col("end").cum_max().shift(1)
    if by:
        covered = covered.over(by)
    measured = inside.with_columns(pl.max_horizontal("start", covered).alias("start"))
    new = (pl.col("end") - pl.col("start")).clip(lower_bound=0).sum() / 1000
    if by:
        return measured.group_by(by, maintain_order=True).agg(new.alias("seconds"))
    # Without any interval there is nothing to be known, which is not zero.
    return measured.select(new.alias("seconds")).head(measured.height)


def made_once(
    make: Callable[[View, Sequence[str]], pl.DataFrame],
) -> Callable[[View, Sequence[str]], pl.DataFrame]:
    """A function of a view and dimensions that is computed once for both, and kept with the view.

    For what several KPIs are made of: the work of jobs, where their time went.
    """

    @wraps(make)
    def found(view: View, by: Sequence[str]) -> pl.DataFrame:
        name = f"{make.__module__}.{make.__qualname__} {','.join(by)}"
        return view.labels(name, lambda: make(view, by))

    return found


def account_ms(*accounts: Account) -> pl.Expr:
    """Sum of `duration_ms` over those accounts, as an aggregation."""
    names = [account.value for account in accounts]
    return pl.when(pl.col("account").is_in(names)).then(pl.col("duration_ms")).otherwise(0).sum()
