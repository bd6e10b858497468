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
from wattline_dashboards import words
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.effectiveness import Figures
from wattline_dashboards.figures import days
from wattline_dashboards.figures.energy import Split
from wattline_dashboards.language import N_, _, ngettext
from wattline_dashboards.times import long_time
from wattline_dashboards.trust import COMFORT

_TIME = {
    Account.SLOWED: N_("time slowed by the hardware"),
    Account.HELD: N_("time held without work"),
    Account.LOST: N_("work thrown away"),
    Account.UNMEASURED: N_("assigned time nobody measured"),
    Account.FREE: N_("free time"),
    Account.MAINTENANCE: N_("maintenance"),
    Account.DOWN: N_("downtime"),
    Account.UNOBSERVED: N_("time nobody observed"),
}

_UNKNOWN = (Account.UNMEASURED, Account.UNOBSERVED)
"""Time of which nobody knows whether work was done in it."""

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
    working = sum(hours[a] for a in WORKING)
    if not installed:
        kept = _("The factory has no accelerators")
    elif unknown and not working + hours[Account.HELD]:
        kept = _("Nobody measured whether the factory's GPU-hours were worked in")
    elif unknown > (1 - COMFORT) * installed:
        kept = _("The factory kept at least {share} of its installed GPU-hours working")
    else:
        kept = _("The factory kept {share} of its installed GPU-hours working")
    if installed:
        kept = kept.format(share=format_percent(working / installed))
    if tokens is None:
        return _("{kept}, and no job counted its tokens.").format(kept=kept)
    if per_joule is None:
        return _("{kept} and made {tokens} tokens.").format(kept=kept, tokens=format_si(tokens))
    return _("{kept} and made {tokens} tokens at {efficiency} tokens per joule.").format(
        kept=kept, tokens=format_si(tokens), efficiency=format_number(per_joule)
    )


def scope(overview: Mapping[str, Any], figures: Figures) -> str:
    """What the answer is about: over what, from when to when, how completely observed."""
    period = overview.get("period") or {}
    start, end = long_time(text(period.get("from"))), long_time(text(period.get("to")))
    count, nodes = (int(number(overview.get(name)) or 0) for name in ("devices", "nodes"))
    devices = ngettext("{n} device", "{n} devices", count).format(n=format_number(count))
    on = ngettext("{count} node", "{count} nodes", nodes).format(count=format_number(nodes))
    parts = [
        _("{devices} on {nodes}").format(devices=devices, nodes=on),
        _("{low} to {high}").format(low=start, high=end) + " UTC" if start and end else "",
    ]
    coverage = number(figures.get("OEE_A", {}).get("coverage")) if count else None
    if coverage is not None and coverage < COMFORT:
        said = _("only {share} of device time was observed")
        parts.append(said.format(share=format_percent(coverage)))
    elif coverage is not None:
        said = _("{share} of device time was observed")
        parts.append(said.format(share=format_percent(coverage)))
    return f" {THIN_SPACE}·{THIN_SPACE} ".join(part for part in parts if part)


def losses(accounts: Rows) -> str:
    """What took most of the hours that were not kept."""
    hours = _hours(accounts)
    installed = sum(hours.values())
    lost = {a: value for a, value in hours.items() if a is not Account.BUSY and value > 0}
    if not installed or not lost:
        return _("Where the GPU-hours went")
    most = max(lost, key=lambda account: lost[account])
    return _("The largest loss is {what}: {share} of installed GPU-hours").format(
        what=_(_TIME[most]), share=format_percent(lost[most] / installed)
    )


def energy(split: Split) -> str:
    """How much was used, inside which boundary, and how much of it without work."""
    if not split.total:
        return _("Energy: no meter was read")

    def used(*accounts: Account) -> float:
        parts = (split.devices, split.beyond)
        return sum(part.get(account, 0.0) for part in parts for account in accounts)

    unknown = used(*_UNKNOWN)
    if unknown > (1 - COMFORT) * split.total:
        said, share = _("{energy} used, {share} in time nobody measured"), unknown
    else:
        idle = used(*(one for one in Account if one not in WORKING and one not in _UNKNOWN))
        said, share = _("{energy} used, {share} without work"), idle
    return said.format(energy=format_energy(split.total), share=format_percent(share / split.total))


def energy_boundary(split: Split) -> str:
    """The boundary of the energies, in words."""
    if not split.total:
        return ""
    if split.boundary == "node" and split.devices:
        beyond = sum(split.beyond.values())
        said = _(
            "Boundary: {boundary}. In colour what devices used, in grey the node overhead beyond "
            "them, {energy} in all."
        )
        return said.format(boundary=words.boundary("node"), energy=format_energy(beyond))
    return _("Boundary: {boundary}.").format(boundary=words.boundary(split.boundary))


def tokens(rows: Rows) -> str:
    """How many tokens, and on how many days nobody counted."""
    made = days.total(rows)
    if made is None:
        return _("No job counted tokens")
    counted, gaps = days.counted(rows), len(days.missing(rows))
    said = ngettext("{tokens} made on {n} day", "{tokens} made on {n} days", counted).format(
        tokens=format_si(made, "tok"), n=counted
    )
    return _("{said}; nobody counted on {n}").format(said=said, n=gaps) if gaps else said


def _hours(accounts: Rows) -> dict[Account, float]:
    found = {str(row.get("account")): number(row.get("device_hours")) or 0.0 for row in accounts}
    return {account: found.get(account.value, 0.0) for account in Account}
