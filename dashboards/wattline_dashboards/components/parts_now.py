"""The parts of the page of now: figures, power against its cap, alerts, devices that run hot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from dash import html

from wattline_collector.palette import (
    format_celsius,
    format_number,
    format_percent,
    format_si,
)
from wattline_dashboards import words
from wattline_dashboards.columns import number, text
from wattline_dashboards.components.explain import explained
from wattline_dashboards.components.feeds import count
from wattline_dashboards.components.moment import moment
from wattline_dashboards.components.parts import (
    Column,
    Row,
    coverage_note,
    marks,
    nothing,
    quantity,
    stat,
    table,
)
from wattline_dashboards.components.severity import SEVERITIES, badge
from wattline_dashboards.components.short import short
from wattline_dashboards.figures import power_now
from wattline_dashboards.language import _, ngettext


def figures(told: Mapping[str, Any]) -> html.Dl:
    """Tokens, tokens per joule, power."""
    tokens = number(told.get("tokens_per_second"))
    efficiency = number(told.get("tokens_per_joule"))
    power = told.get("power") or {}
    watts, boundary = number(power.get("watts")), text(power.get("boundary")) or ""
    return html.Dl(
        [
            stat(
                _("Tokens"), explained("P02", quantity(format_si(tokens, "tok/s")), _("Tokens")),
                _("per second, all jobs") if tokens is not None else _("no job counts tokens"),
                **marks(data_field="tokens_per_second"),
            ),
            stat(
                _("Efficiency"),
                explained("S10", quantity(format_number(efficiency, "tok/J")), _("Efficiency")),
                _("tokens per joule"), **marks(data_field="tokens_per_joule"),
            ),
            stat(
                _("Power"), quantity(format_si(watts, "W")),
                _("no power meter") if watts is None else words.boundary(boundary),
                **marks(data_field="power_watts"),
            ),
        ],
        className="totals",
    )  # fmt: skip


def power(power: Mapping[str, Any]) -> str:
    """How power stands to its cap, as a sentence."""
    watts, cap = number(power.get("watts")), power_now.cap_of(power)
    if watts is None:
        return _("Power is not known: no meter reports")
    shown = format_si(watts, "W")
    if not cap:
        return _("{power} now").format(power=shown)
    share = watts / cap
    words = _("{power} now, {share} of the cap") if share <= 1 else (
        _("{power} now, over the cap by {over}")
    )  # fmt: skip
    return words.format(power=shown, share=format_percent(share), over=format_si(watts - cap, "W"))


def note(power: Mapping[str, Any]) -> list[Any]:
    """What the chart of power is drawn from, and what it lacks."""
    coverage = number((power.get("course") or {}).get("coverage"))
    caps = power_now.caps(power)
    said: list[Any] = [_("The last two hours by the books, each minute what was metered.")]
    lacking = [name for name, cap in caps.items() if cap is None]
    if lacking:
        said.append(
            _(" No cap is drawn: the profile gives {systems} no power_budget.").format(
                systems=", ".join(str(name)[:40] for name in lacking[:4])
            )
        )
    thin = coverage_note(coverage)
    return [*said, " ", thin] if thin is not None else said


def alerts(alerts: object, zone: ZoneInfo, *, link: bool) -> list[Any]:
    """How many alerts fire by severity, and a line for each of the first rules."""
    if not isinstance(alerts, Mapping):
        return [nothing(_("Alerts are not judged here, or not for your roles."))]
    counts = alerts.get("counts") or {}
    heads = [
        html.Div(
            [
                html.Span(count(counts.get(severity) or 0), className="severity-count"),
                badge(severity),
            ],
            className="severity-total" + ("" if counts.get(severity) else " none"),
            **marks(data_severity=severity),
        )
        for severity in SEVERITIES
    ]
    first = [one for one in alerts.get("first") or () if isinstance(one, Mapping)]
    lines = [
        html.Li(
            [
                badge(text(one.get("severity")) or "", ""),
                html.Span(
                    [
                        short(one.get("title"), most=110),
                        html.Span(
                            _(" and {n} more").format(n=count((number(one["count"]) or 1) - 1)),
                            className="strong",
                        ) if (number(one.get("count")) or 1) > 1 else None,
                        html.Span([" · ", moment(number(one.get("since_ms")), zone)],
                                  className="muted"),
                    ]
                ),
            ]
        )
        for one in first
    ]  # fmt: skip
    more = (number(alerts.get("rules")) or 0) - len(first)
    parts: list[Any] = [html.Div(heads, className="severities")]
    parts.append(html.Ul(lines, className="alert-lines") if lines else nothing(_("Nothing fires.")))
    if more > 0:
        parts.append(nothing(_("and {n} more rules that fire").format(n=count(more))))
    if link:
        parts.append(html.A(_("All alerts, and what to do"), href="/alerts"))
    return parts


def hot(told: Mapping[str, Any], most: int) -> list[Any]:
    """The hottest and the most throttled devices, `most` of them."""
    hottest = [one for one in told.get("hottest") or () if isinstance(one, Mapping)]
    throttled = [one for one in told.get("throttled") or () if isinstance(one, Mapping)]
    if not hottest and not throttled:
        return [nothing(_("No device reports a temperature."))]
    parts: list[Any] = []
    total = number(told.get("throttled_devices")) or 0
    said = (
        ngettext("{n} device is throttled", "{n} devices are throttled", total).format(
            n=count(total)
        )
        if total
        else _("No device is throttled")
    )
    parts.append(html.P(said, className="caution" if total else "muted"))
    seen = {(one.get("system"), one.get("device")) for one in hottest}
    others = [one for one in throttled if (one.get("system"), one.get("device")) not in seen]
    rows = [*hottest[: most - min(len(others), most // 2)], *others[: most // 2]]
    columns = (
        Column("device", _("Device")),
        Column("temperature", _("Chip"), numeric=True),
        Column("throttled", _("Throttled"), numeric=True,
               title=_("Share of the last seconds in which the device was held back")),
        Column("power", _("Power"), numeric=True),
    )  # fmt: skip
    parts.append(table(_("Hottest and throttled devices"), columns,
                       [_device(one) for one in rows], "hot"))  # fmt: skip
    return parts


def _device(one: Mapping[str, Any]) -> Row:
    index = number(one.get("index"))
    place = "" if index is None else f" #{index:.0f}"
    return Row(
        {
            "device": html.Span(
                [short(one.get("node"), "strong", 40), place], title=str(one.get("device"))[:120]
            ),
            "temperature": format_celsius(number(one.get("temperature_celsius"))),
            "throttled": format_percent(number(one.get("throttled_ratio"))),
            "power": format_si(number(one.get("power_watts")), "W"),
        }
    )
