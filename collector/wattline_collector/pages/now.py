"""One screen of what is happening now, small whatever the fleet's size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from wattline_agents.errors import InputError
from wattline_collector.access import Sight, Viewer, sees
from wattline_collector.alerts import telling
from wattline_collector.alerts.machine import State
from wattline_collector.alerts.rule import Severity
from wattline_collector.alerts.watch import Watch
from wattline_collector.kpi.inputs import Inputs
from wattline_collector.ledger.accounts import ASSIGNED, OFFERED, WORKING, Account
from wattline_collector.ledger.books import Books
from wattline_collector.narrow import may_see_alert
from wattline_collector.pages import feeds, power
from wattline_collector.pages.read import House, Json, Question, Read
from wattline_collector.profile.schema import FactoryProfile
from wattline_collector.store import live

MOST_NAMED = 5
"""Devices and alerts that are named: a screen on a wall is read from three metres away."""
_JUDGED_LATE_MS = 120_000


def answer(house: House, question: Question) -> Json:
    """`GET /v1/now`: the fleet in a few kilobytes.

    `devices` counts by account, as the ledger would account for this moment: `installed` also
    counts what has been silent for so long that it is not live any more. `offered`, `assigned` and
    `working` are told of devices that are heard from.
    """
    known, now_ms = house.latest.known()
    only = question.one("system")
    devices = _of(live.device_rows(known, now_ms), only)
    nodes = _of(live.node_rows(known, devices, now_ms), only)
    jobs = _of(live.job_rows(known, devices, now_ms), only)
    books = Books(house.store.path)
    there = {kind: _of(feeds.installed(books, kind, now_ms), only) for kind in ("device", "node")}
    until = feeds.booked_until(books)
    until = until if only is None else {k: v for k, v in until.items() if k == only}
    systems = sorted({*devices["system"], *nodes["system"], *until})
    profile, problem = _profile(house, now_ms)
    caps = power.caps(profile, systems)
    sums = live.totals(devices, nodes, jobs)
    return {
        "time_unix_ms": now_ms,
        "name": None if profile is None else profile.name,
        "problem": problem,
        "devices": counted(devices, there["device"], power.in_maintenance(books, until, now_ms)),
        "power": {
            "watts": sums["power_watts"],
            "boundary": sums["power_boundary"],
            "caps": caps,
            "course": power.course(books, until, now_ms),
        },
        "tokens_per_second": sums["tokens_per_second"],
        "tokens_per_joule": sums["tokens_per_joule"],
        "alerts": _alerts(house.watch, question.viewer, only, now_ms),
        "hottest": _named(devices, pl.col("temperature_celsius"), pl.lit(True)),
        "throttled": _named(devices, pl.col("throttled_ratio"), _is_throttled()),
        "throttled_devices": devices.filter(_is_throttled()).height,
        "feeds": {
            "agents": feeds.agents(nodes, there["node"]),
            "followers": feeds.followers(house.followed, now_ms),
            "meters": feeds.meters(house.store.path, now_ms),
            "books": feeds.books(until, systems, now_ms),
        },
    }


def counted(
    devices: pl.DataFrame, installed: pl.DataFrame, maintained: pl.DataFrame
) -> dict[str, int]:
    """Devices by what they do: each of the accounts a moment can be in, and their sums.

    Args:
        devices: As `store.live.device_rows` gives them.
        installed: `system`, `key` of what the inventory has.
        maintained: `system`, `device` of those in a scheduled outage: what is live does not know.
    """
    gone = installed.join(
        devices, left_on=["system", "key"], right_on=["system", "device"], how="anti"
    ).height
    planned = devices.join(maintained, on=["system", "device"], how="semi")
    others = devices.join(maintained, on=["system", "device"], how="anti")
    accounts = Counter(others["account"].to_list())

    def count(*wanted: Account) -> int:
        return sum(accounts[account.value] for account in wanted)

    return {
        "installed": devices.height + gone,
        "offered": count(*OFFERED),
        "assigned": count(*ASSIGNED),
        "working": count(*WORKING),
        "slowed": count(Account.SLOWED),
        "unmeasured": count(Account.UNMEASURED),
        "held": count(Account.HELD),
        "free": count(Account.FREE),
        "down": count(Account.DOWN),
        "maintenance": planned.height,
        "silent": count(Account.UNOBSERVED) + gone,
    }


def _of(rows: pl.DataFrame, system: str | None) -> pl.DataFrame:
    return rows if system is None else rows.filter(pl.col("system") == system)


def _profile(house: House, now_ms: int) -> tuple[FactoryProfile | None, str | None]:
    """The profile, or what is wrong with it: the screen must come up to say so."""
    try:
        return Inputs(house.store.path, now_ms, now_ms + 1).profile, None
    except InputError as error:
        return None, str(error)


def _is_throttled() -> pl.Expr:
    return (pl.col("account") == Account.SLOWED.value).fill_null(False)


def _named(devices: pl.DataFrame, by: pl.Expr, wanted: pl.Expr) -> Sequence[Mapping[str, object]]:
    """The first few by a value, the highest first; what is silent says nothing of now."""
    known = devices.filter(pl.col("fresh") & by.is_not_null() & wanted)
    return known.sort(by, descending=True, maintain_order=True).head(MOST_NAMED).select(
        "system", "node", "index", "device", "model", "temperature_celsius", "throttled_ratio",
        "power_watts", "power_limit_watts",
    ).to_dicts()  # fmt: skip


def _alerts(
    watch: Watch | None, viewer: Viewer, system: str | None, now_ms: int
) -> Mapping[str, object] | None:
    """What fires and is not the consequence of another; None where nobody judges, or not theirs."""
    if watch is None or not sees(viewer, Sight.ALERTS):
        return None
    alerts = watch.alerts()
    muted = telling.muted(alerts, watch.rules)
    firing = [
        alert for alert in alerts
        if alert.state is State.FIRING and alert.key not in muted and alert.rule in watch.rules
        and (system is None or dict(alert.labels).get("system") in (system, ""))
        and may_see_alert(viewer, dict(alert.labels))
    ]  # fmt: skip
    counts = Counter(watch.rules[alert.rule].severity for alert in firing)
    rules = Counter(alert.rule for alert in firing)
    # One line a rule: sixty devices with the same trouble would hide every other.
    first = {alert.rule: alert for alert in sorted(firing, key=lambda a: -(a.fired_ms or 0))}
    told = telling.by_urgency(telling.tell(one, watch.rules[one.rule]) for one in first.values())
    return {
        "counts": {severity.value: counts[severity] for severity in Severity},
        "judged_ms": watch.judged_ms,
        "late": now_ms - watch.judged_ms > _JUDGED_LATE_MS,
        "rules": len(rules),
        "first": [_line(one, rules[one.rule.id]) for one in told[:MOST_NAMED]],
    }


def _line(told: telling.Told, count: int) -> Mapping[str, object]:
    return {
        "rule": told.rule.id,
        "severity": told.rule.severity.value,
        "title": told.title,
        "count": count,
        "since_ms": told.alert.since_ms,
    }


READS = (
    Read(
        "/v1/now", (Sight.FLEET,), answer,
        takes=frozenset({"system"}), keep_seconds=2.0, by_viewer=True, quick=True,
    ),
)  # fmt: skip
