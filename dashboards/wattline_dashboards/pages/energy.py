"""Energy: from the grid to kept work, what it cost, what it emitted, and whether meters agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update

from wattline_collector.ledger.accounts import Account
from wattline_collector.palette import (
    RAMP,
    TOKENS,
    UNKNOWN,
    Mode,
    format_number,
    format_percent,
)
from wattline_dashboards import exports, markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import balance, notice, period_line, stats
from wattline_dashboards.components.chart import chart, files
from wattline_dashboards.components.stats import Figure, Wanted
from wattline_dashboards.context import Context
from wattline_dashboards.figures import moments, sankey, series, ways
from wattline_dashboards.language import N_, _
from wattline_dashboards.trust import COMFORT

PATH = "/energy"
TITLE = N_("Energy")
GROUP = "management"
PICKERS = ("period", "system")
EVERY_MS = 15_000
KEPT_SECONDS = 60.0
"""An answer of a year takes the collector seconds; books grow by the minute."""
LEAST_COVERED = 0.5
"""Part of the period that the flow must be of for the page to open with it."""
_STEP_MS = {"hour": 3.6e6, "day": 8.64e7, "week": 6.048e8, "month": 2.63e9, "year": 3.156e10}


def layout(**_query: Any) -> html.Div:
    """The page before its figures."""
    return html.Div(
        [
            dcc.Interval(id="energy-tick", interval=EVERY_MS),
            markup.store("energy"),
            html.Div(id="energy-notice"),
            html.Div(
                [
                    html.Div(
                        [
                            html.H1(id="energy-answer"),
                            html.P(id="energy-scope", className="scope"),
                        ],
                        className="answer",
                    ),
                    html.Section(id="energy-figures", className="span-all"),
                    chart("energy-flow", sankey.HEIGHT, class_name="area-flow"),
                    chart("energy-pue", series.HEIGHT, class_name="area-pue"),
                    chart("energy-carbon", ways.HEIGHT, class_name="area-carbon"),
                    chart("energy-cost", series.HEIGHT, class_name="area-cost"),
                    html.Section(
                        [
                            html.Div(
                                [
                                    html.H2(id="energy-meters-finding"),
                                    files("energy-meters", picture=False),
                                ],
                                className="section-head",
                            ),
                            html.P(id="energy-meters-note", className="muted note"),
                            html.Div(id="energy-meters"),
                        ],
                        className="area-meters",
                    ),
                ],
                id="energy-page",
                className="drawn energy waiting",
            ),
        ]
    )


def render(answer: Answer, mode: Mode, zone: ZoneInfo) -> dict[str, Any]:
    """All that an answer fills, by name; `parts` are components by the id they fill."""
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"energy-notice": notice.away(answer)}
    changes["parts"] = parts
    if answer.value is None:
        return changes | {"class": "drawn energy waiting"}
    said = answer.value
    figures = stats.listed(said)
    energy, coverage = _flow(said)
    over_time = said.get("series") or {}
    pue, span = _rows(over_time, "S03"), period_line.span(said)
    parts |= {
        "energy-answer": finding(energy, coverage),
        "energy-scope": period_line.scope(said, zone),
        "energy-figures": stats.stats(figures, wanted()),
        "energy-flow-finding": _flow_finding(energy),
        "energy-flow-note": _flow_note(energy, coverage, bool(said.get("system"))),
        "energy-pue-finding": _pue_finding(figures, pue),
        "energy-pue-note": _unknown_note(figures, "S03"),
        "energy-carbon-finding": ways.finding(figures),
        "energy-carbon-note": ways.note(figures),
        "energy-cost-finding": _cost_finding(said),
        "energy-cost-note": _cost_note(said),
        "energy-meters-finding": balance.finding(figures),
        "energy-meters-note": balance.note(),
        "energy-meters": balance.table_of(figures, said.get("boundaries") or ()),
    }
    costs = cost_rows(said)
    return changes | {
        "class": notice.stale_class(answer) + " energy",
        "flow": sankey.figure(energy, mode),
        "no_flow": not energy.links,
        "pue": _pue(pue, mode, zone, span),
        "no_pue": all(number(row.get("value")) is None for row in pue),
        "carbon": ways.figure(figures, mode),
        "cost": series.stacked(
            tariffs(costs, mode), costs, "tariff", mode, zone, _euro,
            step_ms=_STEP_MS.get(str(said.get("step")), 8.64e7), span=span,
        ),
        "no_cost": all(number(row.get("value")) is None for row in costs),
    }  # fmt: skip


def wanted() -> list[Wanted]:
    """The figures the page opens with, in the order people ask for them."""
    return [
        Wanted("S01", _("Data centre"), {"indicator": "E_DC"}),
        Wanted("S03", "PUE", plain=True),
        Wanted("S10", _("Tokens per joule")),
        Wanted("S04", _("Water"), plain=True),
        Wanted("S05", _("Heat reused")),
        Wanted("S06", _("Renewable"), {"kind": "all"}),
        Wanted("I12", _("Energy cost"), {"figure": "energy_euro_per_gpu_hour"}),
    ]


def finding(energy: sankey.Flow, coverage: float | None) -> str:
    """The sentence the page opens with."""
    if not energy.links:
        return _("No meter was read in this period.")
    if coverage is not None and coverage < LEAST_COVERED:
        return _("Meters cover only {share} of this period.").format(share=format_percent(coverage))
    kept = energy.of_account(Account.BUSY)
    unknown = sum(energy.of_account(one) for one in (Account.UNMEASURED, Account.UNOBSERVED))
    is_least = unknown > (1 - COMFORT) * energy.total
    if is_least and not kept:
        return _("Whether the energy became kept work was not measured.")
    if "grid" in energy.knots:
        said = (
            _("At least {kept} of the energy from the grid became kept work.")
            if is_least
            else _("{kept} of the energy from the grid became kept work.")
        )
    else:
        said = (
            _("At least {kept} of the energy that nodes used became kept work.")
            if is_least
            else _("{kept} of the energy that nodes used became kept work.")
        )
    return said.format(kept=format_percent(kept / energy.total))


def tariffs(rows: Sequence[Mapping[str, Any]], mode: Mode) -> dict[str, tuple[str, str]]:
    """Label and colour of each tariff, the largest first."""
    sums: dict[str, float] = {}
    for row in rows:
        name = str(row.get("tariff"))
        sums[name] = sums.get(name, 0.0) + (number(row.get("value")) or 0.0)
    names = sorted(sums, key=lambda name: (-sums[name], name))
    colours = [TOKENS[mode].accent, RAMP[5], RAMP[1], RAMP[7], TOKENS[mode].mark]
    return {
        name: (name[:40], colours[min(place, len(colours) - 1)]) for place, name in enumerate(names)
    }


def cost_rows(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Euro by tariff over time; energy without a tariff has no euro and is in no row."""
    rows = (said.get("cost") or {}).get("rows") or ()
    return [
        {"tariff": row.get("tariff"), "at_unix_ms": row.get("at_unix_ms"),
         "value": row.get("euro"), "joules": row.get("joules")}
        for row in rows
        if isinstance(row, Mapping) and row.get("tariff") is not None
    ]  # fmt: skip


def _flow(said: Mapping[str, Any]) -> tuple[sankey.Flow, float | None]:
    told = said.get("flow") or {}
    return sankey.flow(told.get("links")), number(told.get("coverage"))


def _flow_finding(energy: sankey.Flow) -> str:
    if not energy.links:
        return _("Where the energy went")
    losses = {
        knot: energy.through(knot)
        for knot in energy.knots
        if knot in ("facility_overhead", "unmetered")
        or knot in {one.value for one in Account if one is not Account.BUSY}
    }
    if not losses:
        return _("Where the energy went")
    most = max(losses, key=lambda knot: losses[knot])
    if most in (Account.UNMEASURED, Account.UNOBSERVED):
        said = _("What most of it was for nobody measured: {share}")
        return said.format(share=format_percent(losses[most] / energy.total))
    return _("Most of what did not become kept work: {what}, {share}").format(
        what=sankey.name_of(most).lower(), share=format_percent(losses[most] / energy.total)
    )


def _flow_note(energy: sankey.Flow, coverage: float | None, of_system: bool) -> str:
    parts = []
    if "grid" not in energy.knots and energy.links:
        parts.append(
            _("Meters of the site are of all systems: the flow begins at this system's nodes.")
            if of_system
            else _("No meter of the facility: the flow begins at the nodes.")
        )
    if coverage is not None and coverage < 0.999 and "grid" in energy.knots:
        parts.append(
            _("Of the {share} of hours in which all meters of the facility have readings.").format(
                share=format_percent(coverage)
            )
        )
    if "node_overhead" in energy.knots:
        parts.append(_("A node's overhead is booked to its devices' accounts by time."))
    return " ".join(parts)


def _pue(
    rows: Sequence[Mapping[str, Any]],
    mode: Mode,
    zone: ZoneInfo,
    span: tuple[float, float] | None,
) -> Any:
    return series.lines(
        [series.Line("PUE", rows, TOKENS[mode].accent)],
        mode,
        zone,
        lambda value: UNKNOWN if value is None else f"{value:.3g}",
        span=span,
        from_zero=False,
    )


def _pue_finding(figures: Sequence[Figure], rows: Sequence[Mapping[str, Any]]) -> str:
    whole = stats.value_of(stats.picked(figures, "S03"))
    values = [v for row in rows if (v := number(row.get("value"))) is not None]
    if whole is None or not values:
        return _("PUE is not known")
    low, high = (format_number(end) for end in (min(values), max(values)))
    if low == high:
        return _("PUE {value}").format(value=format_number(whole))
    return _("PUE {value}, between {low} and {high}").format(
        value=format_number(whole), low=low, high=high
    )


def _unknown_note(figures: Sequence[Figure], id: str) -> str:
    figure = stats.picked(figures, id)
    if figure is None:
        return ""
    coverage = number(figure.get("coverage"))
    note = text(figure.get("note")) or ""
    if stats.value_of(figure) is not None and coverage is not None and coverage < 0.95:
        note = "; ".join(
            filter(None, (_("coverage {share}").format(share=format_percent(coverage)), note))
        )
    return note[:400]


def _cost_finding(said: Mapping[str, Any]) -> str:
    rows = cost_rows(said)
    euro = [v for row in rows if (v := number(row["value"])) is not None]
    if not euro:
        return _("No tariff holds in this period")
    joules = sum(number(row["joules"]) or 0.0 for row in rows if number(row["value"]) is not None)
    mean = (
        _("{euro} per kWh").format(euro=f"{sum(euro) / (joules / 3.6e6):.3f} €") if joules else ""
    )
    return _("Electricity cost {euro}, {mean}").format(euro=_euro(sum(euro)), mean=mean)


def _cost_note(said: Mapping[str, Any]) -> str:
    told = said.get("cost") or {}
    of = (
        _("All that the data centre took, by the tariffs of the profile.")
        if told.get("of") == "E_DC"
        else _("What the books have, by the tariffs of the profile; cooling is not in it.")
    )
    coverage = number(told.get("coverage"))
    if coverage is None or coverage == 0:
        return _("State [tariff.NAME] euro_per_kwh in the profile: wattline profile template.")
    thin = "" if coverage > 0.999 else " " + _("{share} of the energy has a price.").format(
        share=format_percent(coverage)
    )  # fmt: skip
    names = ", ".join(tariffs(cost_rows(said), Mode.LIGHT))
    return f"{of}{thin} " + _("Tariffs: {names}.").format(names=names)


def _euro(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return format_number(round(value) if abs(value) >= 10 else value, "€")


def _rows(over_time: Mapping[str, Any], id: str) -> list[Mapping[str, Any]]:
    rows = over_time.get(id)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


OUTPUTS = {
    "parts": Output("energy-drawing", "data"),
    "class": Output("energy-page", "className"),
    "flow": Output("energy-flow", "figure"),
    "no_flow": Output("energy-flow-place", "hidden"),
    "pue": Output("energy-pue", "figure"),
    "no_pue": Output("energy-pue-place", "hidden"),
    "carbon": Output("energy-carbon", "figure"),
    "cost": Output("energy-cost", "figure"),
    "no_cost": Output("energy-cost-place", "hidden"),
}


def sheet(name: str, said: Mapping[str, Any]) -> exports.Sheet | None:
    """The rows behind one of the page's charts, in base units."""
    heads: tuple[str, ...]
    figures = stats.listed(said)
    if name == "flow":
        links = _flow(said)[0].links.items()
        heads = ("from", "to", "energy (J)")
        return exports.Sheet("energy-flow", heads, [(*link, joules) for link, joules in links])
    if name == "pue":
        heads = ("from (UTC)", "PUE", "data centre (J)", "IT (J)", "coverage")
        rows = [
            (moments.iso(number(row.get("at_unix_ms"))),
             *(row.get(key) for key in ("value", "numerator", "denominator", "coverage")))
            for row in _rows(said.get("series") or {}, "S03")
        ]  # fmt: skip
        return exports.Sheet("energy-pue", heads, rows)
    if name == "cost":
        heads = ("tariff", "from (UTC)", "energy (J)", "cost (EUR)")
        rows = [
            (row["tariff"], moments.iso(number(row["at_unix_ms"])), row["joules"], row["value"])
            for row in cost_rows(said)
        ]
        return exports.Sheet("energy-cost", heads, rows)
    ids = ("S08", "S13") if name == "carbon" else ("S14",)
    return stats.sheet(f"energy-{name}", [one for id in ids for one in stats.every(figures, id)])


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def asked(picked: object) -> Answer | None:
        pick = context.asked(picked)
        if pick is None:
            return None
        query = [*pick.query, *([("system", pick.system)] if pick.system else [])]
        return context.answers.ask("/v1/energy", query, KEPT_SECONDS)

    def fill(_tick: int | None, picked: object, mode: str) -> dict[str, Any]:
        answer = asked(picked)
        if answer is None:
            return dict.fromkeys(OUTPUTS, no_update)
        changes = render(answer, theme.mode_named(mode), context.zone)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def sheet_of(name: str) -> Any:
        def made(picked: object) -> exports.Sheet | None:
            answer = asked(picked)
            return None if answer is None or answer.value is None else sheet(name, answer.value)

        return made

    app.clientside_callback(ClientsideFunction("wattline", "draw"), Input("energy-drawing", "data"))
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("energy-tick", "n_intervals"),
            Input("shell-asked", "data"),
            Input("shell-mode", "data"),
        ],
    )(fill)
    for name in ("flow", "pue", "carbon", "cost", "meters"):
        exports.connect(app, f"energy-{name}", [Input("shell-asked", "data")], sheet_of(name))
