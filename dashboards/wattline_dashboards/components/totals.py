"""The fleet's answer: one line of totals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow.compute as pc

from wattline_collector.ledger.accounts import WORKING, Account
from wattline_collector.palette import (
    THIN_SPACE,
    format_age,
    format_number,
    format_percent,
    format_si,
)
from wattline_dashboards import words
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.parts import marks, quantity, stat, swatch
from wattline_dashboards.elements import Div, Dl, P, Span
from wattline_dashboards.language import _, ngettext
from wattline_dashboards.picture import Picture


def totals(picture: Picture) -> list[P | Dl]:
    """Power, tokens, tokens per joule, what devices do, and how fresh all this is."""
    sums = picture.totals
    made = [_power(sums), _tokens(sums), _efficiency(sums)]
    if picture.devices.rows:
        return [Dl([*made, *_states(picture), _freshness(picture)], className="totals")]
    # Without accelerators most of this is not unknown but absent, so it is said, not dashed.
    names = ("power_watts", "tokens_per_second", "tokens_per_joule")
    known = [
        part for part, name in zip(made, names, strict=True) if number(sums.get(name)) is not None
    ]
    hosts = picture.nodes.rows
    said = ngettext(
        "{n} host reports, and no accelerators.", "{n} hosts report, and no accelerators.", hosts
    ).format(n=_count(hosts))
    if number(sums.get("tokens_per_second")) is None:
        said += " " + _("Tokens appear as soon as a job counts them.")
    if hosts > 1:
        known.append(_freshness(picture))
    lead = P(said, className="lead")
    return [lead, Dl(known, className="totals")] if known else [lead]


def _power(sums: Mapping[str, Any]) -> Div:
    watts, boundary = number(sums.get("power_watts")), text(sums.get("power_boundary"))
    return stat(
        _("Power"),
        quantity(format_si(watts, "W")),
        _("no power meter") if watts is None or boundary is None else words.boundary(boundary),
        **marks(data_field="power_watts"),
    )


def _tokens(sums: Mapping[str, Any]) -> Div:
    return stat(
        _("Tokens"),
        quantity(format_si(number(sums.get("tokens_per_second")), "tok/s")),
        _("per second, all jobs"),
        **marks(data_field="tokens_per_second"),
    )


def _efficiency(sums: Mapping[str, Any]) -> Div:
    return stat(
        _("Efficiency"),
        quantity(format_number(number(sums.get("tokens_per_joule")), "tok/J")),
        _("tokens per joule"),
        **marks(data_field="tokens_per_joule"),
    )


def _states(picture: Picture) -> list[Div]:
    counts = picture.counts
    devices = picture.devices.rows
    if not devices:
        return []
    shown: list[tuple[str, str, str, int]] = [
        ("working", _("Working"), "busy", sum(counts[account] for account in WORKING)),
        ("held", _("Held"), "held", counts[Account.HELD]),
        ("free", _("Free"), "free", counts[Account.FREE]),
        ("down", _("Down"), "down", counts[Account.DOWN]),
        ("silent", _("Silent"), "unobserved", counts[Account.UNOBSERVED]),
    ]
    if counts[Account.UNMEASURED]:
        unmeasured = ("unmeasured", _("Unmeasured"), "unmeasured", counts[Account.UNMEASURED])
        shown.insert(2, unmeasured)
    return [
        stat(
            label,
            Span([swatch(colour), _count(count)], className="count"),
            _("of {all}").format(all=_count(devices))
            if name == "working"
            else format_percent(count / devices),
            **marks(data_field=name),
        )
        for name, label, colour, count in shown
    ]


def _freshness(picture: Picture) -> Div:
    table, silent, said = (
        (picture.devices, picture.counts[Account.UNOBSERVED], _("{n} devices report"))
        if picture.devices.rows
        else (picture.nodes, sum(picture.silent_nodes), _("{n} hosts report"))
    )
    age = number(pc.min(table.vector("age_ms")).as_py())
    fresh = table.rows - silent
    return stat(
        _("Newest reading"),
        quantity(format_age(age)),
        said.format(n=_count(fresh)),
        **marks(data_field="freshness"),
        **({} if age is None else _of(picture.time_unix_ms - age)),
    )


def _of(unix_ms: float) -> dict[str, str]:
    """When a reading was taken: for eyes under the pointer, and to the millisecond."""
    utc = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return {"title": f"{utc:%H:%M:%S} UTC", **marks(data_unix_ms=f"{unix_ms:.0f}")}


def _count(value: int) -> str:
    return f"{value:,}".replace(",", THIN_SPACE)
