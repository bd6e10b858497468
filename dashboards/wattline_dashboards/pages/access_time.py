"""Access: whose the time was against what was granted, who keeps pace, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, dcc, html, no_update

from wattline_collector.palette import Mode, format_percent
from wattline_dashboards import exports, markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number
from wattline_dashboards.components import granted, notice, period_line, pickers, stats
from wattline_dashboards.components.chart import chart, files
from wattline_dashboards.components.parts import marks
from wattline_dashboards.components.stats import Figure, Wanted
from wattline_dashboards.context import Context
from wattline_dashboards.figures import heat, moments, shares
from wattline_dashboards.language import N_, _, ngettext

PATH = "/access"
TITLE = N_("Access")
GROUP = "management"
PICKERS = ("period", "system")
EVERY_MS = 15_000
KEPT_SECONDS = 60.0
MOST_ROWS = 40
"""Bars of one chart; the file has all of them."""

BY = ("access_mode", "user_category", "sector", "field", "participating_state")
CELLS = ("safe", "all")


def layout(by: str | None = None, cells: str | None = None, **_query: Any) -> html.Div:
    """The page before its figures; the address may say by what it is split."""
    chosen = by if by in BY else BY[0]
    shown = cells if cells in CELLS else CELLS[0]
    return html.Div(
        [
            dcc.Interval(id="access_time-tick", interval=EVERY_MS),
            markup.store("access_time"),
            html.Div(id="access_time-notice"),
            html.Div(
                [
                    html.Div(
                        [
                            html.H1(id="access_time-answer"),
                            html.P(id="access_time-scope", className="scope"),
                        ],
                        className="answer",
                    ),
                    html.Section(id="access_time-figures", className="span-all"),
                    html.Div(
                        [
                            _control("access_time-by", _by_names(), chosen, _("Split by")),
                            chart("access_time-used", shares.height(6)),
                        ],
                        className="area-used",
                    ),
                    chart("access_time-burn", shares.height(6), class_name="area-burn"),
                    chart("access_time-guard", shares.height(1), class_name="area-guard"),
                    _table_section("access_time-waits", "area-waits"),
                    html.Div(
                        [
                            html.Div(
                                _control(
                                    "access_time-cells", _cell_names(), shown, _("Cells shown")
                                ),
                                id="access_time-cells-place",
                                hidden=True,
                            ),
                            chart("access_time-states", heat.height(6)),
                        ],
                        className="area-states",
                    ),
                    _table_section("access_time-gaps", "area-gaps"),
                ],
                id="access_time-page",
                className="drawn access_time waiting",
            ),
        ]
    )


def render(answer: Answer, mode: Mode, zone: ZoneInfo, by: object) -> dict[str, Any]:
    """All that an answer fills, by name; `parts` are components by the id they fill."""
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"access_time-notice": notice.away(answer)}
    changes["parts"] = parts
    if answer.value is None:
        return changes | {"class": "drawn access_time waiting"}
    said = answer.value
    figures = stats.listed(said)
    chosen = by if by in BY else BY[0]
    rows = granted.rows(figures, str(chosen))
    burn, guards = _mapping(said.get("burn")), _list(said.get("guard"))
    burning = granted.burn_rows(burn)
    map_of = _mapping(said.get("states"))
    cells = _list(map_of.get("cells"))
    parts |= {
        "access_time-answer": finding(figures, burn),
        "access_time-scope": period_line.scope(said, zone),
        "access_time-figures": stats.stats(figures, wanted()),
        "access_time-used-finding": granted.finding(rows),
        "access_time-used-note": granted.note(figures, str(chosen), len(rows), MOST_ROWS),
        "access_time-burn-finding": granted.burn_finding(burn),
        "access_time-burn-note": granted.burn_note(burn),
        "access_time-guard-finding": granted.guard_finding(guards),
        "access_time-guard-note": granted.guard_note(guards, figures),
        "access_time-waits-finding": granted.waits_finding(_list(said.get("waits"))),
        "access_time-waits": granted.waits(_list(said.get("waits"))),
        "access_time-states-finding": _("Who used it: State and user category"),
        "access_time-states-note": _states_note(map_of),
        "access_time-gaps-finding": granted.gaps_finding(_list(said.get("gaps"))),
        "access_time-gaps": granted.gaps(_list(said.get("gaps"))),
    }
    return changes | {
        "class": notice.stale_class(answer) + " access_time",
        "used": shares.granted_and_used(rows[:MOST_ROWS], mode),
        "used_style": _high(shares.height(min(len(rows), MOST_ROWS))),
        "no_used": not rows,
        "burn": shares.burn_down(burning[:MOST_ROWS], mode),
        "burn_style": _high(shares.height(min(len(burning), MOST_ROWS))),
        "no_burn": not burning,
        "guard": shares.guard(guards, mode),
        "guard_style": _high(shares.height(len(guards), 40)),
        "no_guard": all(number(row.get("share")) is None for row in guards),
        "states": heat.figure(cells, mode),
        "states_style": _high(heat.height(len(heat.states(cells)))),
        "no_states": not cells,
        "no_cells": not said.get("may_see_all"),
    }


def wanted() -> list[Wanted]:
    """The figures the page opens with."""
    return [
        Wanted("U04", _("Union share used")),
        Wanted("U05", _("Pace of grants")),
        Wanted("I04", _("Commercial share")),
        Wanted("I05", _("Active projects"), {"who": "projects"}, plain=True),
        Wanted("I05", _("Active users"), {"who": "users"}, plain=True),
        Wanted("I06", _("Start-ups and SMEs"), {"which": "served"}, plain=True),
        Wanted("I08", _("Proposals granted")),
        Wanted("U08", _("Oversubscription"), plain=True),
    ]


def finding(figures: Sequence[Figure], burn: Mapping[str, Any]) -> str:
    """The sentence the page opens with."""
    rows = granted.rows(figures, "access_mode")
    dated = [row for row in rows if row["granted"] is not None and row["used"] is not None]
    hours = sum(row["granted"] for row in dated)
    behind = sum(int(number(row.get("behind")) or 0) for row in _list(burn.get("rows")))
    if not hours:
        return _("Nobody tells what was granted in this period.")
    used = sum(row["used"] for row in dated)
    said = _("{share} of the granted GPU-hours were used").format(
        share=format_percent(used / hours)
    )
    if not behind:
        return f"{said}."
    late = ngettext(
        "{count} grant is far behind its time", "{count} grants are far behind their time", behind
    ).format(count=behind)
    return f"{said}; {late}."


def _states_note(told: Mapping[str, Any]) -> str:
    least = int(number(told.get("least")) or 0)
    rule = _("GPU-hours used; 30 % to the State of the lead, 70 % to those of its partners.")
    if told.get("everything"):
        return f"{rule} " + _("All cells are shown: not for passing on.")
    hidden = sum(bool(cell.get("hidden")) for cell in _list(told.get("cells")))
    if not hidden:
        return rule
    why = _(
        "Hatched: {hidden} cells of fewer than {least} projects, or from which one of those could "
        "be worked out. `wattline export` judges what may leave the site."
    ).format(hidden=hidden, least=least)
    return f"{rule} {why}"


def _by_names() -> dict[str, str]:
    return {
        "access_mode": _("Access mode"),
        "user_category": _("User category"),
        "sector": _("Sector"),
        "field": _("Field"),
        "participating_state": _("Participating State"),
    }


def _cell_names() -> dict[str, str]:
    return {"safe": _("Safe to pass on"), "all": _("All")}


def _control(id: str, names: Mapping[str, str], chosen: str, label: str) -> html.Div:
    return html.Div(
        dcc.RadioItems(
            id=id,
            options=[{"label": name, "value": value} for value, name in names.items()],
            value=chosen,
            className="segments",
            inline=True,
        ),
        className="controls",
        role="group",
        **marks(aria_label=label),
    )


def _table_section(id: str, class_name: str) -> html.Section:
    return html.Section(
        [
            html.Div(
                [html.H2(id=f"{id}-finding"), files(id, picture=False)], className="section-head"
            ),
            html.Div(id=id),
        ],
        className=class_name,
    )


def _high(pixels: int) -> dict[str, str]:
    return {"height": f"{pixels}px"}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


OUTPUTS = {
    "parts": Output("access_time-drawing", "data"),
    "class": Output("access_time-page", "className"),
    "used": Output("access_time-used", "figure"),
    "used_style": Output("access_time-used", "style"),
    "no_used": Output("access_time-used-place", "hidden"),
    "burn": Output("access_time-burn", "figure"),
    "burn_style": Output("access_time-burn", "style"),
    "no_burn": Output("access_time-burn-place", "hidden"),
    "guard": Output("access_time-guard", "figure"),
    "guard_style": Output("access_time-guard", "style"),
    "no_guard": Output("access_time-guard-place", "hidden"),
    "states": Output("access_time-states", "figure"),
    "states_style": Output("access_time-states", "style"),
    "no_states": Output("access_time-states-place", "hidden"),
    "no_cells": Output("access_time-cells-place", "hidden"),
}


def sheet(name: str, said: Mapping[str, Any]) -> exports.Sheet | None:
    """The rows behind one of the page's parts, in base units."""
    heads: tuple[str, ...]
    figures = stats.listed(said)
    if name == "used":
        ids = ("I01", "I02", "I03")
        return stats.sheet("access-used", [one for id in ids for one in stats.every(figures, id)])
    if name == "burn":
        keys = ("granted", "used", "due", "forecast", "told", "behind")
        heads = (
            "grant", "access mode", "from (UTC)", "to (UTC)", "granted (GPU-h)", "used (GPU-h)",
            "due (GPU-h)", "forecast (GPU-h)", "told", "behind",
        )  # fmt: skip
        rows = [
            (row.get("project"), row.get("access_mode"), moments.iso(number(row.get("start_ms"))),
             moments.iso(number(row.get("end_ms"))), *(row.get(key) for key in keys))
            for row in _list(_mapping(said.get("burn")).get("rows"))
        ]  # fmt: skip
        return exports.Sheet("access-burn-down", heads, rows)
    if name == "states":
        heads = ("State", "user category", "used (GPU-h)", "granted (GPU-h)", "projects", "hidden")
        keys = ("state", "category", "used", "granted", "projects", "hidden")
        cells = _list(_mapping(said.get("states")).get("cells"))
        return exports.Sheet("access-states", heads, [[c.get(k) for k in keys] for c in cells])
    if name == "gaps":
        heads = ("KPI", "name", "of", "what is missing")
        rows_of = [
            (one.get("id"), one.get("name"), ", ".join(map(str, one.get("of") or ())),
             one.get("note"))
            for one in _list(said.get("gaps"))
        ]  # fmt: skip
        return exports.Sheet("access-gaps", heads, rows_of)
    return stats.sheet(f"access-{name}", stats.every(figures, "I04" if name == "guard" else "I07"))


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def asked(picked: object, cells: object) -> Answer | None:
        pick = context.asked(picked)
        if pick is None:
            return None
        query = [*pick.query, *([("system", pick.system)] if pick.system else [])]
        whole = [*query, ("cells", "all")] if cells == "all" else query
        answer = context.answers.ask("/v1/access-time", whole, KEPT_SECONDS)
        if cells == "all" and answer.error is not None and answer.reached:
            # An address that somebody sent whose reader may see more.
            return context.answers.ask("/v1/access-time", query, KEPT_SECONDS)
        return answer

    def fill(
        _tick: int | None, picked: object, mode: str, by: object, cells: object
    ) -> dict[str, Any]:
        answer = asked(picked, cells)
        if answer is None:
            return dict.fromkeys(OUTPUTS, no_update)
        changes = render(answer, theme.mode_named(mode), context.zone, by)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def sheet_of(name: str) -> Any:
        def made(picked: object, cells: object) -> exports.Sheet | None:
            answer = asked(picked, cells)
            return None if answer is None or answer.value is None else sheet(name, answer.value)

        return made

    app.clientside_callback(
        ClientsideFunction("wattline", "draw"), Input("access_time-drawing", "data")
    )
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("access_time-tick", "n_intervals"),
            Input("shell-asked", "data"),
            Input("shell-mode", "data"),
            Input("access_time-by", "value"),
            Input("access_time-cells", "value"),
        ],
    )(fill)
    pickers.remember(app, "access_time-by", "access_time-cells")
    state = [Input("shell-asked", "data"), Input("access_time-cells", "value")]
    for name in ("used", "burn", "guard", "waits", "states", "gaps"):
        exports.connect(app, f"access_time-{name}", state, sheet_of(name))
