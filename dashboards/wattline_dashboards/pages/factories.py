"""Factories: what several factories tell in signed bundles, side by side and size for size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update

from wattline_collector.palette import Mode, format_percent, format_value
from wattline_dashboards import exports, markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number, text
from wattline_dashboards.components import factories as told
from wattline_dashboards.components import notice, pickers
from wattline_dashboards.components.chart import chart, files
from wattline_dashboards.components.factories import rows_of
from wattline_dashboards.components.short import cut
from wattline_dashboards.context import Context
from wattline_dashboards.figures import factories as figures
from wattline_dashboards.language import N_, _, ngettext

PATH = "/factories"
TITLE = N_("Factories")
GROUP = "management"
PICKERS = ()
EVERY_MS = 5_000
KEPT_SECONDS = 4.0
MOST_CHARACTERS = 80

THEMES = {
    "production": N_("AI production"),
    "use": N_("Use of the GPUs"),
    "energy": N_("Energy and water"),
    "availability": N_("Availability"),
    "service": N_("Users and training"),
}
"""The charts of the page, by the theme of the network review that each draws."""


def layout(period: object = None, **_query: Any) -> html.Div:
    """The page before its figures; the address may say which period is compared."""
    asked = period if isinstance(period, str) and len(period) <= MOST_CHARACTERS else None
    return html.Div(
        [
            dcc.Interval(id="factories-tick", interval=EVERY_MS),
            markup.store("factories"),
            html.Div(id="factories-notice"),
            html.Div(
                [
                    html.Div(
                        [
                            html.H1(id="factories-answer"),
                            html.P(id="factories-scope", className="scope"),
                        ],
                        className="answer",
                    ),
                    html.Div(id="factories-empty"),
                    html.Div(
                        html.Label(
                            [
                                html.Span(_("Period compared"), className="stat-label"),
                                dcc.Dropdown(
                                    id="factories-period", value=asked, clearable=False,
                                    searchable=False, className="dropdown",
                                ),
                            ]
                        ),
                        id="factories-period-place",
                        className="controls",
                        hidden=True,
                    ),
                    html.Div(
                        [
                            html.P(id="factories-legend", className="muted note"),
                            *(
                                chart(f"factories-{name}", figures.height(3), title=_(title))
                                for name, title in THEMES.items()
                            ),
                            _table("factories-exchanges"),
                        ],
                        id="factories-charts",
                        hidden=True,
                    ),
                    html.Div(
                        [
                            _table("factories-bundles", _("Bundles that were received")),
                            _table("factories-refused"),
                        ],
                        id="factories-tables",
                        hidden=True,
                    ),
                ],
                id="factories-page",
                className="drawn factories waiting",
            ),
        ]
    )  # fmt: skip


def _table(id: str, title: str = "") -> html.Section:
    return html.Section(
        [
            html.Div(
                [html.H2(title or None, id=f"{id}-finding"), files(id, picture=False)],
                className="section-head",
            ),
            html.Div(id=id),
        ]
    )


def render(answer: Answer, mode: Mode, zone: ZoneInfo) -> dict[str, Any]:
    """All that an answer fills, by name; `parts` are components by the id they fill."""
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"factories-notice": notice.away(answer)}
    changes["parts"] = parts
    if answer.value is None:
        return changes | {"class": "drawn factories waiting"}
    said = answer.value
    factories = [str(one) for one in said.get("factories") or ()]
    received = int(number(said.get("received")) or 0)
    parts |= {
        "factories-answer": finding(said),
        "factories-scope": _scope(said, zone),
        "factories-empty": _empty(said, received),
    }
    changes |= {
        "class": notice.stale_class(answer) + " factories",
        "no_charts": not factories,
        "no_tables": not received or bool(said.get("problem")),
        "no_period": len(rows_of(said, "periods")) < 2,
        "placeholder": told.period_name(said.get("period"), zone),
        "periods": [
            {"label": _period(one, zone), "value": str(one.get("id"))}
            for one in rows_of(said, "periods")
        ],
    }
    for name in THEMES:
        theme_of = _theme(said, name)
        measures = rows_of(theme_of, "measures")
        changes[name] = figures.dots(measures, factories, text(said.get("own")), mode)
        changes[f"{name}_style"] = {"height": f"{figures.height(len(factories))}px"}
        parts[f"factories-{name}-note"] = note(measures)
    if received:
        parts |= {
            "factories-legend": _legend(said),
            "factories-exchanges-finding": told.matrix_finding(said),
            "factories-exchanges": told.matrix(said),
            "factories-bundles": told.bundles(said, zone),
            "factories-refused-finding": told.refused_finding(said),
            "factories-refused": told.refused(said),
        }
    return changes


def finding(said: Mapping[str, Any]) -> str:
    """The sentence the page opens with."""
    if not said.get("installed"):
        return _("This collector cannot read bundles")
    if not number(said.get("received")):
        return _("No bundle of any factory is here yet")
    factories = said.get("factories") or ()
    if said.get("problem") or not factories:
        return _("No bundle can be shown")
    count = len(factories)
    head = ngettext("{count} factory alone", "{count} factories side by side", count).format(
        count=count
    )
    parts = []
    for key, words in (
        ("U01", _("{value} of the offered GPU-hours were assigned")),
        ("S03", _("the energy-weighted PUE is {value}")),
    ):
        value = _together(said, key)
        if value is not None:
            shown = format_percent(value / 100) if key == "U01" else format_value(value, "")
            parts.append(words.format(value=shown))
    return f"{head}: {', '.join(parts)}" if parts else head


def note(measures: Sequence[Mapping[str, Any]]) -> str:
    """Who lies apart, and how many factories tell each figure."""
    apart = [
        _("{factory} lies apart in {measure}").format(
            factory=cut(row.get("factory"), 40), measure=figures.measure_name(one)
        )
        for one in measures
        for row in rows_of(one, "factories")
        if row.get("apart")
    ]
    few = [
        _("{measure}: told by {known} of {count}").format(
            measure=figures.measure_name(one),
            known=sum(number(row.get("value")) is not None for row in rows_of(one, "factories")),
            count=len(rows_of(one, "factories")),
        )
        for one in measures
        if any(number(row.get("value")) is None for row in rows_of(one, "factories"))
    ]
    return " · ".join([*apart, *few])


def _legend(said: Mapping[str, Any]) -> str:
    own = text(said.get("own"))
    parts = [
        _(
            "A dot is a factory by its own bundle; its line is as long as the share that was not "
            "observed. The band is the middle half of four factories or more, the upright line "
            "the median. All together is sums over sums, never a mean of ratios."
        )
    ]
    if own is not None and own in (said.get("factories") or ()):
        parts.append(_("The filled dot is this factory, {own}.").format(own=cut(own, 40)))
    parts.append(_("What a factory hides is not inferred."))
    return " ".join(parts)


def _scope(said: Mapping[str, Any], zone: ZoneInfo) -> Any:
    if not said.get("installed"):
        return [
            _("Bundles are read by the distribution wattline-reports. Beside the collector: "),
            html.Code("pip install wattline-reports"),
            _(", then start the collector again. This page goes on by itself."),
        ]
    parts = [told.period_name(said.get("period"), zone)] if said.get("period") else []
    held = len(rows_of(said, "bundles"))
    if held:
        parts.append(
            ngettext("{count} bundle verified", "{count} bundles verified", held).format(count=held)
        )
    if wrong := len(rows_of(said, "refused")):
        parts.append(ngettext("{count} refused", "{count} refused", wrong).format(count=wrong))
    if more := int(number(said.get("to_verify")) or 0):
        parts.append(_("{count} are still being verified").format(count=more))
    if more := int(number(said.get("not_looked_at")) or 0):
        parts.append(_("{count} more are in the folder and were not looked at").format(count=more))
    return " · ".join(parts)


def _empty(said: Mapping[str, Any], received: int) -> Any:
    if not said.get("installed"):
        return None
    return told.problem(said) if received else told.empty(said)


def _period(one: Mapping[str, Any], zone: ZoneInfo) -> str:
    count = int(number(one.get("factories")) or 0)
    several = ngettext("{count} factory", "{count} factories", count).format(count=count)
    return f"{told.period_name(one, zone)} ({several})"


def _theme(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((one for one in rows_of(said, "themes") if one.get("id") == name), {})


def _together(said: Mapping[str, Any], key: str) -> float | None:
    for one in rows_of(said, "themes"):
        for measure in rows_of(one, "measures"):
            network = measure.get("network")
            if measure.get("key") == key and isinstance(network, Mapping):
                return number(network.get("value"))
    return None


# Files


def sheet(name: str, said: Mapping[str, Any]) -> exports.Sheet:
    """The rows behind one of the page's parts."""
    heads: tuple[str, ...]
    keys: tuple[str, ...]
    if name in THEMES:
        heads = ("measure", "key", "unit", "factory", "value", "above", "below", "n", "coverage",
                 "method", "status", "note")  # fmt: skip
        keys = ("value", "numerator", "denominator", "n", "coverage", "method", "status", "note")
        rows = [
            [one.get("name"), one.get("key"), one.get("unit"),
             row.get("factory", "all together"), *(row.get(key) for key in keys)]
            for one in rows_of(_theme(said, name), "measures")
            for row in (*rows_of(one, "factories"), one.get("network") or {})
        ]  # fmt: skip
        return exports.Sheet(f"factories-{name}", heads, rows)
    if name == "exchanges":
        of = said.get("coordination")
        told_of: Mapping[str, Any] = of if isinstance(of, Mapping) else {}
        keys = ("factory", "counterpart", "kind", "activities", "person_days")
        heads = ("factory", "counterpart", "kind", "activities", "person-days")
        listed = [[row.get(key) for key in keys] for row in rows_of(told_of, "records")]
        return exports.Sheet("factories-exchanges", heads, listed)
    if name == "refused":
        both = [(what, row) for what in ("refused", "aside") for row in rows_of(said, what)]
        return exports.Sheet(
            "factories-refused", ("file", "what", "why"),
            [(row.get("file"), what, row.get("why")) for what, row in both],
        )  # fmt: skip
    keys = ("file", "factory", "country", "kind", "revision", "valid_until", "balanced",
            "checked_hours", "hidden", "cells", "digest", "shown")  # fmt: skip
    heads = ("from", "to", "signed by", *keys)
    rows_all = [
        [(row.get("period") or {}).get("from"), (row.get("period") or {}).get("to"),
         ", ".join(map(str, row.get("signers") or ())), *(row.get(key) for key in keys)]
        for row in rows_of(said, "bundles")
    ]  # fmt: skip
    return exports.Sheet("factories-bundles", heads, rows_all)


OUTPUTS = {
    "parts": Output("factories-drawing", "data"),
    "class": Output("factories-page", "className"),
    "no_charts": Output("factories-charts", "hidden"),
    "no_tables": Output("factories-tables", "hidden"),
    "no_period": Output("factories-period-place", "hidden"),
    "periods": Output("factories-period", "options"),
    "placeholder": Output("factories-period", "placeholder"),
    **{name: Output(f"factories-{name}", "figure") for name in THEMES},
    **{f"{name}_style": Output(f"factories-{name}", "style") for name in THEMES},
}


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def ask(period: object) -> Answer:
        query = [("of", period)] if isinstance(period, str) and period else []
        return context.answers.ask("/v1/factories", query, KEPT_SECONDS)

    def fill(_tick: int | None, period: object, mode: str) -> dict[str, Any]:
        changes = render(ask(period), theme.mode_named(mode), context.zone)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def sheet_of(name: str) -> Callable[[object], exports.Sheet | None]:
        def made(period: object) -> exports.Sheet | None:
            said = ask(period).value
            return None if said is None else sheet(name, said)

        return made

    app.clientside_callback(
        ClientsideFunction("wattline", "draw"), Input("factories-drawing", "data")
    )
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("factories-tick", "n_intervals"),
            Input("factories-period", "value"),
            Input("shell-mode", "data"),
        ],
    )(fill)
    pickers.remember(app, "factories-period")
    for name in (*THEMES, "exchanges", "bundles", "refused"):
        exports.connect(
            app, f"factories-{name}", [Input("factories-period", "value")], sheet_of(name)
        )
