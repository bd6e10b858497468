"""What booking must hold for whatever comes in: looked for by Hypothesis.

A factory of two systems, drawn at random: devices that fall silent, counters that begin anew, rows
that come twice or late or in no order, jobs whose claims overlap, contradict one another and share
devices. Against it stand plain sums over the rows, and the books themselves, made in other ways.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from wattline_agents.catalogue import TABLES
from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Period
from wattline_collector.kpi.view import load
from wattline_collector.ledger.audit import audit
from wattline_collector.ledger.booking import book
from wattline_collector.ledger.books import Books, sha256
from wattline_collector.ledger.restatements import restatements
from wattline_collector.ledger.schema import ENTRIES, HOUR_MS
from wattline_collector.ledger.sums import hourly

START = 1_793_570_400_000  # 2026-11-01T22:00Z: hours are booked a day at a time
HOUR = 3600
HOURS = 3
END = HOURS * HOUR
BOOKED = END + 2 * HOUR
"""Booked until then: all hours are over and settled."""

NAMES = ("a", "b")
GAP_PERIODS, INTEGRATED_S = 3, 60
MOST_WATTS = 100_000
ADDED = ("U01", "S12", "E04")
"""KPIs whose two sums are additive: over hours, devices and systems."""

EXAMPLES = 6
"""A few seconds each; a property that fails is looked for with many more, at a desk."""

_settings = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    # What fails is small as it is drawn; making it smaller takes minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Row = Mapping[str, Any]
Batch = tuple[int, list[tuple[str, Row]]]
"""Up to which second books are kept, and the rows that came."""


# What is drawn


@dataclass(frozen=True)
class Device:
    """A device's samples: with silences, resets of its counter, and samples without one.

    Attributes:
        every: Seconds from sample to sample.
        offset: Second of the first one.
        watts: What it draws.
        counter: `none`, `whole`, `late` (from `begins` on) or `patchy` (not in every sample).
        has_power: Whether samples tell its power.
        silences: (second, length) of times without samples.
        resets: Seconds at which its counter begins anew.
        begins: The second a late counter begins in.
        idle_from: The second from which on it does nothing.
        slowed: The part of its time in which it is held back; null: nobody counts it.
    """

    every: int
    offset: int
    watts: float
    counter: str
    has_power: bool
    silences: tuple[tuple[int, int], ...]
    resets: tuple[int, ...]
    begins: int
    idle_from: int
    slowed: float | None

    def rows(self) -> Iterator[Row]:
        total, before = 5000.0, 0
        for second in range(self.offset, END + 1, self.every):
            total += self.watts * (second - before)
            for reset in self.resets:
                if before < reset <= second:
                    total = self.watts * (second - reset)
            before = second
            if any(start <= second < start + length for start, length in self.silences):
                continue
            counts = {
                "none": False,
                "whole": True,
                "late": second >= self.begins,
                "patchy": second % 7 != 0,
            }[self.counter]
            yield {
                "time_unix_ms": START + second * 1000,
                "period_ms": self.every * 1000,
                "up": 1,
                "power_watts": self.watts if self.has_power or not counts else None,
                "energy_joules_total": total if counts else None,
                "sm_active_ratio": 0.8 if second < self.idle_from else 0.0,
                "throttle_power_cap_seconds_total": (
                    None if self.slowed is None else self.slowed * second
                ),
            }


@dataclass(frozen=True)
class Claim:
    """What one method says of a job's hold on devices.

    Attributes:
        method: Who says it.
        devices: Which, by number, modulo how many there are.
        late: Seconds it begins later than the job.
        over: Seconds it ends later than the job.
    """

    method: str
    devices: frozenset[int]
    late: int
    over: int


@dataclass(frozen=True)
class Counter:
    """A job's token counter as one node reads it.

    Attributes:
        node: Which.
        first: Second of the first reading.
        readings: (seconds since the reading before, how far it grew; negative: it began anew).
    """

    node: str
    first: int
    readings: tuple[tuple[int, int], ...]

    def rows(self) -> Iterator[Row]:
        second, total = self.first, 0
        for step, grown in self.readings:
            second += step
            total = total + grown if grown >= 0 else -grown - 1
            if second <= END:
                yield {"time_unix_ms": START + second * 1000, "tokens_trained_total": total}


@dataclass(frozen=True)
class Job:
    """A job: claims of several methods that may contradict one another, counters, accounting."""

    start: int
    length: int
    share: float | None
    claims: tuple[Claim, ...]
    counters: tuple[Counter, ...]
    accounted: tuple[int, int] | None

    def claimed(self, devices: int) -> Iterator[Row]:
        for claim in self.claims:
            end = min(self.start + self.length + claim.over, BOOKED)
            since = min(self.start + claim.late, end - 10)
            for number in sorted({number % devices for number in claim.devices}):
                for said, until in ((since + 1, None), (min(end, END), end)):
                    yield {
                        "number": number, "method": claim.method, "share": self.share,
                        "time_unix_ms": START + said * 1000,
                        "start_unix_ms": START + since * 1000,
                        "end_unix_ms": None if until is None else START + until * 1000,
                    }  # fmt: skip


@dataclass(frozen=True)
class System:
    """A system: its devices, all of node `n1`, and its jobs."""

    devices: tuple[Device, ...]
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Factory:
    """One system or two."""

    systems: tuple[System, ...]

    def rows(self) -> list[tuple[str, Row]]:
        """Every row as it was sent, with its table."""
        return [row for number in range(len(self.systems)) for row in self.rows_of(number)]

    def rows_of(self, number: int) -> Iterator[tuple[str, Row]]:
        """Those of one system."""
        name, system = NAMES[number], self.systems[number]
        sender = {"system": name, "node": "n1", "period_ms": 0}
        devices = [f"{name}-gpu{i}" for i in range(len(system.devices))]
        for device, drawn in zip(devices, system.devices, strict=True):
            yield "device_info", {**sender, "device": device, "time_unix_ms": START}
            for row in drawn.rows():
                yield "device", {**sender, "device": device, **row}
        for i, job in enumerate(system.jobs):
            key = {**sender, "job": f"{name}-{i}"}
            for row in job.claimed(len(devices)):
                yield "assignment", {**key, "device": devices[row["number"]], **_but(row, "number")}
            for counter in job.counters:
                for row in counter.rows():
                    yield "job", {**key, "node": counter.node, "period_ms": 60_000, **row}
            if job.accounted is not None:
                start, end = (START + second * 1000 for second in job.accounted)
                yield "accounting", {
                    **key, "node": "slurm", "scheduler": "slurm", "state": "completed",
                    "time_unix_ms": min(START + END * 1000, end), "start_unix_ms": start,
                    "end_unix_ms": end,
                }  # fmt: skip


def _but(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}


def _tuples(of: st.SearchStrategy[Any], most: int, least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(of, min_size=least, max_size=most).map(tuple)


_second = st.integers(0, END) | st.builds(
    # Where an hour ends, most can go wrong.
    lambda hour, seconds: max(0, min(END, HOUR * hour + seconds)),
    st.integers(1, HOURS),
    st.integers(-1200, 1200),
)
_devices = st.builds(
    Device,
    every=st.sampled_from([60, 30, 120]),
    offset=st.integers(0, 59),
    watts=st.sampled_from([400.0, 0.0, 90.5, 700.0]),
    counter=st.sampled_from(["whole", "none", "late", "patchy"]),
    has_power=st.booleans(),
    silences=_tuples(st.tuples(_second, st.sampled_from([100, 300, 1800, 4000])), 3),
    resets=_tuples(_second, 2),
    begins=_second,
    idle_from=_second,
    # A few microseconds in a second round to no millisecond between two samples.
    slowed=st.sampled_from([5e-6, None, 0.3]),
)
_claims = st.builds(
    Claim,
    method=st.sampled_from(["prolog", "slurm", "cgroup", "job"]),
    devices=st.frozensets(st.integers(0, 1), min_size=1),
    late=st.sampled_from([0, 3, 200]),
    over=st.sampled_from([0, -20, 400]),
)
_counters = st.builds(
    Counter,
    node=st.sampled_from(["n1", "n2"]),
    first=_second,
    readings=_tuples(
        st.tuples(st.sampled_from([60, 15, 1500, 4000]), st.integers(-100, 5000)), most=12
    ),
)
_jobs = st.builds(
    Job,
    start=st.integers(0, END - 100),
    length=st.sampled_from([600, 45, 3600, 9000]),
    share=st.sampled_from([None, 0.5, 0.3]),
    claims=_tuples(_claims, 2, 1),
    counters=_tuples(_counters, 2),
    accounted=st.none()
    | st.tuples(st.integers(0, END - 60), st.sampled_from([60, 1000, 5000])).map(
        lambda drawn: (drawn[0], drawn[0] + drawn[1])
    ),
)
_factories = st.builds(
    Factory,
    systems=_tuples(
        st.builds(System, devices=_tuples(_devices, 2, 1), jobs=_tuples(_jobs, 2)), 2, 1
    ),
)


@dataclass(frozen=True)
class Delivery:
    """How rows come: in batches, some late, some twice, within a batch in any order.

    Attributes:
        cuts: Seconds up to which books are kept after each batch but the last.
        late: Part of the rows that come with a later batch.
        twice: Part of the rows that come again.
        seed: Decides which.
    """

    cuts: frozenset[int]
    late: float
    twice: float
    seed: int

    def batches(self, rows: Iterable[tuple[str, Row]]) -> list[Batch]:
        dice = random.Random(self.seed)
        cuts = [*sorted(self.cuts), BOOKED]
        batches: list[list[tuple[str, Row]]] = [[] for _ in cuts]
        for table, row in rows:
            second = (row["time_unix_ms"] - START) / 1000
            first = next(place for place, cut in enumerate(cuts) if second <= cut)
            place = dice.randint(first, len(cuts) - 1) if dice.random() < self.late else first
            batches[place].append((table, row))
            if dice.random() < self.twice:
                batches[dice.randint(place, len(cuts) - 1)].append((table, row))
        for batch in batches:
            dice.shuffle(batch)
        return list(zip(cuts, batches, strict=True))


_deliveries = st.builds(
    Delivery,
    cuts=st.frozensets(st.integers(600, BOOKED - 1), max_size=3),
    late=st.sampled_from([0.05, 0.0, 0.5]),
    twice=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 1000),
)


# Booking


class Desk:
    """Books rows into directories of their own, as a store would hand them on."""

    def __init__(self, telemetry: type[Any], path: Path) -> None:
        self._telemetry, self._path = telemetry, path
        self._stores: dict[str, Any] = {}

    def book(self, name: str, batches: Iterable[Batch]) -> Books:
        """Book batches in a new store."""
        shutil.rmtree(self._path / name, ignore_errors=True)
        store = self._stores[name] = self._telemetry(self._path / name)
        known: set[tuple[object, ...]] = set()
        for until, batch in batches:
            touched: set[tuple[str, int]] = set()
            for table, row in batch:
                # What came before is known to the store by its key, and touches nothing.
                if (key := _key(table, row)) not in known:
                    known.add(key)
                    store.sent.setdefault(table, []).append(row)
                    touched.add((row["system"], row["time_unix_ms"] // HOUR_MS * HOUR_MS))
            store.take_dirty = lambda touched=touched: touched
            book(store, until_ms=START + until * 1000)
        return Books(store.path)

    def book_again(self, name: str) -> None:
        """Book all rows of a store again, as after a crash that forgot what was booked."""
        store = self._stores[name]
        del store.take_dirty
        book(store, until_ms=START + BOOKED * 1000)


@pytest.fixture
def desk(telemetry: Any, tmp_path: Path) -> Desk:
    return Desk(type(telemetry), tmp_path)


def _key(table: str, row: Row) -> tuple[object, ...]:
    return (table, *(row[c] for c in ("system", "node", *TABLES[table].key, "time_unix_ms")))


def _stored(rows: Iterable[tuple[str, Row]]) -> list[tuple[str, Row]]:
    """Rows as a store keeps them: of several with one key and time, the first."""
    return list({_key(table, row): (table, row) for table, row in reversed(list(rows))}.values())


def _at_once(rows: Iterable[tuple[str, Row]]) -> list[Batch]:
    return [(BOOKED, list(rows))]


def _entries(books: Books, table: str) -> pl.DataFrame:
    parts = [books.minutes(table, hour) for hour in books.hours()]
    whole = pl.concat([ENTRIES[table].to_frame(), *(part for part in parts if part is not None)])
    floats = [name for name, type in whole.schema.items() if type == pl.Float64()]
    return _sorted(whole).with_columns(pl.col(floats).round(2))


def _sorted(entries: pl.DataFrame) -> pl.DataFrame:
    keys = ("system", "minute", "node", "device", "job", "account")
    return entries.sort([c for c in keys if c in entries.columns], nulls_last=True)


def _same(one: Books, other: Books) -> None:
    for table in ENTRIES:
        mine, theirs = _entries(one, table), _entries(other, table)
        assert mine.equals(theirs), (
            table,
            mine.join(theirs, on=mine.columns, how="anti", nulls_equal=True).head(3).to_dicts(),
            theirs.join(mine, on=mine.columns, how="anti", nulls_equal=True).head(3).to_dicts(),
        )


# Plain sums over the rows


def _joules(rows: list[Row]) -> float:
    """What a device's rows say it used, by the rules of docs/ledger.md, one row at a time."""
    used = 0.0
    readings: list[Row] = []
    for row in rows:
        counts = any(other["energy_joules_total"] is not None for other in readings)
        if row["energy_joules_total"] is not None or (
            not counts and row["power_watts"] is not None
        ):
            readings.append(row)
    for before, row in pairwise(readings):
        elapsed = (row["time_unix_ms"] - before["time_unix_ms"]) / 1000
        power = (before["power_watts"], row["power_watts"])
        near = elapsed <= max(GAP_PERIODS * row["period_ms"] / 1000, INTEGRATED_S)
        integrated = sum(power) / 2 * elapsed if near and None not in power else None
        was, now = before["energy_joules_total"], row["energy_joules_total"]
        if was is None:
            used += integrated or 0.0
        elif now >= was:
            used += now - was
        elif integrated is not None:
            used += integrated
        elif now <= MOST_WATTS * elapsed:
            used += now
    return used


def _tokens(rows: list[Row]) -> int:
    """What the counters of a job's nodes grew by, from nought on; one that falls began anew."""
    made = 0
    for node in {row["node"] for row in rows}:
        before = 0
        for row in sorted((r for r in rows if r["node"] == node), key=_time):
            now = row["tokens_trained_total"]
            made += now - before if now >= before else now
            before = now
    return made


def _time(row: Row) -> int:
    return int(row["time_unix_ms"])


# The properties


@given(factory=_factories)
@_settings
def test_seconds_joules_and_tokens_are_conserved(desk: Desk, factory: Factory) -> None:
    sent = _stored(factory.rows())
    books = desk.book("once", _at_once(sent))
    assert audit(books.root.parent) == []
    devices, jobs = _entries(books, "device"), _entries(books, "job")
    per_hour = devices.group_by("device", pl.col("minute").dt.truncate("1h")).agg(
        pl.col("duration_ms").sum()
    )
    names = [row["device"] for table, row in sent if table == "device_info"]
    assert per_hour.height == len(names) * BOOKED // HOUR
    assert set(per_hour["duration_ms"]) == {HOUR_MS}
    for name in names:
        rows = [row for table, row in sent if table == "device" and row["device"] == name]
        rows.sort(key=_time)
        found = devices.filter(pl.col("device") == name)["energy_joules"].sum()
        # A hundredth is rounded off every entry.
        assert found == pytest.approx(_joules(rows), abs=0.01 * devices.height), name
    told = [row for _, row in sent if "tokens_trained_total" in row]
    for job in {row["job"] for row in told}:
        rows = [row for row in told if row["job"] == job]
        assert jobs.filter(pl.col("job") == job)["tokens_trained"].sum() == _tokens(rows), job


@given(factory=_factories)
@_settings
def test_booking_again_changes_nothing(desk: Desk, factory: Factory) -> None:
    books = desk.book("once", _at_once(factory.rows()))
    files = {path: sha256(path) for path in books.root.rglob("*.parquet")}
    desk.book_again("once")
    assert {path: sha256(path) for path in books.root.rglob("*.parquet")} == files
    assert list(restatements(books.root.parent)) == []


@given(factory=_factories, delivery=_deliveries)
@_settings
def test_any_order_lateness_and_doubling_gives_the_same_books(
    desk: Desk, factory: Factory, delivery: Delivery
) -> None:
    sent = _stored(factory.rows())
    later = desk.book("later", delivery.batches(sent))
    _same(desk.book("once", _at_once(sent)), later)
    assert audit(later.root.parent) == []


@given(factory=_factories, cut=st.integers(1, BOOKED // 60 - 1))
@_settings
def test_systems_devices_and_hours_in_any_split_give_the_same_kpis(
    desk: Desk, factory: Factory, cut: int
) -> None:
    books = desk.book("once", _at_once(factory.rows()))
    apart = [
        desk.book(NAMES[number], _at_once(factory.rows_of(number)))
        for number in range(len(factory.systems))
    ]
    for table in ENTRIES:
        # Systems that are booked apart have the same entries.
        whole = _entries(books, table)
        assert _sorted(pl.concat([_entries(one, table) for one in apart])).equals(_sorted(whole))
        # Hours are the sums of their minutes.
        made = _sorted(hourly(table, whole))
        kept = _sorted(books.read(table, START, START + BOOKED * 1000))
        for name in (c for c, type in whole.schema.items() if type.is_numeric()):
            assert made[name].to_list() == pytest.approx(kept[name].to_list(), abs=0.5), name
    # The sums over the parts are those of the whole.
    start, middle, end = (
        datetime.fromtimestamp(START / 1000 + s, UTC) for s in (0, 60 * cut, BOOKED)
    )
    store = books.root.parent
    view = load(store, Period(start, end))
    sums = pytest.approx(_sums(view), rel=1e-9)
    assert sums == _added(_sums(load(store, Period(*p))) for p in ((start, middle), (middle, end)))
    assert sums == _added(_sums(load(one.root.parent, Period(start, end))) for one in apart)
    for dimension in ("system", "node", "day"):
        assert sums == _sums(view, [dimension])


def _sums(view: Any, by: Iterable[str] = ()) -> dict[str, float]:
    found: dict[str, float] = dict.fromkeys(
        (f"{id} {part}" for id in ADDED for part in ("numerator", "denominator")), 0.0
    )
    for id in ADDED:
        for figure in registry.evaluate(registry.find(id), view, list(by)):
            found[f"{id} numerator"] += figure.numerator or 0
            found[f"{id} denominator"] += figure.denominator or 0
    return found


def _added(parts: Iterable[dict[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            found[name] = found.get(name, 0.0) + value
    return found
