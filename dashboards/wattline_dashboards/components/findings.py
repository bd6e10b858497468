"""Sentences that answer: what the factory made of a period, and what each picture shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wattline_collector.ledger.accounts import WORKING, Account
from wattline_collector.palette import (
    THIN_SPACE,
    format_energy,
    format_number,
    format_percent,
    format_si,
)
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.effectiveness import Figures
from wattline_dashboards.components.totals import BOUNDARIES
from wattline_dashboards.figures import days
from wattline_dashboards.figures.energy import Split
from wattline_dashboards.language import _
from wattline_dashboards.times import long_time
from wattline_dashboards.trust import COMFORT

_TIME = {
    Account.SLOWED: "time slowed by the hardware",
    Account.HELD: "time held without work",
    Account.LOST: "work thrown away",
    Account.UNMEASURED: "assigned time nobody measured",
    Account.FREE: "free time",
    Account.MAINTENANCE: "maintenance",
    Account.DOWN: "downtime",
    Account.UNOBSERVED: "time nobody observed",
}

Rows = Sequence[Mapping[str, Any]]


def answer(overview: Mapping[str, Any], figures: Figures) -> str:
    """The sentence the page opens with."""
    hours = _hours(overview.get("accounts") or ())
    installed = sum(hours.values())
    if not installed and not number(overview.get("nodes")):
        return _("Nothing is booked in this period.")
    tokens = days.total(overview.get("days") or ())
    per_joule = number(figures.get("S10", {}).get("value"))
    # Time of which nobody knows whether work was done makes the share a lower bound.
    unknown = hours[Account.UNMEASURED] + hours[Account.UNOBSERVED]
    least = "at least " if unknown > (1 - COMFORT) * installed else ""
    kept = (
        f"kept {least}{format_percent(sum(hours[a] for a in WORKING) / installed)} of its "
        "installed GPU-hours working"
        if installed
        else "has no accelerators"
    )
    made = "no job counted its tokens" if tokens is None else f"made {format_si(tokens)} tokens"
    if tokens is not None and per_joule is not None:
        made += f" at {format_number(per_joule)} tokens per joule"
    joint = ", and" if tokens is None else " and"
    return f"The factory {kept}{joint} {made}."


def scope(overview: Mapping[str, Any], figures: Figures) -> str:
    """What the answer is about: over what, from when to when, how completely observed."""
    period = overview.get("period") or {}
    start, end = long_time(text(period.get("from"))), long_time(text(period.get("to")))
    count, nodes = number(overview.get("devices")) or 0, number(overview.get("nodes")) or 0
    parts = [
        f"{format_number(int(count))} {'device' if count == 1 else 'devices'} on "
        f"{format_number(int(nodes))} {'node' if nodes == 1 else 'nodes'}",
        f"{start} to {end} UTC" if start and end else "",
    ]
    coverage = number(figures.get("OEE_A", {}).get("coverage")) if count else None
    if coverage is not None and coverage < COMFORT:
        parts.append(f"only {format_percent(coverage)} of device time was observed")
    elif coverage is not None:
        parts.append(f"{format_percent(coverage)} of device time was observed")
    return f" {THIN_SPACE}·{THIN_SPACE} ".join(part for part in parts if part)


def losses(accounts: Rows) -> str:
    """What took most of the hours that were not kept."""
    hours = _hours(accounts)
    installed = sum(hours.values())
    lost = {a: value for a, value in hours.items() if a is not Account.BUSY and value > 0}
    if not installed or not lost:
        return "Where the GPU-hours went"
    most = max(lost, key=lambda account: lost[account])
    return (
        f"The largest loss is {_TIME[most]}: {format_percent(lost[most] / installed)} "
        "of installed GPU-hours"
    )


def energy(split: Split) -> str:
    """How much was used, inside which boundary, and how much of it without work."""
    if not split.total:
        return "Energy: no meter was read"
    idle = sum(
        part.get(account, 0.0)
        for part in (split.devices, split.beyond)
        for account in Account
        if account not in WORKING
    )
    return f"{format_energy(split.total)} used, {format_percent(idle / split.total)} without work"


def energy_boundary(split: Split) -> str:
    """The boundary of the energies, in words."""
    if not split.total:
        return ""
    if split.boundary == "node" and split.devices:
        beyond = sum(split.beyond.values())
        return (
            f"Boundary: {BOUNDARIES['node']}. In colour what devices used, in grey the node "
            f"overhead beyond them, {format_energy(beyond)} in all."
        )
    return f"Boundary: {BOUNDARIES.get(split.boundary, split.boundary)}."


def tokens(rows: Rows) -> str:
    """How many tokens, and on how many days nobody counted."""
    made = days.total(rows)
    if made is None:
        return "No job counted tokens"
    counted, gaps = days.counted(rows), len(days.missing(rows))
    said = f"{format_si(made, 'tok')} made on {counted} {'day' if counted == 1 else 'days'}"
    return f"{said}; nobody counted on {gaps}" if gaps else said


def _hours(accounts: Rows) -> dict[Account, float]:
    found = {str(row.get("account")): number(row.get("device_hours")) or 0.0 for row in accounts}
    return {account: found.get(account.value, 0.0) for account in Account}
