"""Availability from the log of outages and the books: A01-A03, A05, A06, A08.

A01-A03 and A08 are of systems and of what people log; a system's period begins when the first of
its things was installed, and ends where its books do, so that a year that is not over promises
nothing. A06 is of nodes and of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from wattline_collector.kpi import lacking
from wattline_collector.kpi.availability import MS_PER_HOUR, of_tally, sla
from wattline_collector.kpi.buckets import Bucket, buckets
from wattline_collector.kpi.dimensions import labels_of_nodes
from wattline_collector.kpi.labels import UNKNOWN
from wattline_collector.kpi.outages import Tally, repair, tally
from wattline_collector.kpi.sums import grouped, ratio, shaped
from wattline_collector.kpi.view import View
from wattline_collector.ledger.accounts import Account
from wattline_collector.ledger.standing import OUTAGES, partitions_of
from wattline_collector.profile.schema.service import Sla

_FIRST_MONTHS = {"month": range(1, 13), "quarter": (1, 4, 7, 10), "year": (1,)}
_METHOD = "log of outages, node-hours over the nodes of the system"
_OUT = (Account.MAINTENANCE, Account.DOWN)


@dataclass(frozen=True, slots=True)
class _System:
    """A system, and the part of the period in which it was there and is known of."""

    name: str
    nodes: tuple[str, ...]
    members: Mapping[tuple[str, str], tuple[str, ...]]
    start_ms: int
    end_ms: int


def scheduled_availability(view: View, by: list[str]) -> pl.DataFrame:
    """A01: (T - S - U) / (T - S)."""
    return _share(view, by, planned_only=True)


def overall_availability(view: View, by: list[str]) -> pl.DataFrame:
    """A02: (T - S - U) / T."""
    return _share(view, by, planned_only=False)


def time_between(view: View, by: list[str]) -> pl.DataFrame:
    """A03: MTTI and MTTF of each system."""
    keys = list(dict.fromkeys([*by, "system", "figure"]))
    lack = _lack(view)
    if lack is not None:
        return lacking.unknown(keys, lack)
    rows: list[dict[str, object]] = []
    for system, bucket, found in _tallies(view, by):
        up = of_tally(found)
        names: dict[str, object] = {"system": system.name, **bucket.names, "method": _METHOD}
        interruptions = found.scheduled + found.unscheduled
        rows += [
            names | {
                "figure": "mtti", "n": interruptions, "denominator": float(interruptions + 1),
                "numerator": found.hours - found.scheduled_hours - found.unscheduled_hours,
                "value": up.mtti_hours, "note": _note(found),
            },
            names | {
                "figure": "mttf", "n": found.unscheduled, "denominator": found.unscheduled + 1.0,
                "numerator": found.hours - found.unscheduled_hours, "value": up.mttf_hours,
                "note": _note(found),
            },
        ]  # fmt: skip
    return _framed(rows, keys)


def time_to_repair(view: View, by: list[str]) -> pl.DataFrame:
    """A05: mean and p95 of unscheduled outages that ended in the period."""
    keys = [*by, "figure"]
    lack = _lack(view)
    if lack is not None:
        return lacking.unknown(keys, lack)
    log = _log(view)
    rows: list[dict[str, object]] = []
    systems = _systems(view)
    last = max((one.end_ms for one in systems), default=0)
    start_ms, end_ms = view.bounds_ms
    for bucket in buckets(by, start_ms, min(end_ms, last), view.zone):
        for system in [one.name for one in systems] if "system" in by else [None]:
            found = repair(log, start_ms=bucket.start_ms, end_ms=bucket.end_ms, system=system)
            note = "no unscheduled outage ended in this time" if not found.n else ""
            if found.ongoing:
                note = "; ".join(filter(None, (note, f"{found.ongoing} not over, in no figure")))
            named: dict[str, object] = {"system": system, **bucket.names, "n": found.n,
                     "note": note, "method": "log of outages"}  # fmt: skip
            total = None if found.mean_hours is None else found.mean_hours * found.n
            rows += [
                named | {"figure": "mean", "value": found.mean_hours, "numerator": total,
                         "denominator": float(found.n)},
                named | {"figure": "p95", "value": found.p95_hours, "numerator": None,
                         "denominator": None},
            ]  # fmt: skip
    return _framed(rows, keys)


def node_availability(view: View, by: list[str]) -> pl.DataFrame:
    """A06: usable over installed node-hours, from the ledger.

    A node counts by its devices: one that lost a device of four is three quarters usable. Time that
    nobody observed is neither.
    """
    placed = view.totals.join(_devices_per_node(view), on=["system", "node"], how="left")
    device_time = placed.with_columns(
        (pl.col("duration_ms") / pl.col("devices").fill_null(1.0)).alias("node_ms")
    )
    bare = view.node.join(
        view.totals.select("system", "node").unique(), on=["system", "node"], how="anti"
    ).with_columns(pl.col("duration_ms").alias("node_ms"))
    wanted = [*dict.fromkeys(["system", "node", *by]), "account", "node_ms"]
    both = pl.concat([device_time.select(wanted), bare.select(wanted)])
    out = pl.col("account").is_in([account.value for account in _OUT])
    known, time = pl.col("account") != Account.UNOBSERVED.value, pl.col("node_ms")
    found = grouped(
        both,
        by,
        numerator=time.filter(known & ~out).sum() / MS_PER_HOUR,
        denominator=time.filter(known).sum() / MS_PER_HOUR,
        n=pl.struct("system", "node").n_unique(),
        coverage=ratio(time.filter(known).sum(), time.sum()),
    )
    note = None if view.knows_outages else (
        "nobody told of outages or states of nodes: only devices that were lost count as down"
    )  # fmt: skip
    return shaped(
        found.with_columns(pl.lit("ledger").alias("method"), pl.lit(note, pl.String).alias("note")),
        by,
    )


def sla_compliance(view: View, by: list[str]) -> pl.DataFrame:
    """A08: periods of the service level agreement in which it was kept, over those that are over.

    The agreement is that of the profile on A01, else on A02; a system's own goes before the
    factory's. It is kept where the figure is not beyond its threshold.
    """
    lack = _lack(view)
    if lack is not None:
        return lacking.unknown(by, lack)
    rows, without = [], []
    for system in _systems(view):
        agreed = _agreed(view, system.name)
        if agreed is None:
            without.append(system.name)
            continue
        id, terms = agreed
        spans = buckets([*by, terms.period], system.start_ms, system.end_ms, view.zone)
        for bucket in spans:
            if not _is_whole(bucket, terms.period, view.zone):
                continue
            up = of_tally(_tally(view, system, bucket))
            figure = up.sa if id == "A01" else up.oa
            # All of a month planned to be out: nothing was promised of it.
            kept = sla({} if figure is None else {"": figure}, terms.threshold / 100)
            rows.append({"system": system.name, **bucket.names, "id": id, "period": terms.period,
                         "met": kept.numerator, "known": kept.denominator})  # fmt: skip
    if not rows:
        key = f"system.{without[0]}.sla.A01, or sla.A01" if without else None
        note = lacking.profile(key) if key else "no month of the agreement is over in this period"
        return lacking.unknown(by, note)
    left_out = f"no agreement in the profile for {', '.join(without)}" if without else None
    found = grouped(
        pl.DataFrame(rows),
        by,
        numerator=pl.col("met").sum(),
        denominator=pl.col("known").sum(),
        n=pl.col("known").sum(),
        method=pl.format(
            "log of outages, {} by the {}", pl.col("id").first(), pl.col("period").first()
        ),
        note=pl.lit(left_out, pl.String),
    )
    return shaped(found, by)


def groups_of_nodes(view: View) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """The nodes that an outage can be of, by system, scope and name.

    Scopes are those of the register of outages; a whole system's name is empty.
    """
    found: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for one in _systems(view):
        found[one.name, "system", ""] = one.nodes
        found |= {(one.name, "node", node): (node,) for node in one.nodes}
        found |= {(one.name, *group): nodes for group, nodes in one.members.items()}
    return found


def _share(view: View, by: list[str], *, planned_only: bool) -> pl.DataFrame:
    lack = _lack(view)
    if lack is not None:
        return lacking.unknown(by, lack)
    rows = []
    for system, bucket, found in _tallies(view, by):
        planned = found.hours - (found.scheduled_hours if planned_only else 0.0)
        up = found.hours - found.scheduled_hours - found.unscheduled_hours
        rows.append(
            {"system": system.name, **bucket.names, "up": max(up, 0.0), "planned": planned,
             "outages": found.scheduled + found.unscheduled, "note": _note(found)}
        )  # fmt: skip
    if not rows:
        return lacking.unknown(by, "no system has books of this period")
    found_by = grouped(
        pl.DataFrame(rows),
        by,
        numerator=pl.col("up").sum(),
        denominator=pl.col("planned").sum(),
        n=pl.col("outages").sum(),
        method=pl.lit(_METHOD),
        note=pl.col("note").unique().sort().str.join("; ").str.strip_chars("; "),
    )
    return shaped(found_by, by)


def _lack(view: View) -> str | None:
    if view.inputs is None:
        return lacking.register(OUTAGES.to_frame(), "outages")
    return lacking.register(view.inputs.outages, "outages")


def _log(view: View) -> pl.DataFrame:
    """The register of outages; what `_lack` has nothing against is there."""
    found = None if view.inputs is None else view.inputs.outages
    return OUTAGES.to_frame() if found is None else found


def _tallies(view: View, by: list[str]) -> Iterator[tuple[_System, Bucket, Tally]]:
    for system in _systems(view):
        for bucket in buckets(by, system.start_ms, system.end_ms, view.zone):
            yield system, bucket, _tally(view, system, bucket)


def _tally(view: View, system: _System, bucket: Bucket) -> Tally:
    return tally(
        _log(view), system.nodes, start_ms=bucket.start_ms, end_ms=bucket.end_ms,
        members=system.members, system=system.name,
    )  # fmt: skip


def _systems(view: View) -> list[_System]:
    """Every system that has books of the period, with its nodes and their groups."""
    low, high = view.bounds_ms
    ends = dict(view.control.booked_until.iter_rows())
    installed = view.inventory.filter(
        pl.col("from_ms") < high, pl.coalesce("until_ms", pl.lit(high)) > low
    )
    placed = labels_of_nodes(view)
    named = (
        partitions_of(_log(view), view.accounted)
        if _log(view).height
        else pl.DataFrame(schema=dict.fromkeys(("system", "partition", "node"), pl.String))
    )
    found = []
    for (name,), things in installed.group_by("system", maintain_order=True):
        system = str(name)
        start, end = max(low, min(things["from_ms"])), min(high, ends.get(system, 0))
        nodes = things["node"].unique().sort()
        if end <= start:
            continue
        mine = pl.col("system") == system
        groups = pl.concat(
            [
                placed.filter(mine).select(scope=pl.lit(scope), name=scope, node="node")
                for scope in ("rack", "partition")
            ]
            + [named.filter(mine).select(scope=pl.lit("partition"), name="partition", node="node")]
        ).filter(pl.col("name") != UNKNOWN)
        members = {
            (str(scope), str(of)): tuple(sorted(set(some["node"])))
            for (scope, of), some in groups.group_by("scope", "name")
        }
        found.append(_System(system, tuple(nodes), members, start, end))
    return found


def _agreed(view: View, system: str) -> tuple[str, Sla] | None:
    if view.profile is None:
        return None
    own = view.profile.systems[system].sla if system in view.profile.systems else {}
    for id in ("A01", "A02"):
        terms = own.get(id) or view.profile.sla.get(id)
        if terms is not None:
            return id, terms
    return None


def _is_whole(bucket: Bucket, period: str, zone: str) -> bool:
    """Whether a stretch begins and ends where such a period does."""
    for ms in (bucket.start_ms, bucket.end_ms):
        local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(zone))
        at_midnight = (local.day, local.hour, local.minute, local.second) == (1, 0, 0, 0)
        if not at_midnight or local.month not in _FIRST_MONTHS[period]:
            return False
    return True


def _devices_per_node(view: View) -> pl.DataFrame:
    """`system`, `node`, `devices`: how many a node has at one time, on average of its own time."""
    low, high = view.bounds_ms
    start = pl.col("from_ms").clip(lower_bound=low)
    end = pl.coalesce("until_ms", pl.lit(high)).clip(upper_bound=high)
    return (
        view.inventory.filter(pl.col("kind") == "device")
        .select("system", "node", start.alias("start"), end.alias("end"))
        .filter(pl.col("end") > pl.col("start"))
        .group_by("system", "node")
        .agg(
            (
                (pl.col("end") - pl.col("start")).sum()
                / (pl.col("end").max() - pl.col("start").min())
            ).alias("devices")
        )
    )


def _note(found: Tally) -> str:
    notes = []
    if found.ongoing:
        notes.append(f"{found.ongoing} not over, counted to the end of the period")
    if found.unplaced:
        notes.append(f"in no sum, as nobody told their nodes: {', '.join(found.unplaced)}")
    return "; ".join(notes)


def _framed(rows: list[dict[str, object]], keys: list[str]) -> pl.DataFrame:
    if not rows:
        return lacking.unknown(keys, "no system has books of this period")
    return shaped(pl.DataFrame(rows, infer_schema_length=None), keys)
