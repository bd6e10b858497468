"""How good the data is, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from wattline_collector.palette import Mode, format_age, format_number, format_value
from wattline_dashboards import exports, markup, theme
from wattline_dashboards.answers import Answer
from wattline_dashboards.columns import number
from wattline_dashboards.components import notice, quality
from wattline_dashboards.components.chart import chart, files
from wattline_dashboards.components.feeds import count
from wattline_dashboards.components.parts import nothing
from wattline_dashboards.components.short import cut
from wattline_dashboards.components.todo import listed, todos
from wattline_dashboards.context import Context
from wattline_dashboards.figures import coverage_map
from wattline_dashboards.language import N_, _, ngettext

PATH = "/quality"
TITLE = N_("Data quality")
GROUP = "operators"
PICKERS = ("period", "system")
EVERY_MS = 15_000
KEEP_SECONDS = 10.0
BOOKS_SECONDS = 60.0


def layout(**more: Any) -> html.Div:
    """The page before its figures."""
    return html.Div(
        [
            dcc.Interval(id="quality-tick", interval=EVERY_MS),
            dcc.Store(id="quality-drawn"),
            markup.store("quality"),
            html.Div(id="quality-notice"),
            html.Div(
                [
                    html.Div(
                        [html.H1(id="quality-answer"), html.Div(id="quality-figures")],
                        className="answer",
                    ),
                    _section("todo", _("What to do")),
                    chart("quality-map", coverage_map.LEAST_HEIGHT),
                    html.Section(
                        [
                            html.Div(
                                [
                                    html.H2(_("Gaps")),
                                    files("quality-gaps", picture=False),
                                ],
                                className="section-head",
                            ),
                            html.Div(id="quality-gaps"),
                        ],
                        className="half wider",
                    ),
                    _section("residuals", _("Residuals of the books"), "half"),
                    _section("agents", _("Agents"), "half wider"),
                    _section("clocks", _("Clocks"), "half"),
                    _section("counted", _("What came and was of no use"), "half wider"),
                    _section("lacks", _("Metrics that nothing gives"), "half"),
                ],
                id="quality-page",
                className="drawn quality waiting",
            ),
        ]
    )


def _section(name: str, title: str, class_name: str = "") -> html.Section:
    return html.Section([html.H2(title), html.Div(id=f"quality-{name}")], className=class_name)


def render(answer: Answer, zone: ZoneInfo, mode: Mode, drawn: object = None) -> dict[str, Any]:
    """All that the collector's answers fill; `parts` are components by the id they fill.

    Args:
        answer: What the collector says.
        zone: The site's time zone.
        mode: Light or dark.
        drawn: Which map is there already; the same is not sent again.
    """
    changes: dict[str, Any] = dict.fromkeys(OUTPUTS, no_update)
    parts: dict[str, Any] = {"quality-notice": notice.away(answer)}
    changes["parts"] = parts
    if answer.value is None:
        return changes | {"class": "drawn quality waiting"}
    told = answer.value
    books = told.get("books")
    found = todos(told)
    parts |= {
        "quality-answer": sentence(told, len(found)),
        "quality-todo": listed(found),
        "quality-agents": quality.agents(told),
        "quality-clocks": quality.clocks(told),
        "quality-counted": quality.counted(told),
        "quality-lacks": quality.lacks(told),
    }
    changes["class"] = f"{notice.stale_class(answer)} quality"
    if not isinstance(books, Mapping):
        why = nothing(_("Nothing is known of this period: {why}").format(
            why=cut(told.get("problem"), 400)))  # fmt: skip
        parts |= {
            "quality-figures": why, "quality-map-finding": _("Coverage by node and hour"),
            "quality-map-note": None, "quality-gaps": why, "quality-residuals": why,
        }  # fmt: skip
        return changes | {"no_map": True}
    cells = books.get("cells") or {}
    parts |= {
        "quality-figures": quality.figures(books),
        "quality-map-finding": _finding(books),
        "quality-map-note": _note(cells),
        "quality-gaps": quality.gaps(books, zone),
        "quality-residuals": quality.residuals(books),
    }
    changes["no_map"] = not coverage_map.rows_of(cells)
    changes["style"] = {"height": f"{coverage_map.height(cells)}px"}
    name = f"{mode} {zone} {crc32(str(cells).encode())}"
    if name != drawn:
        changes |= {"map": coverage_map.figure(cells, zone, mode), "drawn": name}
    return changes


def sentence(told: Mapping[str, Any], todo: int) -> str:
    """How much of what should have come came, and whether there is anything to do."""
    books = told.get("books")
    rows = (books.get("figures") or ()) if isinstance(books, Mapping) else ()
    value = next((number(row.get("value")) for row in rows if row.get("id") == "Q03"), None)
    did = (
        _("It is not known how many samples came")
        if value is None
        else _("{share} of the expected samples came").format(share=format_value(value, "%"))
    )
    need = (
        ngettext("{n} thing to do", "{n} things to do", todo).format(n=count(todo))
        if todo
        else _("nothing to do")
    )
    return f"{did}; {need}"


def _finding(books: Mapping[str, Any]) -> str:
    hours = number(books.get("gap_device_hours")) or 0
    if not hours:
        return _("Every device was observed in every hour")
    nodes = {(one.get("system"), one.get("node")) for one in books.get("gaps") or ()}
    return ngettext(
        "{n} node was silent at times: {hours} were not observed",
        "{n} nodes were silent at times: {hours} were not observed",
        len(nodes),
    ).format(n=count(len(nodes)), hours=format_number(hours, "GPU-h"))


def _note(cells: Mapping[str, Any]) -> str:
    step = format_age(number(cells.get("step_ms")))
    shown, all_ = len(coverage_map.rows_of(cells)), number(cells.get("nodes")) or 0
    said = _(
        "Samples received of those expected, a column per {step}; what stands out is missing, "
        "hatched is silent, blank is not installed."
    ).format(step=step)
    if all_ > shown:
        said += _(" The {some} least complete of {all} nodes.").format(
            some=count(shown), all=count(all_)
        )
    return said


def map_sheet(answer: Answer) -> exports.Sheet | None:
    """The map as rows: a line per node and column that anything is known of."""
    cells = ((answer.value or {}).get("books") or {}).get("cells") or {}
    rows, start, step = (coverage_map.rows_of(cells), cells.get("start_ms"), cells.get("step_ms"))
    if not rows or start is None or step is None:
        return None
    heads = ("system", "node", "from (unix ms)", "to (unix ms)", "samples received (%)")
    lines = [
        [
            row.get("system"),
            row.get("node"),
            start + place * step,
            start + (place + 1) * step,
            value,
        ]
        for row in rows
        for place, value in enumerate(row["cells"])
        if value is not None
    ]
    return exports.Sheet("coverage", heads, lines)


def gaps_sheet(answer: Answer) -> exports.Sheet | None:
    """The gaps as rows."""
    rows = ((answer.value or {}).get("books") or {}).get("gaps") or []
    if not rows:
        return None
    names = ("system", "node", "from_ms", "to_ms", "devices", "device_hours")
    heads = ("system", "node", "from (unix ms)", "to (unix ms)", "devices",
             "not observed (GPU-h)")  # fmt: skip
    return exports.Sheet("gaps", heads, [[one.get(name) for name in names] for one in rows])


def both(now: Answer, books: Answer) -> Answer:
    """What is known now and what the books tell, as one answer: as old and as good as the worse."""
    worse = books if books.error is not None else now
    if now.value is None or books.value is None:
        return replace(worse, value=None)
    return replace(worse, value={**now.value, **books.value})


OUTPUTS = {
    "parts": Output("quality-drawing", "data"),
    "class": Output("quality-page", "className"),
    "map": Output("quality-map", "figure"),
    "style": Output("quality-map", "style"),
    "no_map": Output("quality-map-place", "hidden"),
    "drawn": Output("quality-drawn", "data"),
}


def register(app: Dash, context: Context) -> None:
    """Connect the page."""

    def asked(picked: object) -> Answer | None:
        asked = context.asked(picked)
        if asked is None:
            return None
        own = [("system", asked.system)] if asked.system else []
        now = context.answers.ask("/v1/quality", own, KEEP_SECONDS)
        books = context.answers.ask("/v1/quality/books", [*asked.query, *own], BOOKS_SECONDS)
        return both(now, books)

    def fill(_: int | None, picked: object, mode: str, drawn: object) -> dict[str, Any]:
        answer = asked(picked)
        if answer is None:
            return dict.fromkeys(OUTPUTS, no_update)
        changes = render(answer, context.zone, theme.mode_named(mode), drawn)
        return changes | {"parts": markup.drawing(changes["parts"])}

    def map_rows(picked: object) -> exports.Sheet | None:
        answer = asked(picked)
        return None if answer is None else map_sheet(answer)

    def gap_rows(picked: object) -> exports.Sheet | None:
        answer = asked(picked)
        return None if answer is None else gaps_sheet(answer)

    app.clientside_callback(
        ClientsideFunction("wattline", "draw"), Input("quality-drawing", "data")
    )
    app.callback(
        output=OUTPUTS,
        inputs=[
            Input("quality-tick", "n_intervals"),
            Input("shell-asked", "data"),
            Input("shell-mode", "data"),
            State("quality-drawn", "data"),
        ],
    )(fill)
    exports.connect(app, "quality-map", [State("shell-asked", "data")], map_rows)
    exports.connect(app, "quality-gaps", [State("shell-asked", "data")], gap_rows)
