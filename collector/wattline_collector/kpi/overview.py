"""One period at a glance: the figures, and the tables behind the pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from wattline_collector.kpi import registry
from wattline_collector.kpi.figure import Figure, Period, iso
from wattline_collector.kpi.groups import HEADLINE, IF_KNOWN, MOST_PARTS
from wattline_collector.kpi.production import all_tokens
from wattline_collector.kpi.untagged import note_of
from wattline_collector.kpi.view import MS_PER_HOUR, View, utc
from wattline_collector.ledger.accounts import Account

MOST_JOBS = 200
"""Jobs listed: the newest half of them, and of the others those that held most device time."""

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Overview:
    """One period at a glance.

    Attributes:
        period: Which.
        systems: Systems with booked time in it.
        devices: Devices installed.
        nodes: Nodes installed.
        figures: The KPIs shown at first sight, one figure each; `groups` has the list.
        accounts: Per account, in order: `account`, `device_hours`, `energy_joules`.
        waterfall: `step`, `device_hours`, from installed to kept.
        energy: `boundary`, `account` (or `node_overhead`), `energy_joules`.
        days: Per UTC day.
        jobs: Newest first, at most `MOST_JOBS`: the newest, and the largest of the others.
        coverage: Per node: hours expected and observed, samples.
        audit: `balanced`, `findings`, `checked_hours`.
        notes: What a reader must know.
    """

    period: Period
    systems: list[str]
    devices: int
    nodes: int
    figures: list[Figure]
    accounts: list[Row]
    waterfall: list[Row]
    energy: list[Row]
    days: list[Row]
    jobs: list[Row]
    coverage: list[Row]
    audit: Row
    notes: list[str]

    def to_json(self) -> Row:
        """As it leaves the program."""
        return {
            "period": self.period.to_json(),
            "systems": self.systems,
            "devices": self.devices,
            "nodes": self.nodes,
            "figures": [figure.to_json() for figure in self.figures],
            "accounts": self.accounts,
            "waterfall": self.waterfall,
            "energy": self.energy,
            "days": self.days,
            "jobs": self.jobs,
            "coverage": self.coverage,
            "audit": self.audit,
            "notes": self.notes,
        }


def of_view(view: View, audit: Row | None = None) -> Overview:
    """Put a period together: a pure function of its ledger.

    Args:
        view: The period's ledger.
        audit: What a proof of the books found, where one was made; else the control of the hours
            is looked at, whether it balances.
    """
    everything = pl.concat([view.totals.select("system"), view.node.select("system")])
    accounts = _accounts(view)
    jobs = _jobs(view)
    return Overview(
        period=view.period,
        systems=sorted(everything["system"].unique()),
        devices=view.totals["device"].n_unique(),
        nodes=view.node["node"].n_unique(),
        figures=_figures(view),
        accounts=accounts,
        waterfall=_waterfall(_hours(view)),
        energy=_energy(view),
        days=_days(view),
        jobs=_listed(jobs).to_dicts(),
        coverage=_coverage(view),
        audit=_audit(view) if audit is None else audit,
        notes=notes(view) + _left_out(jobs.height),
    )


def _audit(view: View) -> Row:
    findings = view.control.findings
    return {
        "balanced": not findings,
        "findings": len(findings),
        "checked_hours": len(view.control.hours),
    }


def _figures(view: View) -> list[Figure]:
    found: list[Figure] = []
    for id in (id for id in registry.REGISTRY if id in HEADLINE or id in IF_KNOWN):
        figures = registry.evaluate(registry.REGISTRY[id], view)
        known = [figure for figure in figures if figure.value is not None]
        if id in HEADLINE:
            found += (known or figures)[:1]
        elif len(known) <= MOST_PARTS:
            found += known
    return [_with_part(figure) for figure in found]


def _with_part(figure: Figure) -> Figure:
    """Where a figure is one of several of its KPI, its name says which."""
    return replace(figure, name=", ".join([figure.name, *figure.dims.values()]))


def _hours(view: View) -> dict[str, float]:
    """Device hours of every account, in order."""
    sums = view.totals.group_by("account").agg(pl.col("duration_ms").sum() / MS_PER_HOUR)
    found: dict[str, float] = dict(sums.iter_rows())
    return {account.value: found.get(account.value, 0.0) for account in Account}


def _accounts(view: View) -> list[Row]:
    sums = view.totals.group_by("account").agg(
        pl.when(pl.col("energy_joules").is_not_null().any()).then(pl.col("energy_joules").sum())
    )
    joules: dict[str, float] = dict(sums.iter_rows())
    return [
        {"account": account, "device_hours": hours, "energy_joules": joules.get(account)}
        for account, hours in _hours(view).items()
    ]


_STEPS: tuple[tuple[str, tuple[Account, ...]], ...] = (
    ("planned", (Account.MAINTENANCE,)),
    ("offered", (Account.DOWN, Account.UNOBSERVED)),
    ("assigned", (Account.FREE,)),
    ("working", (Account.HELD, Account.UNMEASURED)),
    ("unthrottled", (Account.SLOWED,)),
    ("kept", (Account.LOST,)),
)
"""Each step of the waterfall, and the accounts that it takes away."""


def _waterfall(hours: dict[str, float]) -> list[Row]:
    left = sum(hours.values())
    steps: list[Row] = [{"step": "installed", "device_hours": left}]
    for step, taken in _STEPS:
        left -= sum(hours[account.value] for account in taken)
        steps.append({"step": step, "device_hours": max(left, 0.0)})
    return steps


def _energy(view: View) -> list[Row]:
    rows: list[Row] = []
    order = {account.value: place for place, account in enumerate(Account)}
    for boundary, frame in (("gpu", view.totals), ("node", view.node)):
        sums = (
            frame.filter(pl.col("energy_joules").is_not_null())
            .group_by("account")
            .agg(pl.col("energy_joules").sum())
        )
        found = sorted(sums.iter_rows(), key=lambda row: order[row[0]])
        rows += [
            {"boundary": boundary, "account": account, "energy_joules": joules}
            for account, joules in found
        ]
    both = view.node.filter(
        pl.col("energy_joules").is_not_null() & pl.col("device_energy_joules").is_not_null()
    )
    if both.height:
        beyond = both.select(
            (pl.col("energy_joules") - pl.col("device_energy_joules")).sum()
        ).item()
        rows.append({"boundary": "node", "account": "node_overhead", "energy_joules": beyond})
    return rows


def _days(view: View) -> list[Row]:
    kinds = ("tokens_trained", "tokens_prompt", "tokens_generated")
    # Few days are named instead of many entries.
    begun = pl.col("minute").dt.truncate("1d").alias("day")
    named = pl.col("day").dt.strftime("%Y-%m-%d")
    tokens = view.job.group_by(begun).agg(
        pl.when(pl.col(kind).is_not_null().any()).then(pl.col(kind).sum()).alias(kind)
        for kind in kinds
    )
    energy = view.energy.group_by(begun).agg(
        pl.when(pl.col("joules").is_not_null().any())
        .then(pl.col("joules").sum())
        .alias("energy_joules")
    )
    time = view.job_hours.group_by(begun, "account").agg(pl.col("duration_ms").sum() / MS_PER_HOUR)
    by_day: dict[str, dict[str, float]] = {}
    for day, account, value in time.with_columns(named).iter_rows():
        by_day.setdefault(day, {})[account] = value
    made = {row["day"]: row for row in tokens.with_columns(named).iter_rows(named=True)}
    used = dict(energy.with_columns(named).iter_rows())
    days = sorted({*by_day, *made, *used})
    rows: list[Row] = []
    for day in days:
        by_account = {a.value: by_day.get(day, {}).get(a.value, 0.0) for a in Account}
        installed = sum(by_account.values())
        observed = installed - by_account[Account.UNOBSERVED]
        rows.append(
            {
                "day": day,
                **{kind: made.get(day, {}).get(kind) for kind in kinds},
                "energy_joules": used.get(day),
                "device_hours": by_account,
                "coverage": observed / installed if installed else None,
            }
        )
    return rows


def _jobs(view: View) -> pl.DataFrame:
    key = ["system", "job"]
    tokens = (
        view.job.with_columns(all_tokens().alias("tokens"))
        .group_by(key)
        .agg(
            pl.when(pl.col("tokens").is_not_null().any())
            .then(pl.col("tokens").sum())
            .alias("tokens")
        )
    )
    energy = (
        view.energy.filter(pl.col("job").is_not_null())
        .group_by(key)
        .agg(
            pl.when(pl.col("joules").is_not_null().any())
            .then(pl.col("joules").sum())
            .alias("energy_joules"),
            pl.when(pl.col("boundary").n_unique() > 1)
            .then(pl.lit("mixed"))
            .otherwise(pl.col("boundary").first())
            .alias("boundary"),
            (pl.col("known_ms").sum() / pl.col("device_ms").sum()).alias("coverage"),
        )
    )
    held = pl.col("account") == Account.HELD
    time = (
        view.assigned.filter(pl.col("job").is_not_null())
        .group_by(key)
        .agg(
            pl.col("device").n_unique().alias("devices"),
            (pl.col("duration_ms").sum() / MS_PER_HOUR).alias("device_hours"),
            pl.when(pl.col("measured_ms").sum() > 0)
            .then(pl.col("sm_active_ms").sum() / pl.col("measured_ms").sum())
            .alias("sm_active_ratio"),
            (pl.col("duration_ms").filter(held).sum() / MS_PER_HOUR).alias("held_hours"),
        )
    )
    known = pl.col("energy_joules") > 0
    ran = view.running.select(key).unique()
    return (
        view.jobs.join(ran, on=key, how="semi")
        .join(time, on=key, how="left")
        .join(tokens, on=key, how="left")
        .join(energy, on=key, how="left")
        .sort("start_ms", "job", descending=[True, False])
        .select(
            *key,
            "name",
            "kind",
            "state",
            pl.col("start_ms").map_elements(lambda ms: iso(utc(ms)), pl.String).alias("start"),
            pl.col("end_ms").map_elements(lambda ms: iso(utc(ms)), pl.String).alias("end"),
            pl.col("devices").fill_null(0),
            pl.col("device_hours").fill_null(0.0),
            "tokens",
            "energy_joules",
            pl.when(known).then("boundary").alias("boundary"),
            # As in S10: tokens of the time whose energy is known.
            pl.when(known)
            .then(pl.col("tokens") * pl.col("coverage") / pl.col("energy_joules"))
            .alias("tokens_per_joule"),
            "sm_active_ratio",
            pl.col("held_hours").fill_null(0.0),
            "coverage",
        )
    )


def _listed(jobs: pl.DataFrame) -> pl.DataFrame:
    newest = jobs.head(MOST_JOBS // 2)
    others = jobs.slice(MOST_JOBS // 2).top_k(MOST_JOBS - newest.height, by="device_hours")
    return pl.concat([newest, others]).sort("start", "job", descending=[True, False])


def _coverage(view: View) -> list[Row]:
    observed = pl.col("account") != Account.UNOBSERVED
    devices = view.totals.group_by("system", "node").agg(
        pl.col("duration_ms").sum().alias("expected_ms"),
        pl.col("duration_ms").filter(observed).sum().alias("observed_ms"),
        pl.col("samples").sum().cast(pl.Float64),
        pl.col("samples_expected").sum(),
    )
    # A node without devices is covered by its own samples.
    nodes = view.node.group_by("system", "node").agg(
        pl.col("duration_ms").sum().alias("expected_ms"),
        (
            pl.col("duration_ms")
            * (pl.col("samples") / pl.col("samples_expected")).clip(upper_bound=1).fill_null(0)
        )
        .sum()
        .alias("observed_ms"),
        pl.col("samples").sum(),
        pl.col("samples_expected").sum(),
    )
    bare = nodes.join(devices, on=["system", "node"], how="anti")
    rows = pl.concat(
        [frame.cast({"expected_ms": pl.Float64, "observed_ms": pl.Float64})
         for frame in (devices, bare)]
    ).sort("system", "node")  # fmt: skip
    return [
        {
            "system": row["system"],
            "node": row["node"],
            "expected_hours": row["expected_ms"] / MS_PER_HOUR,
            "observed_hours": row["observed_ms"] / MS_PER_HOUR,
            "samples": round(row["samples"]),
            "samples_expected": round(row["samples_expected"]),
        }
        for row in rows.iter_rows(named=True)
    ]


def notes(view: View) -> list[str]:
    """What a reader of any figure of this period must know."""
    notes = []
    if not view.knows_outages:
        notes.append(
            "nobody says when nodes were out of use: scheduled outages are not known, and none is "
            "taken off what was planned; `wattline import outages-csv` reads a log"
        )
    if (untagged := note_of(view)) is not None:
        notes.append(untagged)
    return notes


def _left_out(jobs: int) -> list[str]:
    if jobs <= MOST_JOBS:
        return []
    half = MOST_JOBS // 2
    return [
        f"of {jobs:,} jobs, {MOST_JOBS} are listed: the newest {half}, and the {half} of the "
        "others that held most device time"
    ]
